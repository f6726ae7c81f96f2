"""From a question to the candidates that were tried, and the one to choose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulator.planner.candidate import Candidate
from simulator.planner.crew import Crew
from simulator.planner.grid import Pruned, candidates
from simulator.planner.question import Question
from simulator.planner.trial import Outcome, Trial, worst
from simulator.scenario import BUFFERS, Buffer

# Requests of the spike to simulate, about: enough that some 200 lie beyond p99.
SCREENING: Final = 20_000.0
# Seeds in all for what may be chosen; and how near the bound counts as near.
_SEEDS: Final = 3
_NEAR: Final = (0.8, 1.25)
# Of each buffer so many of the cheapest are tried with all seeds.
_FINALISTS: Final = 3
# Prices closer than this are the same: between them the shorter latency decides.
_SAME_PRICE: Final = 1.02

Advance = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and its outcome, the worst of so many seeds."""

    candidate: Candidate
    outcome: Outcome
    seeds: int

    @property
    def usd(self) -> float:
        """US dollars a month."""
        assert self.outcome.bill is not None, "every candidate of a search is priced"
        return self.outcome.bill.usd


@dataclass(frozen=True, slots=True)
class Search:
    """All that was tried, and what was not and why."""

    question: Question
    tried: tuple[Tried, ...]
    pruned: tuple[Pruned, ...]

    @property
    def chosen(self) -> Tried | None:
        """The cheapest candidate that meets every objective with every seed; None if there is none."""
        return best([one for one in self.tried if one.outcome.meets])

    def best_of(self, buffer: Buffer) -> Tried | None:
        """The best of one buffer; if none of its candidates meets the objectives, the one that comes nearest."""
        those = [one for one in self.tried if one.candidate.buffer == buffer]
        return best([one for one in those if one.outcome.meets]) or nearest(those)

    @property
    def best_of_each(self) -> list[Tried]:
        """The best of each buffer that was tried."""
        return [one for buffer in BUFFERS if (one := self.best_of(buffer)) is not None]

    @property
    def runner_up(self) -> Tried | None:
        """The best of the other buffers."""
        chosen = self.chosen
        if chosen is None:
            return None
        others = [one for one in self.tried if one.candidate.buffer != chosen.candidate.buffer]
        return best([one for one in others if one.outcome.meets])


def search(question: Question, crew: Crew, advance: Advance = lambda: None) -> Search:
    """Try what arithmetic does not rule out: each once, what may be chosen or lies near the bound with more seeds."""
    kept, pruned = candidates(question)
    first = crew.run([_trial(question, candidate, question.seed) for candidate in kept], advance)
    tried = [Tried(candidate, outcome, 1) for candidate, outcome in zip(kept, first, strict=True)]
    doubtful = finalists(question, tried)
    while doubtful:
        _try_again(question, tried, doubtful, crew, advance)
        # Where those fell, others come to the front: none is chosen on the strength of one seed.
        doubtful = [one for buffer in BUFFERS if (one := _favourite(tried, buffer)) is not None and one.seeds == 1]
    return Search(question, tuple(tried), tuple(pruned))


def _try_again(question: Question, tried: list[Tried], those: list[Tried], crew: Crew, advance: Advance) -> None:
    seeds = range(question.seed + 1, question.seed + _SEEDS)
    more = crew.run([_trial(question, one.candidate, seed) for one in those for seed in seeds], advance)
    for number, one in enumerate(those):
        outcomes = [one.outcome, *more[number * len(seeds) : (number + 1) * len(seeds)]]
        tried[tried.index(one)] = Tried(one.candidate, worst(outcomes), len(outcomes))


def _favourite(tried: list[Tried], buffer: Buffer) -> Tried | None:
    return best([one for one in tried if one.candidate.buffer == buffer and one.outcome.meets])


def finalists(question: Question, tried: list[Tried]) -> list[Tried]:
    """Those for which one seed is not enough: of each buffer the cheapest that may do."""
    low, high = (bound * question.latency.within_s for bound in _NEAR)
    found: list[Tried] = []
    for buffer in BUFFERS:
        those = [one for one in tried if one.candidate.buffer == buffer]
        hopeful = [one for one in those if one.outcome.meets or low <= one.outcome.latency_s <= high]
        found += sorted(hopeful, key=lambda one: (one.usd, one.outcome.latency_s))[:_FINALISTS]
        # What would be chosen for its latency among equal prices is not always among the cheapest.
        favourite = _favourite(tried, buffer)
        if favourite is not None and favourite not in found:
            found.append(favourite)
    return found


def best(those: list[Tried]) -> Tried | None:
    """The cheapest, and among those that cost as much the one with the shortest latency."""
    if not those:
        return None
    least = min(one.usd for one in those)
    return min(
        (one for one in those if one.usd <= least * _SAME_PRICE), key=lambda one: (one.outcome.latency_s, one.usd)
    )


def nearest(those: list[Tried]) -> Tried | None:
    """Of those that miss an objective the one that comes nearest: if only the budget is in the way, the cheapest."""
    only_dear = [one for one in those if one.outcome.missed == ("budget",)]
    if only_dear:
        return min(only_dear, key=lambda one: one.usd)
    return min(
        those, key=lambda one: (one.outcome.rejected + one.outcome.lost, one.outcome.latency_s, one.usd), default=None
    )


def _trial(question: Question, candidate: Candidate, seed: int) -> Trial:
    return Trial(question, candidate, SCREENING, seed, priced=True)
