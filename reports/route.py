"""What an HTTP server answered of which nothing more is known: how long it took, over all and second by second.

Latency runs from the intended send, not from the moment the request left, so that a stall of the server counts for
every request that was due in it. A request that was never answered ranks as slower than all others.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.closed_model import ClosedModel, closed_model
from reports.quantiles import Quantiles, curve, measure

if TYPE_CHECKING:
    import pandas as pd

    from reports.accounting import Account
    from reports.description import Description
    from reports.joined import Joined

_ACCEPTED = "outcome = 'answered'"
_SENT = "outcome NOT IN ('dropped', 'unrequested')"

_BY_SECOND = """
WITH start AS (SELECT min(intended_at) AS began FROM joined WHERE buffer = $buffer), sent AS (
    SELECT floor((intended_at - began) / ($step * 1e3))::BIGINT AS step, count(*) / $step AS offered,
        median(response_ms) FILTER (outcome = 'answered') AS p50, max(response_ms) FILTER (outcome = 'answered') AS max
    FROM joined, start WHERE buffer = $buffer AND outcome NOT IN ('dropped', 'unrequested') GROUP BY 1
), answered AS (
    SELECT floor((responded_at - began) / ($step * 1e3))::BIGINT AS step, count(*) / $step AS answered
    FROM joined, start WHERE buffer = $buffer AND outcome = 'answered' GROUP BY 1
), steps AS (
    SELECT unnest(range(0, (SELECT max(step) + 2 FROM (SELECT step FROM sent UNION ALL SELECT step FROM answered))))
        AS step
)
SELECT step * $step AS second, coalesce(offered, 0.0) AS offered, coalesce(answered, 0.0) AS answered, p50, max
FROM steps LEFT JOIN sent USING (step) LEFT JOIN answered USING (step) ORDER BY step
"""
_MOST_STEPS = 600
# A user whose request is refused or breaks off goes on at once; so these are not among what a user waits for.
_WAITED = """
SELECT intended_at AS due, response_ms AS took FROM joined WHERE buffer = $buffer AND outcome = 'answered'
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one server; times in ms.

    `latency` is from the intended send to the 2xx answer, `endless` among it those that never came; `latency_curve` is
    the same as in quantiles.curve. `arrival_error` is sent minus intended, of every request that was sent. `by_step`
    has the columns second, offered and answered (a second), p50 and max (of those due in that step), each step
    `step_s` seconds wide. `closed_model` is the latency as users would have measured it who wait for each answer.
    """

    route: str
    host: str | None
    latency: Quantiles
    latency_curve: list[tuple[float, float]]
    arrival_error: Quantiles
    by_step: "pd.DataFrame"
    step_s: int
    closed_model: ClosedModel


def answers(run: "Description", joined: "Joined", account: "Account") -> Answers:
    """What was answered in the turn called "route"."""
    (name,) = joined.buffers
    turn = run.turn(name)
    latencies = joined.values("response_ms", name, _ACCEPTED)
    due = joined.values("intended_at", name, _SENT)
    step = -(-int((due.max() - due.min()) / 1_000) // _MOST_STEPS) or 1 if len(due) else 1
    host = run.options.get("host")
    waited = joined.arrays(_WAITED, buffer=name)
    return Answers(
        route=(turn.route if turn else None) or name,
        host=None if host is None else str(host),
        latency=measure(latencies, account.no_answer),
        latency_curve=curve(latencies, account.no_answer),
        arrival_error=measure(joined.values("lateness_ms", name, _SENT)),
        by_step=joined.frame(_BY_SECOND, buffer=name, step=step),
        step_s=step,
        closed_model=closed_model(waited["due"], waited["took"]),
    )
