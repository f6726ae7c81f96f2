"""What an HTTP server answered of which nothing more is known: how long it took, over all and second by second.

Latency runs from the intended send, not from the moment the request left, so that a stall of the server counts for
every request that was due in it. A request that was never answered ranks as slower than all others.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from reports.closed_model import ClosedModel, closed_model
from reports.outcome import Outcome
from reports.quantiles import Curve, Quantiles, distribution, measure
from reports.steps import Steps

if TYPE_CHECKING:
    from reports.accounting import Account
    from reports.buffer_rows import BufferRows
    from reports.description import Description

_MOST_STEPS: Final = 600


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one server; times in ms.

    `latency` is from the intended send to the 2xx answer, `endless` among it those that never came; `latency_curve` is
    the whole of it. `arrival_error` is sent minus intended, of every request that was sent. `by_step` has the columns
    second, offered and answered (a second), p50 and max (of those due in that step), each step `step_s` seconds wide.
    `closed_model` is the latency as users would have measured it who wait for each answer. `unanswered_because` is what
    most of the requests met with that got no answer, None if there are none.
    """

    route: str
    host: str | None
    latency: Quantiles
    latency_curve: Curve
    arrival_error: Quantiles
    by_step: pd.DataFrame
    step_s: int
    closed_model: ClosedModel
    unanswered_because: str | None


def answers(run: "Description", rows: "BufferRows", account: "Account") -> Answers:
    """What was answered in the turn called "route"."""
    turn = run.turn(rows.buffer)
    answered = rows.ended(Outcome.ANSWERED)
    due, took = rows.numbers("intended_at"), rows.numbers("response_ms")
    known = due[rows.offered & ~np.isnan(due)]
    step = -(-int(np.ptp(known) / 1_000) // _MOST_STEPS) or 1 if len(known) else 1
    latency, latency_curve = distribution(took[answered], account.no_answer)
    host = run.options.get("host")
    return Answers(
        route=(turn.route if turn else None) or rows.buffer,
        host=None if host is None else str(host),
        latency=latency,
        latency_curve=latency_curve,
        arrival_error=measure(rows.numbers("lateness_ms")[rows.offered]),
        by_step=_by_step(rows, step),
        step_s=step,
        # A user whose request is refused or breaks off goes on at once; so these are not among what a user waits for.
        closed_model=closed_model(due[answered], took[answered]),
        unanswered_because=_most_often(rows),
    )


def _most_often(rows: "BufferRows") -> str | None:
    errors = rows.texts("error")
    counts = errors.counts(rows.ended(Outcome.UNANSWERED))[:-1]
    return str(errors.names[int(counts.argmax())]) if counts.any() else None


def _by_step(rows: "BufferRows", step: int) -> pd.DataFrame:
    due, answered = rows.numbers("intended_at"), rows.ended(Outcome.ANSWERED)
    responded, start = rows.numbers("responded_at")[answered], float(np.fmin.reduce(due))
    last = np.fmax(np.fmax.reduce(due[rows.offered], initial=start), np.fmax.reduce(responded, initial=start))
    steps = Steps(start, step, 0 if np.isnan(last) else int((last - start) // (step * 1e3)) + 2)
    took = pd.Series(rows.numbers("response_ms")[answered]).groupby(steps.of(due[answered]))
    every = np.arange(steps.number)
    return pd.DataFrame(
        {
            "second": every * step,
            "offered": steps.count(due[rows.offered]) / step,
            "answered": steps.count(responded) / step,
            "p50": took.median().reindex(every),
            "max": took.max().reindex(every),
        }
    )
