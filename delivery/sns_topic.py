"""An SNS topic: whether a publish is taken, and to whom it goes."""

from collections.abc import Mapping, Sequence

from delivery.admission import sift, sizes_within
from delivery.backlog import Run
from delivery.protocol import Delivery, Offer, Refusal
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket


class SnsTopic:
    """Admits messages and hands them to its subscribers at once, as SNS does to Lambda's asynchronous queue.

    What a subscriber refuses (an event above Lambda's own limit) is no business of the publisher: the subscription
    gives it up, see `delivery.sns_subscription`.

    Args:
        subscribers: the deliveries behind it: `AsyncInvoke` for a function, inside a `SnsSubscription` if SNS is to
            retry what Lambda does not accept.
        quotas: `sns_messages_per_s` (a second's worth may come at once) and `sns_message_bytes`.
        account: the rate that all topics of an account and Region share (`publish_rate`); None if it is alone.
    """

    def __init__(self, subscribers: Sequence[Delivery], quotas: Quotas, *, account: TokenBucket | None = None) -> None:
        self._subscribers = tuple(subscribers)
        self._message_bytes = quotas.sns_message_bytes
        self._account = account or publish_rate(quotas)

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Publish messages; a batch counts each. Answers with those refused: TOO_LARGE or THROTTLED.

        Raises:
            ValueError: the offer's lists differ in length.
        """
        Run.of(now, offer)
        fitting, too_large = sift(offer, sizes_within(offer, self._message_bytes))
        times = now if fitting.times is None else fitting.times
        admitted, throttled = sift(fitting, self._account.take_each(times, len(fitting.ids)))
        if len(admitted.ids):
            for subscriber in self._subscribers:
                subscriber.offer(now, Offer(admitted.ids, admitted.sizes, times=admitted.times))
        return dict.fromkeys(too_large, Refusal.TOO_LARGE) | dict.fromkeys(throttled, Refusal.THROTTLED)


def publish_rate(quotas: Quotas) -> TokenBucket:
    """What all topics of an account and Region take in together, in messages: a batch of 10 counts 10."""
    return TokenBucket(quotas.sns_messages_per_s, max(1.0, quotas.sns_messages_per_s))
