"""The token bucket: a rate with a burst, as AWS throttles by."""

import math
from collections.abc import Sequence

# A wait computed as tokens / rate may end a rounding error early; without this much grace it would be asked for again.
GRACE_S = 1e-6


class TokenBucket:
    """Holds at most `burst` tokens, gains `rate` a second, and starts full.

    Args:
        rate: tokens gained per second, 0 or more.
        burst: most tokens it holds.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if rate < 0 or burst < 0:
            raise ValueError(f"a bucket of rate {rate} and burst {burst}: both must be 0 or more")
        self._rate = rate
        self._burst = burst
        self._grace = rate * GRACE_S
        self._level = burst
        self._at = 0.0

    def holds(self, now: float, wanted: float) -> bool:
        """Whether `wanted` tokens could be taken."""
        return self._level_at(now) + self._grace >= wanted

    def take(self, now: float, wanted: float) -> bool:
        """Take all `wanted` tokens, or none and answer False."""
        level = self._level_at(now)
        if level + self._grace < wanted:
            return False
        self._level = level - wanted
        self._at = now
        return True

    def whole(self, now: float) -> int:
        """How many whole tokens could be taken."""
        return math.floor(self._level_at(now) + self._grace)

    def take_upto(self, now: float, wanted: int) -> int:
        """Take as many whole tokens as there are, `wanted` at most; says how many."""
        taken = min(wanted, self.whole(now))
        if taken <= 0:
            return 0
        self.take(now, taken)
        return taken

    def take_each(self, times: float | Sequence[float], count: int) -> list[bool]:
        """Take one token at each of `count` times, which ascend (one number: all at once); says which there were.

        The same as `take(time, 1)` for one after the other.
        """
        if isinstance(times, float | int):
            taken = self.take_upto(times, count)
            return [True] * taken + [False] * (count - taken)
        rate, burst, grace = self._rate, self._burst, self._grace
        level, at = self._level, self._at
        verdicts: list[bool] = []
        for time in map(float, times):
            holds = level + rate * (time - at)
            if holds > burst:
                holds = burst
            if holds + grace >= 1:
                level, at = holds - 1, time
                verdicts.append(True)
            else:
                verdicts.append(False)
        self._level, self._at = level, at
        return verdicts

    def ready_at(self, wanted: float) -> float:
        """When it will hold `wanted` tokens if none is taken before; infinity if never. In the past if it does."""
        if wanted > self._burst:
            return math.inf
        missing = wanted - self._level
        if missing <= 0:
            return self._at
        return self._at + missing / self._rate if self._rate > 0 else math.inf

    def _level_at(self, now: float) -> float:
        # Only a take moves the mark: asking more often must not change the sum.
        level = self._level + self._rate * (now - self._at)
        return level if level < self._burst else self._burst
