"""How many batches an SQS event source mapping holds at once, and how that number moves."""

import math

from delivery.quotas import Quotas
from delivery.sqs_provisioned import ProvisionedPollers


class Pollers:
    """The number of batches held at once: it starts at 5, grows by 300 a minute while all are busy and messages wait,
    falls by failures, and when there is nothing to do starts over, and in the end sleeps at 2.

    A poller holds one batch; a provisioned one holds 10, and there it grows by 1,000 a minute from the minimum.

    Whether they were saturated is told at the end of each poll and counts until the next one: a poll begins with a
    settle that has just freed a poller, so that judged then it would never be.

    Args:
        quotas: start, growth, cap, what a failure costs, how long idleness lasts before it starts over, or sleeps.
        maximum_concurrency: the mapping's own cap, if it has one; then it never has fewer than it starts with when
            idle.
        provisioned: the pollers of provisioned mode.
    """

    def __init__(
        self, quotas: Quotas, maximum_concurrency: int | None = None, provisioned: ProvisionedPollers | None = None
    ) -> None:
        if provisioned is not None:
            self._held_by_one = quotas.sqs_provisioned_invokes_per_poller
            self._most = provisioned.maximum * self._held_by_one
            self._start = self._least = self._asleep = provisioned.minimum * self._held_by_one
            per_minute = quotas.sqs_provisioned_invokes_per_minute
        else:
            self._held_by_one = 1
            self._most = min(
                quotas.sqs_pollers_max, quotas.sqs_pollers_max if maximum_concurrency is None else maximum_concurrency
            )
            self._start = min(quotas.sqs_pollers_start, self._most)
            self._least = min(quotas.sqs_pollers_min, self._start)
            self._asleep = self._least if maximum_concurrency is None else self._start
            per_minute = quotas.sqs_pollers_per_minute
        self._step_s = 60 * self._held_by_one / per_minute if per_minute > 0 else math.inf
        self._reset_s = quotas.sqs_pollers_idle_reset_s
        self._sleep_s = quotas.sqs_pollers_idle_sleep_s
        self._failure_cost = quotas.sqs_pollers_lost_per_failure
        self._level: float = self._start
        # While saturated, the n-th poller gained comes n steps after `_growing_from`; else `_credit_s` is what was
        # left of a step when saturation ended.
        self._growing_from: float | None = None
        self.saturated = False
        """Whether they were at the end of the last poll."""
        self._gained = 0
        self._credit_s = 0.0
        self.grows_at = math.inf
        """When there will be one more, if nothing changes; infinity if never."""
        self._worked = False
        self._idle_since: float | None = None
        self._idle_levels: list[tuple[float, int]] = []

    def count(self, now: float) -> int:
        """How many batches they hold at once now."""
        while now >= self.grows_at:
            self._gained += 1
            self._level = min(self._level + self._held_by_one, self._most)
            self._plan_growth()
        if self._idle_since is not None:
            # Each once: a failure in the first poll after the idleness counts.
            while self._idle_levels and now >= self._idle_since + self._idle_levels[-1][0]:
                self._level = self._idle_levels.pop()[1]
                self._plan_growth()
        return int(self._level)

    @property
    def last_count(self) -> int:
        """How many there were when last counted, less failures since."""
        return int(self._level)

    @property
    def pollers(self) -> int:
        """How many pollers that takes."""
        return math.ceil(self.last_count / self._held_by_one)

    def fail(self, now: float) -> None:
        """A batch failed or was throttled: the mapping backs off."""
        self._worked = True
        if self._level >= self._most and self._growing_from is not None:
            # At the cap nothing was gained, and the time spent there gives nothing back now.
            self._growing_from, self._gained = now, 0
        self._level = max(float(self._least), self._level - self._failure_cost)
        self._plan_growth()

    def observe(self, now: float, *, saturated: bool, idle: bool) -> None:
        """What the end of a poll looked like: all busy and messages waiting, or nothing to do at all."""
        self.saturated = saturated
        if saturated and self._growing_from is None:
            self._growing_from, self._gained = now - self._credit_s, 0
            self._plan_growth()
        elif not saturated and self._growing_from is not None:
            at_cap = self._level >= self._most
            self._credit_s = 0.0 if at_cap else max(0.0, now - self._growing_from - self._gained * self._step_s)
            self._growing_from = None
            self._plan_growth()
        if not idle:
            self._worked = True
            self._idle_since = None
        elif self._idle_since is None and self._worked:
            self._idle_since = now
            self._idle_levels = [(self._sleep_s, self._asleep), (self._reset_s, self._start)]

    def _plan_growth(self) -> None:
        if self._growing_from is None or self._level >= self._most:
            self.grows_at = math.inf
        else:
            self.grows_at = self._growing_from + (self._gained + 1) * self._step_s
