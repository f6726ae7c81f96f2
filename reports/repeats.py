"""The repeats of a run, summed up: each figure's median over the runs, and how far they scatter.

All runs had the same schedule, so that what scatters is the system and its machine, not the arrivals. Between the
smallest and the largest of n runs lies the true median with a confidence of 1 - 2^(1 - n), whatever the distribution:
95 % from six runs on, so that with fewer there is no confidence interval, and the range says what was seen.
"""

import statistics
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from pipeline.run import RunError
from reports import findings
from reports.key_figures import KeyFigure, entries, key_figures
from reports.quantiles import interval_ranks
from reports.scorecard import scorecard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.repeats import RepeatsFolder
    from pipeline.run import RunFolder
    from reports.description import Description
    from reports.findings import Findings

_HALF: Final = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over the runs that have it: `n` of them, and their order statistics.

    `low` and `high` are the 95 % confidence interval of the median, None with fewer than six runs.
    """

    median: float | None
    min: float | None
    max: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run of the repeats, by its folder's name, and why it does not count; nothing if it does."""

    id: str
    invalid_because: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether it is among those summed up."""
        return not self.invalid_because


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the repeats came to. `figures` are, for each buffer or way, its key figures and their spread.

    `wanted` is how many were asked for. Only valid runs are summed up. `run` describes the first that can be read.
    """

    id: str
    run: "Description"
    wanted: int
    repeats: tuple[Repeat, ...]
    figures: dict[str, dict[KeyFigure, Spread]]

    @property
    def counted(self) -> tuple[Repeat, ...]:
        """The runs that are summed up."""
        return tuple(repeat for repeat in self.repeats if repeat.counts)

    @property
    def partial(self) -> bool:
        """Whether fewer valid runs are there than were wanted."""
        return len(self.counted) < self.wanted

    @property
    def invalid_because(self) -> tuple[str, ...]:
        """Why it is not what was asked for."""
        missing = self.wanted - len(self.repeats)
        broken_off = (f"{missing:,} of {self.wanted:,} runs never began",) if missing > 0 else ()
        return (
            *(f"{repeat.id}: {'; '.join(repeat.invalid_because)}" for repeat in self.repeats if not repeat.counts),
            *broken_off,
        )


def repeats(folder: "RepeatsFolder", read: "Callable[[RunFolder], Findings]" = findings.find) -> Repeats:
    """Read the repeats, and sum up those that are valid.

    Raises:
        RunError: the folder holds no repeats, or none of its runs can be read.
    """
    each, cards = [], []
    runs = []
    for run_folder in folder.runs:
        try:
            found = read(run_folder)
        except RunError as error:
            each.append(Repeat(run_folder.path.name, (str(error),)))
            continue
        runs.append(found.run)
        reasons = () if found.valid else found.invalid_because or ("it is not valid, without a reason given",)
        each.append(Repeat(run_folder.path.name, reasons))
        if found.valid:
            cards.append(scorecard(found))
    if not runs:
        raise RunError(f"of the repeats in {folder.path} none can be read: {'; '.join(each[0].invalid_because)}")
    ways = dict.fromkeys(way for card in cards for way in entries(card))
    return Repeats(
        id=folder.path.resolve().name,
        run=runs[0],
        wanted=folder.wanted,
        repeats=tuple(each),
        figures={
            way: {
                figure: spread([figure.of(entries(card).get(way, {})) for card in cards])
                for figure in key_figures(cards[0])
            }
            for way in ways
        },
    )


def spread(values: "Sequence[float | None]") -> Spread:
    """The spread of a figure: a value a run, None where the run does not have it."""
    ordered = sorted(value for value in values if value is not None)
    n = len(ordered)
    if not n:
        return Spread(None, None, None, None, None, 0)
    low, high = interval_ranks(n, _HALF)
    bounded = low >= 1 and high <= n
    return Spread(
        median=statistics.median(ordered),
        min=ordered[0],
        max=ordered[-1],
        low=ordered[low - 1] if bounded else None,
        high=ordered[high - 1] if bounded else None,
        n=n,
    )


def card(summed: Repeats) -> dict[str, Any]:
    """scorecard.json of the repeats: `repeats`, and for each buffer or way the spread of each figure by its path."""
    first = summed.run
    return {
        "repeats": {
            "id": summed.id,
            "target": first.target,
            "workload": first.workload_name,
            "seed": first.seed,
            "wanted": summed.wanted,
            "runs": [repeat.id for repeat in summed.repeats],
            "counted": [repeat.id for repeat in summed.counted],
            "partial": summed.partial,
            "valid": not summed.partial,
            "invalid_because": list(summed.invalid_because),
        },
        "buffers": {
            way: {figure.path: _spread_json(found) for figure, found in figures.items()}
            for way, figures in summed.figures.items()
        },
    }


def _spread_json(found: Spread) -> dict[str, float | int | None]:
    return {
        "median": found.median,
        "min": found.min,
        "max": found.max,
        "ci_low": found.low,
        "ci_high": found.high,
        "n": found.n,
    }
