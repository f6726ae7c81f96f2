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
        # While saturated, the n-th poller gained comes n steps after `_growing_from`; else `_credit_s` is what was
        # left of a step when saturation ended.
        self._growing_from: float | None = None
        self._gained = 0
        self._credit_s = 0.0
        self._idle_since: float | None = None

    def count(self, now: float) -> int:
        """How many there are now."""
        while now >= self.grows_at():
            self._gained += 1
            self._level = min(self._level + 1, self._most)
        if self._idle_since is not None and now >= self._idle_since + self._reset_s:
            self._level = self._start
            self._idle_since = None
        return self.last_count

    @property
    def last_count(self) -> int:
        """How many there were when last counted, less failures since."""
        return int(self._level)

    @property
    def saturated(self) -> bool:
        """Whether they were at the end of the last poll."""
        return self._growing_from is not None

    def grows_at(self) -> float:
        """When there will be one more, if nothing changes; infinity if never."""
        if self._growing_from is None or self._level >= self._most:
            return math.inf
        return self._growing_from + (self._gained + 1) * self._step_s

    def fail(self, now: float) -> None:
        """A batch failed or was throttled: the mapping backs off."""
        if self._level >= self._most and self._growing_from is not None:
            # At the cap nothing was gained, and the time spent there gives nothing back now.
            self._growing_from, self._gained = now, 0
        self._level = max(float(self._least), self._level - self._failure_cost)

    def observe(self, now: float, *, saturated: bool, idle: bool) -> None:
        """What the end of a poll looked like: all busy and messages waiting, or nothing to do at all."""
        if saturated and self._growing_from is None:
            self._growing_from, self._gained = now - self._credit_s, 0
        elif not saturated and self._growing_from is not None:
            at_cap = self._level >= self._most
            self._credit_s = 0.0 if at_cap else max(0.0, now - self._growing_from - self._gained * self._step_s)
            self._growing_from = None
        if not idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
