"""API Gateway's throttle: which requests reach the buffer behind an API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from delivery.admission import sift
from delivery.backlog import Run
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket

# Where admitted requests go: the `offer` of a delivery or of a topic.
Target = Callable[[float, Offer], Mapping[int, Refusal]]


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """The limits of a stage or of one method: requests per second, and how many may come at once.

    Raises:
        ValueError: one of them is negative.
    """

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if self.rate < 0 or self.burst < 0:
            raise ValueError(f"a throttle of rate {self.rate} and burst {self.burst}: both must be 0 or more")

    def bucket(self) -> TokenBucket:
        """A bucket of these limits, full."""
        return TokenBucket(self.rate, self.burst)


class ApiThrottle:
    """One method of an API, in front of any buffer.

    A request over a limit is answered 429 at once: nothing queues here, and the buffer never hears of it. A method's
    own limits go before the stage's, and replace them; the account's hold for all APIs of the Region together. A
    request that the method or the stage refuses takes nothing from the account.

    Args:
        target: what the requests are sent to, once each: API Gateway does not retry a service integration.
        account: the account's bucket (`account_bucket`), which every throttle of the account shares.
        own: the bucket of the stage, which its methods share, or the method's own; None if neither has limits.
    """

    def __init__(self, target: Target, account: TokenBucket, own: TokenBucket | None = None) -> None:
        self._target = target
        self._account = account
        self._own = own

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Send requests. Answers with those refused: TOO_MANY_REQUESTS here, or what the target says.

        Raises:
            ValueError: the offer's lists differ in length.
        """
        Run.of(now, offer)
        refused: dict[int, Refusal] = {}
        for bucket in (self._own, self._account):
            if bucket is not None:
                times = now if offer.times is None else offer.times
                offer, over = sift(offer, bucket.take_each(times, len(offer.ids)))
                refused.update(dict.fromkeys(over, Refusal.TOO_MANY_REQUESTS))
        if len(offer.ids):
            refused.update(self._target(now, offer))
        return refused


def account_bucket(quotas: Quotas) -> TokenBucket:
    """What all APIs of an account and Region, of every kind, take in together."""
    return TokenBucket(quotas.api_requests_per_s, quotas.api_burst_requests)
