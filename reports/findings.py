"""Everything a report says of a run, computed once; the scorecard, the figures and the page only show it."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline import units
from pipeline.request import BUFFERS
from pipeline.run import ROUTE
from reports import (
    accounting,
    closed_model,
    cost,
    description,
    doors,
    fairness,
    joined,
    observed,
    order,
    quantiles,
    route,
    stages,
    time_to_know,
    timeline,
)

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.run import RunFolder
    from reports.buffer_rows import BufferRows


@dataclass(frozen=True, slots=True)
class BufferFindings:
    """What one buffer did with its load. Times in ms unless named otherwise.

    `latency` is the time to result, from the intended send until the result was stored, of accepted requests.
    `response` is the gateway's latency, from the intended send until its 2xx answer. `drain_s` is the time from the
    last intended send to the last ending, None if the buffer did not drain. `closed_model` is the time to result as
    users would have measured it who wait for theirs. `cost` is None where it is not known what AWS would charge for.
    """

    name: str
    account: accounting.Account
    latency: quantiles.Quantiles
    latency_curve: quantiles.Curve
    response: quantiles.Quantiles
    stages: dict[str, stages.Stage]
    observed: observed.Observed
    drain_s: float | None
    unstamped: int
    timeline: "pd.DataFrame"
    load: fairness.Load
    turn: description.Turn | None
    closed_model: closed_model.ClosedModel
    order: order.Order
    cost: cost.Cost | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run showed. `partial` says why the report does not show a whole run; empty if it does.

    `stages` are those of a request's way in this run, and what each means. In a run whose clients waited for their
    results, `buffers` are its ways, `knowing` is when the clients of each knew, and `by_door` what it took to get into
    the buffer; a run of buffers has neither. `answers` is what a server said of which no more than that is known: its
    one entry in `buffers` is called "route", and has answers, but no results. `raw` are the names of the files of rows
    that all of this was made of.
    """

    run: description.Description
    buffers: dict[str, BufferFindings]
    stages: dict[str, str]
    sameness: fairness.Sameness
    partial: tuple[str, ...]
    notes: tuple[str, ...]
    rows: joined.Joined
    raw: tuple[str, ...]
    knowing: dict[str, time_to_know.Knowing] = field(default_factory=dict)
    by_door: dict[str, doors.Passage] = field(default_factory=dict)
    answers: route.Answers | None = None

    @property
    def valid(self) -> bool:
        """Whether the run is valid by its own check, and whole."""
        return self.run.valid and not self.partial

    @property
    def invalid_because(self) -> tuple[str, ...]:
        """Why it is not valid."""
        return (*self.run.invalid_because, *self.partial)


def find(folder: "RunFolder") -> Findings:
    """Compute what a run's folder shows.

    Raises:
        RunError: the folder holds no run, a damaged one or an empty one.
    """
    run = description.read(folder)
    return of(folder, run, joined.join(folder, run.drained))


def of(folder: "RunFolder", run: description.Description, rows: joined.Joined) -> Findings:
    """Compute what the rows of a run's folder show."""
    meanings = stages.of_simulation(rows) if run.is_simulated else stages.STAGES
    # What takes long is arithmetic on whole columns, which lets the other thread run. Two, for each takes its memory.
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda buffer: _buffer(run, rows, buffer, meanings), rows.buffers))
    buffers = {buffer.name: buffer for buffer, _ in found}
    return Findings(
        run=run,
        buffers=buffers,
        stages=meanings,
        sameness=fairness.sameness([arrivals for _, arrivals in found]),
        partial=tuple(_partial(run, rows)),
        notes=tuple(_notes(rows, buffers)),
        rows=rows,
        raw=tuple(sorted(path.name for path in folder.path.glob("*.rows"))),
        knowing={
            name: time_to_know.knowing(rows, run.turn(name), name, buffer.account) for name, buffer in buffers.items()
        }
        if run.ways
        else {},
        by_door=doors.doors(run, rows) if run.ways else {},
        answers=route.answers(run, rows.rows(ROUTE), buffers[ROUTE].account) if ROUTE in buffers else None,
    )


# Clocks that are wild enough are further apart than a float reaches.
@np.errstate(over="ignore", invalid="ignore")
def _buffer(
    run: description.Description, run_rows: joined.Joined, buffer: str, meanings: dict[str, str]
) -> tuple[BufferFindings, fairness.Arrivals]:
    rows, observations = run_rows.rows(buffer), run_rows.observations(buffer)
    account = accounting.account(rows)
    latency, latency_curve = quantiles.distribution(rows.numbers("latency_ms")[rows.processed], account.endless)
    turn = run.turn(buffer)
    seen = observed.observed(observations)
    if turn is not None and turn.peak_concurrency is not None:
        seen = replace(seen, peak_concurrency=turn.peak_concurrency)
    whole = run.drained.get(buffer, False) and not run_rows.cut_short
    found = BufferFindings(
        name=buffer,
        account=account,
        latency=latency,
        latency_curve=latency_curve,
        response=quantiles.measure(rows.numbers("response_ms")[rows.taken]),
        stages=stages.stages(rows, meanings),
        observed=seen,
        drain_s=_drain_s(rows, account, seen) if whole and not account.lost + account.unfinished else None,
        unstamped=account.ended - latency.n,
        timeline=timeline.timeline(rows, observations),
        load=fairness.load(rows),
        turn=turn,
        closed_model=_closed_model(rows),
        order=order.order(rows),
        cost=_cost(run, rows, account),
    )
    return found, fairness.arrivals(rows)


def _closed_model(rows: "BufferRows") -> closed_model.ClosedModel:
    # A result without a stamp took a time that is not known; for what has no result its user waits for ever.
    took = np.where(rows.has_result, rows.numbers("latency_ms"), np.inf)
    those = rows.taken & ~np.isnan(took)
    return closed_model.closed_model(rows.numbers("intended_at")[those], took[those])


def _cost(run: description.Description, rows: "BufferRows", account: accounting.Account) -> cost.Cost | None:
    turn = run.turn(rows.buffer)
    if run.is_simulated:
        return cost.of_simulation(turn, account) if turn and turn.cost else None
    if run.ways or rows.buffer not in BUFFERS:
        return None
    return cost.of_run(run, rows, account, turn)


def _drain_s(rows: "BufferRows", account: accounting.Account, seen: observed.Observed) -> float | None:
    last_send = np.fmax.reduce(rows.numbers("intended_at")[rows.offered], initial=np.nan)
    last = np.fmax.reduce(rows.numbers("stored_at"))
    if account.dead_lettered:
        # A dead letter has no time of its own; the second in which the last was counted is the best there is.
        if seen.last_dead_letter_at is None:
            return None
        last = np.fmax(last, seen.last_dead_letter_at)
    seconds = float(last - last_send) / 1000
    return None if math.isnan(seconds) else max(seconds, 0.0)


def _partial(run: description.Description, rows: joined.Joined) -> "list[str]":
    reasons = [f"{text}; the rows after it are lost" for text in rows.cut_short]
    if run.ended_at is None:
        reasons.append("the run was cut off: run.json does not say when it ended")
    if run.uncollected:
        reasons.append("what became of the requests was not collected: those without a result count as unfinished")
    reasons.extend(
        f"{buffer}: the run does not tell of its turn" for buffer in rows.buffers if run.turn(buffer) is None
    )
    reasons.extend(
        f"{turn.buffer}: its turn was broken off, neither drained nor at its cut-off"
        for turn in run.turns
        if not turn.drained and not turn.cut_off
    )
    wanted = run.ways or [str(name) for name in run.workload.get("buffers") or ()]
    reasons.extend(f"{name}: its turn never came" for name in wanted if name not in rows.buffers)
    return reasons


def _notes(rows: joined.Joined, buffers: dict[str, BufferFindings]) -> "list[str]":
    notes = []
    for name, buffer in buffers.items():
        account = buffer.account
        for number, one, many in (
            (
                account.accepted_unanswered,
                "request got no HTTP answer and was processed all the same; it is not among the accepted",
                "requests got no HTTP answer and were processed all the same; they are not among the accepted",
            ),
            (
                account.rejected_processed,
                "request was answered with an error and processed all the same; it is among the rejected",
                "requests were answered with an error and processed all the same; they are among the rejected",
            ),
            (
                account.unrequested,
                "result or dead letter has no row of its request: rows of requests are missing",
                "results or dead letters have no row of their request: rows of requests are missing",
            ),
            (
                buffer.unstamped,
                "result has no stored_at, its process having died in between; it counts as ended, in no latency",
                "results have no stored_at, their process having died in between; they count as ended, in no latency",
            ),
            (
                account.lost,
                "accepted request is lost: the buffer ran empty without it",
                "accepted requests are lost: the buffer ran empty without them",
            ),
        ):
            if number:
                notes.append(f"{name}: {units.count(number, one, many)}")
        if buffer.turn is not None and buffer.turn.expired:
            reasons = units.listed([f"{number:,} {reason}" for reason, number in buffer.turn.expired.items()])
            notes.append(
                f"{name}: of what is lost, the model gave up {reasons}, with no place to put it, silently, as AWS does"
            )
    if rows.repeated_requests:
        repeated = units.count(rows.repeated_requests, "row of requests repeats", "rows of requests repeat")
        notes.append(f"{repeated} a sequence number; each request was counted once")
    if rows.unidentified:
        unknown = units.count(rows.unidentified, "result or dead letter belongs", "results or dead letters belong")
        notes.append(f"{unknown} to no request of this run; left out")
    return notes
