"""A FIFO queue: each message once, those of a group in their order, one receive of a group at a time."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_lease import Lease
from local.queue import Message, Queue, TogetherError

# 20 digits, as AWS's have; 128 bits they are said to have there.
_FIRST_SEQUENCE_NUMBER: Final = 18_800_000_000_000_000_000


class FifoQueue(Queue):
    """The messages of a FIFO queue. Its arguments are those of `Queue`, and the quotas its machine was given."""

    def __init__(
        self,
        name: str,
        url: str,
        arn: str,
        machine: SqsFifoQueue,
        clock: Callable[[], float],
        message_id: Callable[[], str],
        *,
        quotas: Quotas,
        **more: Any,
    ) -> None:
        super().__init__(name, url, arn, machine, clock, message_id, **more)
        self.machine = machine
        self._remembered_s = quotas.sqs_fifo_deduplication_s
        # What a message that is sent again is answered with, by its scope and deduplication id.
        self._sent: OrderedDict[tuple[str, str], Message] = OrderedDict()

    def _admit(self, now: float, message: Message, sent_together: int) -> Message | Refusal:
        sending = message.sending
        assert sending.group_id is not None
        assert sending.deduplication_id is not None
        offer = self._offer_of(message)
        refused = self.machine.offer(
            now, offer, deduplication=[_number(sending.deduplication_id)], sent_per_call=sent_together
        )
        while self._sent and next(iter(self._sent.values())).sent_at + self._remembered_s <= now:
            self._sent.popitem(last=False)
        key = (sending.group_id if self.settings.high_throughput else "", sending.deduplication_id)
        if not refused:
            self._sent[key] = message
            self._taken_in(message, offer)
            return message
        refusal = refused[message.id]
        return self._sent[key] if refusal is Refusal.DUPLICATE else refusal

    def _move_in(self, now: float, message: Message) -> None:
        offer = self._offer_of(message)
        # A move is no call of a sender, and nothing is moved twice.
        if not self.machine.offer(now, offer, sent_per_call=math.inf):
            self._taken_in(message, offer)

    def _leases(self, now: float, most: int, visibility_timeout: float | None) -> list[Lease]:
        # Together: a group that has one message in flight gives out no other.
        lease = self.machine.receive(now, most, visibility_timeout)
        return [] if lease is None else [lease]

    def hidden_as(self, receipt_handle: str) -> object:
        """The receive that they came by."""
        _, lease = self._parse(receipt_handle)
        return lease

    def _change_visibility(self, now: float, lease: int, id_: int, timeout: float, together: int) -> bool:  # noqa: ARG002
        if self.machine.held(now, lease) > together:
            raise TogetherError(f"{self.name}: more messages were received under this receipt")
        return self.machine.change_visibility(now, lease, timeout)

    def _sequence_number(self, id_: int) -> str:
        return str(_FIRST_SEQUENCE_NUMBER + id_ * 256)

    def _offer_of(self, message: Message) -> Offer:
        return Offer([message.id], message.sending.size, groups=[_number(message.sending.group_id or "")])


def _number(text: str) -> int:
    """A name as the machine knows it: a whole number. Two names share one in 2**63 pairs."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
