"""How the transits were fitted: nearly the smallest worst error, by a search along one parameter after the other.

The published figures are four quantiles a buffer, each with the error it may have. A candidate's quantiles come of a
fixed, evenly spread set of points instead of random ones, so that the same figures always give the same fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.calibration.cell import TOLERANCES
from simulator.duration import Transit

Floats = npt.NDArray[np.float64]

_QUANTILES: Final = ("p10", "p50", "p90", "p99")
# Of the errors' sum: so high that the worst of them counts almost alone, and yet a sum is smooth, where a search along
# one parameter after the other would stick at the edges of a maximum.
_POWER: Final = 6
_POINTS: Final = 1 << 14
# The generalised golden ratio spreads points evenly over a cube of that many dimensions (Roberts' R sequence, 2018).
_SIDES: Final = 4
_ROUNDS: Final = 2_000
_FIRST_STEP: Final = 0.3
_LAST_STEP: Final = 0.0005
# Beyond it a parameter says nothing that an error of a few percent could tell.
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fit: where the search starts, and which of its parameters it may move; the others stay."""

    start: Transit
    fitted: tuple[str, ...]
    wait_ms: tuple[float, float] = (0.0, 0.0)
    """The least and the longest of a wait in between, evenly, that a rule of AWS adds behind the transit."""


def fit(plan: Plan, published: Mapping[str, float]) -> Transit:
    """The transit whose quantiles come nearest to the published ones (ms), measured by what each may be off; its fitted
    parameters are rounded to three digits.
    """
    points = _points()
    best, least = plan.start, _distance(plan.start, plan, published, points)
    step = _FIRST_STEP
    for _ in range(_ROUNDS):
        found = best
        for name in plan.fitted:
            for factor in (1 + step, 1 / (1 + step)):
                candidate = replace(found, **{name: getattr(found, name) * factor})
                distance = _distance(candidate, plan, published, points)
                if distance < least:
                    found, least = candidate, distance
        if found is best:
            step /= 2
            if step < _LAST_STEP:
                break
        best = found
    return replace(best, **{name: _rounded(getattr(best, name)) for name in plan.fitted})


def quantiles(transit: Transit, wait_ms: tuple[float, float] = (0.0, 0.0)) -> dict[str, float]:
    """P10, P50, P90 and P99 of a transit, and of the wait behind it, in ms."""
    return _quantiles(transit, wait_ms, _points())


def _distance(transit: Transit, plan: Plan, published: Mapping[str, float], points: "_Points") -> float:
    found = _quantiles(transit, plan.wait_ms, points)
    return sum(((found[name] / figure - 1) / TOLERANCES[name]) ** _POWER for name, figure in published.items())


def _quantiles(transit: Transit, wait_ms: tuple[float, float], points: "_Points") -> dict[str, float]:
    least, longest = wait_ms
    taken = transit.of(points.evenly, points.normal, points.chance) + least + (longest - least) * points.wait
    values = np.quantile(taken, [int(name[1:]) / 100 for name in _QUANTILES], method="inverted_cdf")
    return dict(zip(_QUANTILES, map(float, values), strict=True))


@dataclass(frozen=True, slots=True)
class _Points:
    evenly: Floats
    normal: Floats
    chance: Floats
    wait: Floats


def _points() -> _Points:
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (_SIDES + 1))
    sides = [(0.5 + root ** -(side + 1) * np.arange(1, _POINTS + 1)) % 1 for side in range(_SIDES)]
    inverse = NormalDist().inv_cdf
    evenly, normal, chance, wait = (np.asarray(side, np.float64) for side in sides)
    return _Points(evenly, np.array([inverse(max(value, 1e-9)) for value in normal]), chance, wait)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
