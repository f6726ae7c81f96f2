"""What breaks next: the best settings of each buffer under smaller and larger spikes than the one asked about."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from simulator.planner import ceilings
from simulator.planner.candidate import Candidate
from simulator.planner.crew import Crew
from simulator.planner.question import Question
from simulator.planner.search import SCREENING
from simulator.planner.trial import Outcome, Trial

# Ten times either way, in steps of a quarter of a decade.
FACTORS: Final = tuple(10 ** (step / 4) for step in range(-4, 5))
# Between the last size that holds and the first that does not, for the candidate that was chosen.
_CLOSER: Final = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One candidate at one size of spike.

    `because` says what breaks, and is empty where it holds. `outcome` None: by arithmetic alone it cannot hold.
    """

    candidate: Candidate
    spike_per_s: float
    outcome: Outcome | None
    because: str

    @property
    def holds(self) -> bool:
        """Whether the objectives are met at this size."""
        return not self.because


def crossover(
    question: Question, candidates: Sequence[Candidate], crew: Crew, advance: Callable[[], None] = lambda: None
) -> list[Cell]:
    """Every candidate at every size, its settings left as they are; the first more closely where it breaks."""
    sizes = [question.spike_per_s * factor for factor in FACTORS]
    cells = _cells(question, [(candidate, size) for candidate in candidates for size in sizes], crew, advance)
    if candidates:
        edge = breaks_between(cells, candidates[0], question.spike_per_s)
        if edge is not None:
            low, high = edge
            between = [low * (high / low) ** (step / (_CLOSER + 1)) for step in range(1, _CLOSER + 1)]
            cells += _cells(question, [(candidates[0], size) for size in between], crew, advance)
    return sorted(cells, key=lambda cell: (candidates.index(cell.candidate), cell.spike_per_s))


def breaks_between(cells: Sequence[Cell], candidate: Candidate, asked: float) -> tuple[float, float] | None:
    """The largest size from the one asked about on at which a candidate holds, and the next, at which it does not."""
    of_it = sorted(
        (cell for cell in cells if cell.candidate == candidate and cell.spike_per_s >= asked * (1 - 1e-9)),
        key=lambda cell: cell.spike_per_s,
    )
    holds: float | None = None
    for cell in of_it:
        if not cell.holds:
            return None if holds is None else (holds, cell.spike_per_s)
        holds = cell.spike_per_s
    return None


def _cells(
    question: Question, wanted: Sequence[tuple[Candidate, float]], crew: Crew, advance: Callable[[], None]
) -> list[Cell]:
    cells: list[Cell] = []
    trials: list[Trial] = []
    for candidate, size in wanted:
        asked = replace(question, spike_per_s=size)
        lowest = ceilings.of(asked, candidate)[0]
        if lowest.peak_per_s < asked.peak_per_s:
            cells.append(Cell(candidate, size, None, lowest.limit))
            advance()
        else:
            trials.append(Trial(asked, candidate, SCREENING, question.seed, priced=True))
    for trial, outcome in zip(trials, crew.run(trials, advance), strict=True):
        cells.append(Cell(trial.candidate, trial.question.spike_per_s, outcome, ", ".join(outcome.missed)))
    return cells


def cheapest_at(cells: Sequence[Cell], spike_per_s: float) -> Cell | None:
    """The cheapest of those that hold at a size."""
    those = [cell for cell in cells if math.isclose(cell.spike_per_s, spike_per_s) and cell.holds]

    def usd(cell: Cell) -> float:
        assert cell.outcome is not None
        return cell.outcome.bill.usd if cell.outcome.bill is not None else math.inf

    return min(those, key=usd, default=None)
