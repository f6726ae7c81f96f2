"""The queue: what the messages of an SQS queue hold. The machine decides who may see them, and when they are given up.

Times are seconds since the epoch, by a clock that never goes back; the machine is given the same ones.
"""

import asyncio
import base64
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from delivery.protocol import Facts, Offer, Refusal
from delivery.sqs_lease import Lease
from local.message_attribute import MessageAttribute, md5_of, size_of

_RECEIPT = re.compile(r"(\d{1,18}):(\d{1,18}):(.+)")
# What a machine that has something to give, but may not (in-flight limit), is asked again after.
_ASK_AGAIN = 0.1


class InvalidReceiptError(ValueError):
    """A receipt handle this queue did not give out."""


class TogetherError(ValueError):
    """A message whose visibility cannot be changed without that of those it was received with."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The attributes of a queue (API:CreateQueue), as the machine was given them. Seconds and bytes."""

    visibility_timeout: int = 30
    retention: int = 345_600
    delay: int = 0
    receive_wait: int = 0
    maximum_message_size: int = 1_048_576
    max_receive_count: int | None = None
    content_based_deduplication: bool = False
    high_throughput: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """A message to be sent. `delay` in seconds, None for the queue's own; groups and deduplication are FIFO's."""

    body: str
    attributes: Mapping[str, MessageAttribute] = field(default_factory=dict)
    trace_header: str | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    delay: int | None = None

    @property
    def size(self) -> int:
        """Bytes as SQS counts them: the body and its attributes."""
        return len(self.body.encode()) + size_of(self.attributes)


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the queue. `sent_at` is in seconds since the epoch; `moved_from` the ARN of the queue it died in.

    `sequence_number` is a FIFO queue's.
    """

    id: int
    message_id: str
    sending: Sending
    sent_at: float
    md5_of_body: str
    md5_of_attributes: str | None
    moved_from: str | None = None
    sequence_number: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message as one receive gave it out. `count` is how often it was received, this time counted."""

    message: Message
    receipt_handle: str
    count: int
    first_received_at: float


class QueueMachine(Protocol):
    """What the machines of a standard and of a FIFO queue have in common."""

    def delete(self, now: float, lease: int, ids: Sequence[int]) -> int:
        """Delete messages of a lease."""

    def purge(self, now: float) -> None:
        """Drop every message."""

    def visible(self, now: float) -> int:
        """Messages that are not in flight."""

    def in_flight(self, now: float) -> int:
        """Messages received and hidden."""

    def visible_at(self) -> float:
        """When there may next be a message to receive."""

    def calls_at(self) -> float:
        """When a ReceiveMessage is next answered."""

    def drain(self) -> Facts:
        """What happened since the last call."""


class Queue(ABC):
    """A queue of either kind.

    A queue without a mapping drains its own machine. One with a mapping is drained through it, and given the facts by
    `apply`.
    """

    def __init__(
        self,
        name: str,
        url: str,
        arn: str,
        machine: QueueMachine,
        clock: Callable[[], float],
        message_id: Callable[[], str],
        *,
        settings: QueueSettings,
        dead_letter_queue: "Queue | None" = None,
    ) -> None:
        self.name = name
        self.url = url
        self.arn = arn
        self.settings = settings
        self.dead_letter_queue = dead_letter_queue
        self.created_at = clock()
        self._machine = machine
        self._clock = clock
        self._message_id = message_id
        self._next_id = 0
        self._messages: dict[int, Message] = {}
        self._first_received: dict[int, float] = {}
        self._subscriber: Callable[[Offer], None] | None = None
        self._changed: Callable[[], None] | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def subscribe(self, callback: Callable[[Offer], None], changed: Callable[[], None] | None = None) -> None:
        """Have `callback` told of every message taken in from now on, and `changed` called when a receipt was used.

        Who subscribes drains the machine (through its mapping) and hands the facts to `apply`. What is done with a
        receipt may bring messages back at another time than the machine has said.
        """
        self._subscriber = callback
        self._changed = changed

    def send(self, sendings: Sequence[Sending]) -> list[Message | Refusal]:
        """Send messages in one call: an answer for each, in their order."""
        now = self._clock()
        messages = [
            Message(
                id=self._next_id + index,
                message_id=self._message_id(),
                sending=sending,
                sent_at=now,
                md5_of_body=hashlib.md5(sending.body.encode(), usedforsecurity=False).hexdigest(),
                md5_of_attributes=md5_of(sending.attributes) if sending.attributes else None,
                sequence_number=self._sequence_number(self._next_id + index),
            )
            for index, sending in enumerate(sendings)
        ]
        self._next_id += len(messages)
        answers = [self._admit(now, message, len(messages)) for message in messages]
        self._wake()
        return answers

    def message(self, id_: int) -> Message:
        """The message of an id.

        Raises:
            KeyError: there is none, or it ended.
        """
        return self._messages[id_]

    async def receive(
        self, most: int, *, visibility_timeout: float | None = None, wait: float | None = None
    ) -> list[Received]:
        """Receive up to `most` messages, waiting up to `wait` seconds for the first; None for the queue's own times."""
        deadline = self._clock() + (self.settings.receive_wait if wait is None else wait)
        while True:
            received = self._receive(most, visibility_timeout)
            now = self._clock()
            if received or now >= deadline:
                return received
            possible = max(now + _ASK_AGAIN, self._machine.visible_at(), self._machine.calls_at())
            await self._arrival(min(deadline, possible) - now)

    def received(self, id_: int, receipt_handle: str, count: int) -> Received:
        """A message as a mapping received it, to build its event from.

        Raises:
            KeyError: there is none, or it ended.
        """
        return Received(self._messages[id_], receipt_handle, count, self._first_received.setdefault(id_, self._clock()))

    def receipt_handle(self, id_: int, lease: int) -> str:
        """What names one receive of one message to those that received it."""
        return base64.urlsafe_b64encode(f"{id_}:{lease}:{self.arn}".encode()).decode("ascii")

    def delete(self, receipt_handle: str) -> None:
        """Delete a message; one that is gone already is no error.

        Raises:
            InvalidReceiptError: the handle is none of this queue's.
        """
        id_, lease = self._parse(receipt_handle)
        self._machine.delete(self._clock(), lease, [id_])
        self._drain()

    def change_visibility(self, receipt_handle: str, timeout: float, *, together: int = 1) -> bool:
        """Hide a message for `timeout` seconds from now; False if it is not in flight by this receipt.

        `together` says how many of those that the queue hides as one with it are to be changed alike: with all of them
        named, they are.

        Raises:
            InvalidReceiptError: the handle is none of this queue's.
            TogetherError: others were received with it, and the queue hides those of one receive as one.
        """
        id_, lease = self._parse(receipt_handle)
        changed = self._change_visibility(self._clock(), lease, id_, timeout, together)
        self._wake()
        if self._changed is not None:
            self._changed()
        return changed

    def purge(self) -> None:
        """Drop every message."""
        self._machine.purge(self._clock())
        self._drain()

    def counts(self) -> tuple[int, int, int]:
        """Messages visible, in flight and delayed."""
        now = self._clock()
        return self._machine.visible(now), self._machine.in_flight(now), self._delayed(now)

    def full(self) -> bool:
        """Whether so many messages are in flight that a receive is an error."""
        return False

    def apply(self, facts: Facts) -> None:
        """Let go of messages that ended; those given up move to the dead-letter queue, ids and attributes kept."""
        for id_ in facts.done:
            self._forget(id_)
        for id_, _ in facts.expired:
            self._forget(id_)
        for id_, _ in facts.dead:
            message = self._forget(id_)
            if message is not None and self.dead_letter_queue is not None:
                self.dead_letter_queue.take_over(message, self.arn)

    def take_over(self, message: Message, source_arn: str) -> None:
        """Take a message that another queue gave up. It keeps its message id and when it was sent."""
        moved = Message(
            id=self._next_id,
            message_id=message.message_id,
            sending=message.sending,
            sent_at=message.sent_at,
            md5_of_body=message.md5_of_body,
            md5_of_attributes=message.md5_of_attributes,
            moved_from=source_arn,
            sequence_number=self._sequence_number(self._next_id),
        )
        self._next_id += 1
        self._move_in(self._clock(), moved)
        self._wake()

    @abstractmethod
    def _admit(self, now: float, message: Message, sent_together: int) -> Message | Refusal:
        """Offer a message to the machine, one of so many of a call; answers with it, or why it was not taken in."""

    @abstractmethod
    def _move_in(self, now: float, message: Message) -> None:
        """Take a message that another queue gave up."""

    @abstractmethod
    def _leases(self, now: float, most: int, visibility_timeout: float | None) -> list[Lease]:
        """Receive up to so many messages."""

    def hidden_as(self, receipt_handle: str) -> object:
        """What is equal for messages that the queue hides as one, and for no others.

        Raises:
            InvalidReceiptError: the handle is none of this queue's.
        """
        return self._parse(receipt_handle)

    @abstractmethod
    def _change_visibility(self, now: float, lease: int, id_: int, timeout: float, together: int) -> bool:
        """Hide a message that a receipt names; False if it is not in flight by it."""

    def _sequence_number(self, id_: int) -> str | None:  # noqa: ARG002 (a FIFO queue has them)
        return None

    def _delayed(self, now: float) -> int:  # noqa: ARG002 (a standard queue has them)
        return 0

    def _taken_in(self, message: Message, offer: Offer) -> None:
        """Keep what the machine has accepted, and tell of it."""
        self._messages[message.id] = message
        if self._subscriber is not None:
            self._subscriber(offer)

    def _receive(self, most: int, visibility_timeout: float | None) -> list[Received]:
        received = [
            self.received(id_, self.receipt_handle(id_, lease.number), lease.receive_count(id_))
            for lease in self._leases(self._clock(), most, visibility_timeout)
            for id_ in lease.ids
        ]
        self._drain()
        return received

    def _drain(self) -> None:
        if self._subscriber is None:
            self.apply(self._machine.drain())
        elif self._changed is not None:
            self._changed()

    def _forget(self, id_: int) -> Message | None:
        self._first_received.pop(id_, None)
        return self._messages.pop(id_, None)

    def _parse(self, receipt_handle: str) -> tuple[int, int]:
        try:
            match = _RECEIPT.fullmatch(base64.b64decode(receipt_handle, altchars=b"-_", validate=True).decode("ascii"))
        except ValueError:
            match = None
        if match is None or match[3] != self.arn:
            raise InvalidReceiptError(receipt_handle)
        return int(match[1]), int(match[2])

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def _arrival(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        timer = loop.call_later(within, _set, future)
        self._waiting.add(future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.discard(future)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
