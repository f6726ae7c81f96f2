"""Provisioned mode of an SQS event source mapping: pollers of its own, and what they may receive."""

import math
from dataclasses import dataclass

from delivery.quotas import Quotas

# Sums of waits are a rounding error off: ten receives at ten a second must be let through in one moment.
_GRACE_S = 1e-6


@dataclass(frozen=True, slots=True)
class ProvisionedPollers:
    """ProvisionedPollerConfig: `minimum` pollers are there from the start and stay, `maximum` is the most there are.

    AWS's defaults are 2 and 200.
    """

    minimum: int = 2
    maximum: int = 200

    def check(self, quotas: Quotas) -> None:
        """Refuse what AWS refuses too.

        Raises:
            ValueError: minimum or maximum lies outside what a mapping takes, or they are the wrong way round.
        """
        least, most_minimum = quotas.sqs_provisioned_minimum_least, quotas.sqs_provisioned_minimum_max
        if not least <= self.minimum <= most_minimum:
            raise ValueError(f"minimum pollers are {self.minimum}; a mapping takes {least} to {most_minimum:,}")
        if not self.minimum <= self.maximum <= quotas.sqs_provisioned_pollers_max:
            raise ValueError(
                f"maximum pollers are {self.maximum}; a mapping takes the minimum, {self.minimum}, "
                f"to {quotas.sqs_provisioned_pollers_max:,}"
            )


class PollerThroughput:
    """What a number of provisioned pollers may receive: ReceiveMessage calls and bytes a second, `burst_s` saved up.

    A receive is let through while anything is left of the bytes: how many it brings is known only then. What it brings
    beyond is made up for by the next ones.

    Args:
        quotas: the rates of one poller.
    """

    def __init__(self, quotas: Quotas) -> None:
        self._calls_per_s = quotas.sqs_provisioned_receives_per_s
        self._bytes_per_s = quotas.sqs_provisioned_bytes_per_s
        self._receive_messages = quotas.sqs_receive_messages
        self._burst_s = quotas.sqs_provisioned_burst_s
        # When all that was received so far would be paid for, at the rates of the time.
        self._calls_until = -math.inf
        self._bytes_until = -math.inf

    def ready_at(self, pollers: int) -> float:
        """When that many pollers may make the next receive; in the past if they may now."""
        call_s = _seconds(1, self._calls_per_s * pollers)
        calls_at = self._calls_until - max(self._burst_s - call_s, 0.0)
        return max(calls_at, self._bytes_until - self._burst_s) - _GRACE_S

    def ready(self, now: float, pollers: int) -> bool:
        """Whether that many pollers may make a receive now."""
        return self.ready_at(pollers) <= now

    def spend(self, now: float, pollers: int, messages: int, size: int) -> None:
        """Messages of `size` bytes together were received, as many of them in a call as one brings."""
        calls = math.ceil(messages / self._receive_messages)
        self._calls_until = max(now, self._calls_until) + _seconds(calls, self._calls_per_s * pollers)
        self._bytes_until = max(now, self._bytes_until) + _seconds(size, self._bytes_per_s * pollers)


def _seconds(amount: float, rate: float) -> float:
    return amount / rate if rate > 0 else math.inf
