"""What speaks for a difference of two sides: how large it is, and how often noise alone would make one as large."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Evidence:
    """The change from A to B: in proportion to A where it is `relative`, else in the figure's own unit.

    `low` and `high` are its 95 % confidence interval, of this figure alone. `p` is how often noise alone makes a
    change as large, before it is allowed for how many figures are looked at. `block_s` is how many seconds long the
    blocks were that were taken as independent, where the noise is that within a run.
    """

    change: float
    low: float
    high: float
    relative: bool
    p: float
    block_s: float | None = None


@dataclass(frozen=True, slots=True)
class NoEvidence:
    """No call can be made, and why not."""

    why: str


def two_sided(difference: "Callable[[float], float]", error: float, freedom: float, margin: float) -> float:
    """How often noise alone makes a difference as large, by Student's t with `freedom` degrees.

    `difference` is that of B to A times a factor. With a `margin` m the question is whether B is more than A (1 + m),
    or less than A / (1 + m); both are asked, so that the smaller p counts twice.
    """
    above, below = difference(1 + margin), -difference(1 / (1 + margin))
    if error == 0:
        return 0.0 if max(above, below) > 0 else 1.0
    return min(1.0, 2 * float(special.stdtr(freedom, -max(above, below) / error)))


def half_width(error: float, freedom: float) -> float:
    """Half of the confidence interval of a difference."""
    return error * float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def proportion(log_ratio: float) -> float:
    """The change that a difference of logarithms means, in proportion.

    >>> round(proportion(math.log(1.25)), 9)
    0.25
    """
    return math.expm1(min(log_ratio, 700.0))


def holm(ps: "Sequence[float]") -> list[float]:
    """Each p allowing for their number, in their order (Holm 1979): no call is false in 95 of 100 comparisons.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(ps)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = least
    return adjusted
