"""A standard queue: at least once, in about the order in which messages become visible."""

from collections.abc import Callable
from typing import Any

from delivery.protocol import Offer, Refusal
from delivery.sqs_lease import Lease
from delivery.sqs_queue import SqsQueue
from local.queue import Message, Queue


class StandardQueue(Queue):
    """The messages of a standard queue. Its arguments are those of `Queue`."""

    def __init__(
        self,
        name: str,
        url: str,
        arn: str,
        machine: SqsQueue,
        clock: Callable[[], float],
        message_id: Callable[[], str],
        **more: Any,
    ) -> None:
        super().__init__(name, url, arn, machine, clock, message_id, **more)
        self.machine = machine

    def full(self) -> bool:
        """Whether the in-flight limit is reached (OverLimit)."""
        return self.machine.full(self._clock())

    def _admit(self, now: float, message: Message, sent_together: int) -> Message | Refusal:  # noqa: ARG002
        delay = self.settings.delay if message.sending.delay is None else message.sending.delay
        return self._offer(now, message, delay)

    def _move_in(self, now: float, message: Message) -> None:
        self._offer(now, message, 0.0)

    def _offer(self, now: float, message: Message, delay: float) -> Message | Refusal:
        offer = Offer([message.id], message.sending.size)
        refused = self.machine.offer(now, offer, delay)
        if refused:
            return refused[message.id]
        self._taken_in(message, offer)
        return message

    def _leases(self, now: float, most: int, visibility_timeout: float | None) -> list[Lease]:
        # Each under a receipt of its own.
        leases: list[Lease] = []
        while len(leases) < most and (lease := self.machine.receive(now, 1, visibility_timeout)) is not None:
            leases.append(lease)
        return leases

    def _change_visibility(self, now: float, lease: int, id_: int, timeout: float, together: int) -> bool:  # noqa: ARG002
        return self.machine.change_visibility(now, lease, id_, timeout)

    def _delayed(self, now: float) -> int:
        return self.machine.delayed(now)
