"""One run of one candidate: the scenario it makes of the question, and what the simulation says of the objective."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.planner import ceilings
from simulator.planner.candidate import Candidate
from simulator.planner.monthly import Month, month
from simulator.planner.question import Question
from simulator.planner.scaling import factor, scaled
from simulator.result import Result
from simulator.scenario import Rate, Scenario, Uniform
from simulator.simulation import simulate
from simulator.transits import PUBLISHED

# Baseline before the spike, so that environments are warm and pollers at their usual number.
LEAD_S: Final = 30.0
# Baseline after it, in how many times the requests of the spike at the most: it is there to compete with the backlog.
_TAIL_REQUESTS: Final = 1.0
# How long a run goes on after the last arrival, in times the backlog needs at the least, and at least an hour.
_PATIENCE: Final = 4.0
_PATIENCE_S: Final = 3_600.0
# Of the run at the baseline alone, from which a month is told.
_BASELINE_S: Final = (60.0, 600.0)
# The least requests of that run: a simulation without any is over before an hour can be told from it.
_TRICKLE: Final = 2.0

Simulate = Callable[[Scenario], Result]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate, the question it is put to, and how much of it to simulate: about `requests` of the spike's."""

    question: Question
    candidate: Candidate
    requests: float
    seed: int = 1
    priced: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed of the requests that were sent during the spike.

    `latency_s`, the objective's percentile, is infinite where so many were refused, given up, or never ended; `p50_s`
    likewise. Shares are of all requests of the spike. `concurrency` and `backlog`, the peaks, are those of the whole;
    `scale` says by how much the run was divided. `bill` None: not priced.
    """

    scale: float
    simulated: int
    latency_s: float
    p50_s: float
    rejected: float
    lost: float
    duplicates: float
    worked_off_s: float | None
    concurrency: int
    backlog: int
    throttles: int
    bill: Month | None
    missed: tuple[str, ...]

    @property
    def meets(self) -> bool:
        """Whether every objective held."""
        return not self.missed


def run(trial: Trial) -> Outcome:
    """Simulate a trial."""
    return run_with(trial, simulate)


def run_with(trial: Trial, simulate: Simulate) -> Outcome:
    """Simulate a trial with `simulate`."""
    question, candidate = trial.question, trial.candidate
    by = factor(question, candidate, question.spike_requests, trial.requests)
    scenario, starts_at = spike_scenario(question, candidate, trial.seed, by)
    result = simulate(scenario)
    bill = None
    if trial.priced:
        alone = simulate(baseline_scenario(question, candidate, trial.seed, by, trial.requests))
        bill = month(question, with_spike=result, alone=alone, scale=by)
    return judge(question, result, starts_at, by, bill)


def spike_scenario(question: Question, candidate: Candidate, seed: int, by: float) -> tuple[Scenario, float]:
    """Baseline, the spike on top, and baseline again while the backlog is worked off; and when the spike starts."""
    lead_s = LEAD_S if question.baseline_per_s else 0.0
    ends_at = lead_s + question.spike_s
    tail_s = _tail_s(question, candidate)
    base, peak = question.baseline_per_s / by, question.peak_per_s / by
    knots = ((0.0, base), (lead_s, base), (lead_s, peak), (ends_at, peak), (ends_at, base), (ends_at + tail_s, base))
    # A rate has no two knots at second 0.
    arrivals = Rate(knots if lead_s else knots[2:])
    until_s = ends_at + tail_s + max(_PATIENCE_S, _PATIENCE * tail_s)
    return scaled(_scenario(question, candidate, seed, arrivals, until_s), by), lead_s


def baseline_scenario(question: Question, candidate: Candidate, seed: int, by: float, requests: float) -> Scenario:
    """The baseline alone, for about so many requests; if there is none a trickle, for shards cost all the same."""
    base = question.baseline_per_s / by
    shortest, longest = _BASELINE_S
    length_s = min(longest, max(shortest, requests / base)) if base else longest
    arrivals = Rate(((0.0, base), (length_s, base)))
    if base * length_s < _TRICKLE:
        arrivals = Rate(((0.0, _TRICKLE / longest), (longest, _TRICKLE / longest)), poisson=False)
        length_s = longest
    return scaled(_scenario(question, candidate, seed, arrivals, length_s + question.latency.within_s), by)


def judge(question: Question, result: Result, starts_at: float, by: float, bill: Month | None) -> Outcome:
    """What a run says of the objectives. A request without a result ranks above all that have one."""
    sent_at = result.arrived_at
    ends_at = starts_at + question.spike_s
    spike = (sent_at >= starts_at) & (sent_at < ends_at)
    took = (result.stored_at - sent_at)[spike]
    count = len(took)
    endless = np.isnan(took)
    took = np.sort(np.where(endless, math.inf, took))
    refused = np.isnan(result.accepted_at)[spike]
    given_up = ~np.isnan(result.ended_at)[spike] & endless
    ended_at = np.fmax(result.stored_at, result.ended_at)[spike & ~np.isnan(result.accepted_at)]
    rejected, lost = float(refused.mean()), float(given_up.mean())
    latency_s = _quantile(took, question.latency.share)
    return Outcome(
        scale=by,
        simulated=count,
        latency_s=latency_s,
        p50_s=_quantile(took, 0.5),
        rejected=rejected,
        lost=lost,
        duplicates=result.duplicates / result.offered,
        worked_off_s=None if np.isnan(ended_at).any() or not len(ended_at) else float(ended_at.max() - ends_at),
        concurrency=round(result.peak_concurrency * by),
        backlog=round(max((second.backlog for second in result.series), default=0) * by),
        throttles=round(result.throttles * by),
        bill=bill,
        missed=_missed(question, latency_s, rejected, lost, bill),
    )


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Of several seeds, the run with the longest latency, with all that any of them missed."""
    slowest = max(outcomes, key=lambda outcome: outcome.latency_s)
    return replace(slowest, missed=tuple(dict.fromkeys(missed for outcome in outcomes for missed in outcome.missed)))


def _missed(question: Question, latency_s: float, rejected: float, lost: float, bill: Month | None) -> tuple[str, ...]:
    missed: list[str] = []
    if rejected > (1 - question.latency.share if question.rejected is None else question.rejected.at_most):
        missed.append("rejected")
    if lost > question.lost.at_most:
        missed.append("lost")
    if latency_s > question.latency.within_s:
        missed.append("late")
    if bill is not None and question.budget_usd is not None and bill.usd > question.budget_usd:
        missed.append("budget")
    return tuple(missed)


def _scenario(question: Question, candidate: Candidate, seed: int, arrivals: Rate, until_s: float) -> Scenario:
    return Scenario(
        name=str(candidate),
        seed=seed,
        until_s=until_s,
        buffer=candidate.buffer,
        arrivals=arrivals,
        payload_bytes=question.payload_bytes,
        partition_keys=Uniform(question.keys),
        mapping=candidate.mapping,
        function=candidate.function(question),
        downstream=candidate.downstream(question),
        transit_ms=PUBLISHED[candidate.buffer],
        api=question.api,
        quotas=question.quotas,
    )


def _tail_s(question: Question, candidate: Candidate) -> float:
    """For how long the backlog and the objective's patience last, as far as that is worth simulating."""
    rate = candidate.concurrency(question) * ceilings.per_environment(question, candidate)
    if question.downstream_per_s is not None:
        rate = min(rate, question.downstream_per_s)
    backlog = max(0.0, question.peak_per_s - rate) * question.spike_s
    over = rate - question.baseline_per_s
    drain_s = backlog / over if over > 0 else math.inf
    most_s = _TAIL_REQUESTS * question.spike_requests / question.baseline_per_s if question.baseline_per_s else 0.0
    return max(question.latency.within_s, min(drain_s, most_s))


def _quantile(ascending: npt.NDArray[np.float64], share: float) -> float:
    """The value of rank ceil(share n), as in a measured run's report (reports.quantiles)."""
    # Rounded first: 0.99 * 100 is a little over 99 in binary.
    rank = max(1, math.ceil(round(share * len(ascending), 6)))
    return float(ascending[rank - 1]) if len(ascending) else math.inf
