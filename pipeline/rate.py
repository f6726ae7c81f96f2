"""The rate of a load over time: straight lines between knots, and the time at which so many arrivals are expected."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Knot:
    """The rate, in requests a second, at a second of the load."""

    second: float
    rate: float


class Rate:
    """A rate that runs in straight lines from knot to knot. Two knots at the same second make a step."""

    def __init__(self, knots: "Sequence[Knot]") -> None:
        """Take knots in the order of their seconds, from second 0 on, two at least.

        Raises:
            ValueError: they are not so, or a number is negative or not finite.
        """
        if len(knots) < 2 or knots[0].second != 0:
            raise ValueError("a rate needs two knots at least, the first at second 0")
        if any(not math.isfinite(knot.second) or not math.isfinite(knot.rate) or knot.rate < 0 for knot in knots):
            raise ValueError("the knots of a rate are finite and not negative")
        if any(later.second < earlier.second for earlier, later in pairwise(knots)):
            raise ValueError("the knots of a rate are in the order of their seconds")
        self.knots = tuple(knots)
        self._seconds = [knot.second for knot in knots]
        self._expected = list(
            accumulate(
                (
                    (later.second - earlier.second) * (earlier.rate + later.rate) / 2
                    for earlier, later in pairwise(knots)
                ),
                initial=0.0,
            )
        )

    @property
    def duration(self) -> float:
        """Seconds from the start to the last knot."""
        return self._seconds[-1]

    @property
    def total(self) -> float:
        """The number of arrivals to expect in all."""
        return self._expected[-1]

    def at(self, second: float) -> float:
        """The rate at a second, just after a step; 0 outside the knots."""
        if not 0 <= second < self.duration:
            return 0.0
        index = bisect_right(self._seconds, second) - 1
        start, end = self.knots[index], self.knots[index + 1]
        return start.rate + (end.rate - start.rate) * (second - start.second) / (end.second - start.second)

    def expected_until(self, second: float) -> float:
        """The number of arrivals to expect before a second."""
        if second <= 0:
            return 0.0
        if second >= self.duration:
            return self.total
        index = bisect_right(self._seconds, second) - 1
        return self._expected[index] + (second - self._seconds[index]) * (self.knots[index].rate + self.at(second)) / 2

    def second_of(self, expected: float) -> float:
        """The second by which so many arrivals are expected: `expected_until`, inverted exactly.

        Raises:
            ValueError: so many are never expected.
        """
        if not 0 <= expected < self.total:
            raise ValueError(f"{expected} arrivals are not expected of a rate that brings {self.total}")
        index = bisect_right(self._expected, expected) - 1
        start, end = self.knots[index], self.knots[index + 1]
        beyond = expected - self._expected[index]
        slope = (end.rate - start.rate) / (end.second - start.second)
        # The root of slope/2 * s**2 + rate*s = beyond, in the form that does not cancel when the slope is near 0.
        root = math.sqrt(max(0.0, start.rate**2 + 2 * slope * beyond))
        # Both are 0 where so little is beyond that its square root is lost.
        second = start.second + (2 * beyond / (start.rate + root) if start.rate + root else 0.0)
        return min(second, end.second)
