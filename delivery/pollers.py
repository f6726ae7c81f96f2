"""How many batches an SQS event source mapping holds at once, and how that number moves."""

import math

from delivery.quotas import Quotas


class Pollers:
    """The number of pollers: it starts at 5, grows by 300 a minute while all are busy and messages wait, and falls by
    failures.

    Whether they were saturated is told at the end of each poll and counts until the next one: a poll begins with a
    settle that has just freed a poller, so that judged then it would never be.

    Args:
        quotas: start, growth, cap, what a failure costs, how long idleness lasts before it starts over.
        maximum_concurrency: the mapping's own cap, if it has one.
    """

    def __init__(self, quotas: Quotas, maximum_concurrency: int | None) -> None:
        self._most = min(quotas.sqs_pollers_max, math.inf if maximum_concurrency is None else maximum_concurrency)
        self._start = min(quotas.sqs_pollers_start, self._most)
        self._least = min(quotas.sqs_pollers_min, self._start)
        self._step_s = 60 / quotas.sqs_pollers_per_minute if quotas.sqs_pollers_per_minute > 0 else math.inf
        self._reset_s = quotas.sqs_pollers_idle_reset_s
        self._failure_cost = quotas.sqs_pollers_lost_per_failure
        self._level: float = self._start
        self._credit_s = 0.0
        self._saturated_since: float | None = None
        self._idle_since: float | None = None

    def count(self, now: float) -> int:
        """How many there are now."""
        if self._saturated_since is not None:
            while self._level < self._most and now >= self.grows_at():
                self._saturated_since = self.grows_at()
                self._credit_s = 0.0
                self._level = min(self._level + 1, self._most)
        if self._idle_since is not None and now >= self._idle_since + self._reset_s:
            self._level = self._start
            self._credit_s = 0.0
        return self.last_count

    @property
    def last_count(self) -> int:
        """How many there were when last counted, less failures since."""
        return int(self._level)

    def grows_at(self) -> float:
        """When there will be one more, if nothing changes; infinity if never."""
        if self._saturated_since is None or self._level >= self._most:
            return math.inf
        return self._saturated_since + self._step_s - self._credit_s

    def fail(self) -> None:
        """A batch failed or was throttled: the mapping backs off."""
        self._level = max(float(self._least), self._level - self._failure_cost)

    def observe(self, now: float, *, saturated: bool, idle: bool) -> None:
        """What the end of a poll looked like: all busy and messages waiting, or nothing to do at all."""
        if saturated and self._saturated_since is None:
            self._saturated_since = now
        elif not saturated and self._saturated_since is not None:
            self._credit_s += now - self._saturated_since
            self._saturated_since = None
        if not idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
