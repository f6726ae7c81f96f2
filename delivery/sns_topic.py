"""An SNS topic: whether a publish is taken, and to whom it goes."""

from collections.abc import Mapping, Sequence

from delivery.protocol import Delivery, Offer, Refusal
from delivery.quotas import Quotas


class SnsTopic:
    """Admits messages and hands them to its subscribers at once, as SNS does to Lambda's asynchronous queue.

    Args:
        subscribers: the deliveries behind it, `AsyncInvoke` for a function.
        quotas: `sns_messages_per_s` (a second's worth may come at once) and `sns_message_bytes`.
    """

    def __init__(self, subscribers: Sequence[Delivery], quotas: Quotas) -> None:
        raise NotImplementedError

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Publish messages; a batch counts each. Answers with those refused: TOO_LARGE or THROTTLED."""
        raise NotImplementedError
