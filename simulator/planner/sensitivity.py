"""Which inputs the answer hangs on: each a little smaller and a little larger, and the chosen candidate run again."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from delivery.quotas import Quotas
from simulator.duration import Fixed, Lognormal
from simulator.planner.candidate import Candidate
from simulator.planner.crew import Crew
from simulator.planner.question import Question
from simulator.planner.search import SCREENING
from simulator.planner.trial import Outcome, Trial
from simulator.scenario import Buffer

# What an architect estimates, and what AWS does not publish at all.
_ESTIMATE: Final = 0.2
_UNPUBLISHED: Final = 0.5
# The numbers of the quota table that shape a buffer begin with these.
_PREFIXES: Final[dict[Buffer, tuple[str, ...]]] = {
    "sns": ("async_", "sns_"),
    "sqs": ("sqs_pollers_", "sqs_throttle_"),
    "sqs-fifo": ("sqs_pollers_", "sqs_throttle_", "sqs_fifo_"),
    "kinesis": ("kinesis_shard_", "kinesis_retry_", "kinesis_throttle_"),
    "kinesis-efo": ("kinesis_shard_", "kinesis_fan_out_", "kinesis_retry_", "kinesis_throttle_"),
}


@dataclass(frozen=True, slots=True)
class Influence:
    """One input, changed by a share either way, and what the chosen candidate makes of it."""

    name: str
    share: float
    published: bool
    smaller: Outcome
    larger: Outcome

    def flips(self) -> bool:
        """Whether an objective is missed at one of the two."""
        return not (self.smaller.meets and self.larger.meets)

    def weight(self, usual_s: float) -> float:
        """By how much the latency changes at the most, as a logarithm: twice as long counts like half as long."""
        return max(abs(_log(outcome.latency_s) - _log(usual_s)) for outcome in (self.smaller, self.larger))


def sensitivity(
    question: Question, candidate: Candidate, usual: Outcome, crew: Crew, advance: Callable[[], None] = lambda: None
) -> list[Influence]:
    """Every input's influence, the strongest first: those that tip the answer over, then by the change in latency."""
    inputs = [(*entry, True) for entry in _inputs(question)] + [
        (*entry, False) for entry in _unpublished(question, candidate)
    ]
    trials = [
        Trial(asked, candidate, SCREENING, question.seed)
        for _, _, smaller, larger, _ in inputs
        for asked in (smaller, larger)
    ]
    outcomes = crew.run(trials, advance)
    found = [
        Influence(name, share, published, outcomes[2 * number], outcomes[2 * number + 1])
        for number, (name, share, _, _, published) in enumerate(inputs)
    ]
    return sorted(found, key=lambda influence: (not influence.flips(), -influence.weight(usual.latency_s)))


def runs(question: Question, candidate: Candidate) -> int:
    """How many runs that takes."""
    return 2 * (len(_inputs(question)) + len(_unpublished(question, candidate)))


def _inputs(question: Question) -> list[tuple[str, float, Question, Question]]:
    """What the architect gave: its name, the share, and the question with less and with more of it."""

    def both(name: str, change: Callable[[float], Question]) -> tuple[str, float, Question, Question]:
        return name, _ESTIMATE, change(1 - _ESTIMATE), change(1 + _ESTIMATE)

    found = [
        both("the spike's rate", lambda by: replace(question, spike_per_s=question.spike_per_s * by)),
        both("how long the spike lasts", lambda by: replace(question, spike_s=question.spike_s * by)),
        both("the function's time a record", lambda by: replace(question, per_record=_times(question.per_record, by))),
        both("the cold start", lambda by: replace(question, cold_start=_times(question.cold_start, by))),
        both("the payload", lambda by: replace(question, payload_bytes=max(1, round(question.payload_bytes * by)))),
        both("the number of keys", lambda by: replace(question, keys=max(1, round(question.keys * by)))),
        both("the account's concurrency", lambda by: _quota(question, "account_concurrency", by)),
    ]
    if question.baseline_per_s:
        found.append(both("the baseline", lambda by: replace(question, baseline_per_s=question.baseline_per_s * by)))
    rate = question.downstream_per_s
    if rate is not None:
        found.append(both("the downstream's rate", lambda by: replace(question, downstream_per_s=rate * by)))
    return found


def _unpublished(question: Question, candidate: Candidate) -> list[tuple[str, float, Question, Question]]:
    """What AWS does not publish of this buffer: assumed numbers of the quota table."""
    return [
        (name, _UNPUBLISHED, _quota(question, name, 1 - _UNPUBLISHED), _quota(question, name, 1 + _UNPUBLISHED))
        for name, entry in Quotas.table().items()
        if entry.confidence == "L" and name.startswith(_PREFIXES[candidate.buffer])
    ]


def _quota(question: Question, name: str, by: float) -> Question:
    value = getattr(question.limits, name)
    changed = max(1, round(value * by)) if isinstance(value, int) else value * by
    return replace(question, quotas={**question.quotas, name: changed})


def _times(duration: Fixed | Lognormal, by: float) -> Fixed | Lognormal:
    if isinstance(duration, Fixed):
        return Fixed(duration.ms * by)
    return Lognormal(duration.p50_ms * by, duration.p99_ms * by)


def _log(seconds: float) -> float:
    return math.log(max(seconds, 0.01)) if math.isfinite(seconds) else math.log(1e9)
