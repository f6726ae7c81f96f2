"""How many requests a second a function may get, which is another limit than its concurrency."""

import math
from collections import deque

from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket

# What is counted as "a second": requests let in over the last one.
_WINDOW_S = 1.0


class InvocationRate:
    """The rate of one function's synchronous requests.

    Of any second no more are let in than 10 for each of its concurrency (`sync_requests_per_s_per_environment`). A
    function that has not been that busy gets there by `requests_per_10_s`, refilled continuously, as environments
    grow; it falls back when no request came for `environment_idle_s`. The first matters to functions that answer in
    less than 100 ms, the second to accounts with more than the default concurrency.

    Args:
        concurrency: the most the function can reach.
        quotas: the three numbers above.
    """

    def __init__(self, concurrency: int, quotas: Quotas) -> None:
        self._most = int(concurrency * quotas.sync_requests_per_s_per_environment)
        self._growth = TokenBucket(quotas.requests_per_10_s / 10, quotas.requests_per_10_s)
        self._idle_s = quotas.environment_idle_s
        self._reached = 0
        # When requests were let in, and how many at that time, over the last second.
        self._recent: deque[tuple[float, int]] = deque()
        self._in_window = 0
        self._last = -math.inf

    def room(self, now: float, wanted: int) -> int:
        """How many requests could be let in now, `wanted` at most."""
        self._forget(now)
        known = max(self._reached - self._in_window, 0)
        return max(0, min(wanted, self._most - self._in_window, known + self._growth.whole(now)))

    def take(self, now: float, count: int) -> None:
        """Let in so many requests, of those there is room for. One refused for another reason does not count."""
        if count:
            beyond = self._in_window + count - self._reached
            if beyond > 0:
                self._growth.take(now, beyond)
                self._reached += beyond
            self._recent.append((now, count))
            self._in_window += count

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] + _WINDOW_S <= now:
            self._last, count = self._recent.popleft()
            self._in_window -= count
        if not self._recent and self._last + self._idle_s <= now:
            self._reached = 0
