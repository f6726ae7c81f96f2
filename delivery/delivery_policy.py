"""SNS's delivery policy for Lambda: how long it waits before it tries again what Lambda did not accept."""

from random import Random

from delivery.quotas import Quotas


class DeliveryPolicy:
    """The waits between SNS's tries to hand a message to Lambda, in four phases that cannot be configured.

    Three retries at once, two after a second each, ten after waits that grow from 1 to 20 s, and 100,000 after 20 s
    each: 23 days. That the ten grow by the same factor each is our reading of "exponential".

    Args:
        random: draws the jitter.
        quotas: the `sns_..._retries` and the waits between them.
    """

    def __init__(self, random: Random, quotas: Quotas) -> None:
        self._random = random
        self._jitter = quotas.sns_retry_jitter
        self._first_s = quotas.sns_retry_first_s
        self._max_s = quotas.sns_retry_max_s
        self._immediate = quotas.sns_immediate_retries
        self._backoff_from = self._immediate + quotas.sns_early_retries
        self._late_from = self._backoff_from + quotas.sns_backoff_retries
        self._most = self._late_from + quotas.sns_late_retries

    @property
    def immediate(self) -> int:
        """Retries that are made at once."""
        return self._immediate

    def wait_s(self, retry: int) -> float | None:
        """How long to wait before this retry, counted from 1; None if there is no such retry any more."""
        if retry <= self._immediate:
            return 0.0
        if retry <= self._backoff_from:
            whole = self._first_s
        elif retry <= self._late_from:
            steps = max(self._late_from - self._backoff_from - 1, 1)
            whole = self._first_s * (self._max_s / self._first_s) ** ((retry - self._backoff_from - 1) / steps)
        elif retry <= self._most:
            whole = self._max_s
        else:
            return None
        return whole * (1 - self._jitter * self._random.random())
