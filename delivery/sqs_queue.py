"""A standard SQS queue: who may see a message, how often it was received, and when it is given up."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from delivery.protocol import Facts, Offer, Refusal
from delivery.quotas import Quotas


@dataclass(slots=True)
class Lease:
    """Messages received together and hidden from others until `until`. Its `number` is what a receipt handle names.

    Who needs a receipt for each message (ReceiveMessage over the wire) receives them one by one.
    """

    number: int
    ids: Sequence[int]
    until: float
    receives: Mapping[int, int]  # how often each message was received, this time counted; those not named: once

    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""
        return self.receives.get(message, 1)


class SqsQueue:
    """A standard queue.

    Args:
        quotas: message size, in-flight limit.
        visibility_timeout_s: how long a received message stays hidden, 0 to 43,200.
        max_receive_count: receives after which a message goes to the dead-letter queue (`Facts.dead`; the driver
            moves the payload); None without redrive policy.
        retention_s: how long a message is kept; None for the quota's default.
    """

    def __init__(
        self,
        *,
        quotas: Quotas,
        visibility_timeout_s: float = 30.0,
        max_receive_count: int | None = None,
        retention_s: float | None = None,
    ) -> None:
        raise NotImplementedError

    def offer(self, now: float, offer: Offer, delay_s: float = 0.0) -> Mapping[int, Refusal]:
        """Send messages; they become visible after `delay_s`. Refuses those that are TOO_LARGE."""
        raise NotImplementedError

    def receive(self, now: float, most: int, visibility_timeout_s: float | None = None) -> Lease | None:
        """Receive up to `most` visible messages under one lease; None if there is none, or too many are in flight.

        A message received more often than max_receive_count is given up instead of being received.
        """
        raise NotImplementedError

    def delete(self, now: float, lease: int, ids: Collection[int] | None = None) -> int:
        """Delete messages of a lease (all of them by default): they are done. Says how many were still there.

        A lease that ran out still deletes its messages, unless they were received again since.
        """
        raise NotImplementedError

    def change_visibility(self, now: float, lease: int, visibility_timeout_s: float) -> bool:
        """Hide a lease's messages until `now + visibility_timeout_s`; False if the lease has run out or never was."""
        raise NotImplementedError

    def full(self, now: float) -> bool:
        """Whether the in-flight limit is reached (OverLimit)."""
        raise NotImplementedError

    def visible(self, now: float) -> int:
        """Messages that could be received (ApproximateNumberOfMessages)."""
        raise NotImplementedError

    def delayed(self, now: float) -> int:
        """Messages sent that are not yet visible for the first time (ApproximateNumberOfMessagesDelayed)."""
        raise NotImplementedError

    def in_flight(self, now: float) -> int:
        """Messages received and hidden (ApproximateNumberOfMessagesNotVisible)."""
        raise NotImplementedError

    def pending(self) -> int:
        """Messages in the queue in any state."""
        raise NotImplementedError

    def visible_at(self) -> float:
        """When a message is or next becomes visible, if nothing is done; infinity if none will."""
        raise NotImplementedError

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still here was sent."""
        raise NotImplementedError

    def purge(self, now: float) -> None:
        """Drop every message (PurgeQueue); they count as done."""
        raise NotImplementedError

    def drain(self) -> Facts:
        """What happened since the last call: deletes are `done`, redriven messages `dead`."""
        raise NotImplementedError
