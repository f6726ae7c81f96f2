"""An SNS topic: whether a publish is taken, and to whom it goes."""

from collections.abc import Mapping, Sequence

from delivery.backlog import Run
from delivery.protocol import Delivery, Offer, Refusal
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket


class SnsTopic:
    """Admits messages and hands them to its subscribers at once, as SNS does to Lambda's asynchronous queue.

    Args:
        subscribers: the deliveries behind it, `AsyncInvoke` for a function.
        quotas: `sns_messages_per_s` (a second's worth may come at once) and `sns_message_bytes`.
    """

    def __init__(self, subscribers: Sequence[Delivery], quotas: Quotas) -> None:
        self._subscribers = tuple(subscribers)
        self._message_bytes = quotas.sns_message_bytes
        self._bucket = TokenBucket(quotas.sns_messages_per_s, max(1.0, quotas.sns_messages_per_s))

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Publish messages; a batch counts each. Answers with those refused: TOO_LARGE or THROTTLED."""
        run = Run.of(now, offer)
        refused: dict[int, Refusal] = {}
        taken: list[int] = []
        for index, message in enumerate(run.ids):
            if run.size(index) > self._message_bytes:
                refused[message] = Refusal.TOO_LARGE
            elif self._bucket.take(run.time(index), 1):
                taken.append(index)
            else:
                refused[message] = Refusal.THROTTLED
        part = run.pick(taken)
        arrivals = None if isinstance(part.times, float | int) else part.times
        for subscriber in self._subscribers:
            subscriber.offer(now, Offer(part.ids, part.sizes, times=arrivals))
        return refused
