"""Quantiles of all samples, exactly: order statistics, with the confidence that their number allows.

The p-quantile of n samples is the one of rank ceil(p n) (the inverse of the empirical distribution): always a value
that was measured, never one between two. Samples that have no value because they never ended rank above all others.

A quantile is given only with at least `samples_needed` samples, so that some ten of them lie beyond it: 20 for the
median, 1,000 for p99, 10,000 for p99.9. Below that the figure says more about one sample than about the system.

The 95 % confidence interval lies between two order statistics (Conover, Practical Nonparametric Statistics, 3.2): how
many of n independent samples fall below the true quantile is binomial(n, p), whatever the distribution. It assumes
independent samples; requests that wait in one queue are not, so it says how well the arrivals of this run pin the
quantile down, not how much another run would differ.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

PERCENTILES: Final = {
    "p50": Fraction(1, 2),
    "p90": Fraction(9, 10),
    "p95": Fraction(19, 20),
    "p99": Fraction(99, 100),
    "p99_9": Fraction(999, 1000),
}
CONFIDENCE: Final = 0.95
BEYOND: Final = 10
_POINTS: Final = 300

# A whole distribution as (x, value), x = 1 / (1 - p): 2 the median, 10 p90, 1,000 p99.9. At most _POINTS of the order
# statistics, evenly spread over log x.
Curve = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Quantile:
    """One quantile and its confidence interval. A bound is None where the interval is open (never ended)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The quantiles of one measure.

    `n` samples were measured; `endless` more have no value because they never ended, and rank above all. A
    quantile is None with too few samples, or where it falls among the endless.
    """

    n: int
    endless: int
    p50: Quantile | None
    p90: Quantile | None
    p95: Quantile | None
    p99: Quantile | None
    p99_9: Quantile | None
    mean: float | None
    max: float | None

    def __getitem__(self, name: str) -> Quantile | None:
        """The quantile called `name`, as in PERCENTILES."""
        quantile: Quantile | None = getattr(self, name)
        return quantile

    def value(self, name: str) -> float | None:
        """The value of the quantile called `name`, or None."""
        quantile = self[name]
        return None if quantile is None else quantile.value

    @property
    def typical(self) -> float | None:
        """The median; with too few samples for one, the mean."""
        median = self.value("p50")
        return self.mean if median is None else median


def samples_needed(p: Fraction) -> int:
    """How many samples a p-quantile needs: enough for ten beyond it.

    >>> [samples_needed(p) for p in PERCENTILES.values()]
    [20, 100, 200, 1000, 10000]
    """
    return math.ceil(BEYOND / (1 - p))


def measure(samples: "Floats", endless: int = 0) -> Quantiles:
    """The quantiles of `samples` (any order; NaN and infinities are left out) and `endless` more above them."""
    return _quantiles(_ordered(samples), endless)


def distribution(samples: "Floats", endless: int = 0) -> tuple[Quantiles, Curve]:
    """The quantiles as `measure` tells them, and the curve that they lie on."""
    ordered = _ordered(samples)
    return _quantiles(ordered, endless), _curve(ordered, endless)


def _quantiles(ordered: "Floats", endless: int) -> Quantiles:
    n = len(ordered)
    quantiles = {name: _quantile(ordered, n + endless, p) for name, p in PERCENTILES.items()}
    return Quantiles(
        n=n,
        endless=endless,
        mean=float(ordered.mean()) if n else None,
        max=float(ordered[-1]) if n else None,
        **quantiles,
    )


def _ordered(samples: "Floats") -> "Floats":
    finite = np.isfinite(samples)
    return np.sort(samples if finite.all() else samples[finite])


def _quantile(ordered: "Floats", total: int, p: Fraction) -> Quantile | None:
    rank = math.ceil(p * total)
    if total < samples_needed(p) or rank > len(ordered):
        return None
    low, high = interval_ranks(total, p)
    return Quantile(float(ordered[rank - 1]), _at(ordered, low), _at(ordered, high))


def _at(ordered: "Floats", rank: int) -> float | None:
    return float(ordered[rank - 1]) if 1 <= rank <= len(ordered) else None


@lru_cache(maxsize=1024)
def interval_ranks(n: int, p: Fraction, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """The ranks (from 1) of the order statistics that hold the p-quantile between them with `confidence` or more.

    Rank 0 or n + 1 means that n samples give no bound on that side.
    """
    first, mass = _binomial(n, float(p))
    below = np.cumsum(mass)
    tail = (1 - confidence) / 2
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return low, high


def _binomial(n: int, p: float) -> "tuple[int, npt.NDArray[np.float64]]":
    """The binomial probabilities around the mean, from the first whole number given; the rest is below 1e-20."""
    spread = 12 * math.sqrt(n * p * (1 - p)) + 24
    first, last = max(0, math.floor(n * p - spread)), min(n, math.ceil(n * p + spread))
    k = np.arange(first, last, dtype=np.float64)
    steps = np.log((n - k) / (k + 1)) + math.log(p / (1 - p))
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(logs - logs.max())
    return first, mass / mass.sum()


def _curve(ordered: "Floats", endless: int) -> Curve:
    total = len(ordered) + endless
    if not len(ordered):
        return []
    beyond = np.unique(np.round(np.geomspace(total, 1, _POINTS)).astype(np.int64))[::-1]
    ranks: npt.NDArray[Any] = total - beyond + 1
    ranks = ranks[ranks <= len(ordered)]
    return [(total / (total - rank + 1), float(ordered[rank - 1])) for rank in ranks.tolist()]
