"""An SQS FIFO queue: messages in the order of their group, one receive of a group at a time, each sent once."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run
from delivery.ledger import Ledger
from delivery.protocol import End, Facts, Offer, Refusal
from delivery.quotas import Quotas
from delivery.sqs_deduplication import Deduplication
from delivery.sqs_lease import Lease
from delivery.sqs_message_groups import Group, Message, MessageGroups
from delivery.token_bucket import TokenBucket


@dataclass(slots=True, eq=False)
class _GroupLease(Lease):
    """A lease. Of its messages that were received before, `receives` has how often each was, this time counted."""

    number: int
    ids: Sequence[int]
    bytes: int
    until: float
    receives: Mapping[int, int]

    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""
        return self.receives.get(message, 1)

    def most_receives(self) -> int:
        """How often the message received most often was received."""
        return max(self.receives.values(), default=1)


class SqsFifoQueue:
    """A FIFO queue, used by `SqsFifoMapping` or on its own.

    A receive takes the first message of a group that has none in flight, as many more of that group as it may, then
    those of the next such group. Only the first 120,000 messages are looked at, those in flight among them: behind a
    backlog of one group the others wait, and more are not in flight; neither is an error.

    Each action has its calls per second. Those of DeleteMessage are not counted: there is at most one for each receive.
    A receive that brings nothing costs none: it is a long poll.

    Args:
        quotas: message size, calls per second, deduplication interval, messages looked at, retention.
        visibility_timeout_s: how long a received message stays hidden, 0 to 43,200.
        max_receive_count: receives after which a message goes to the dead-letter queue (`Facts.dead`; the driver
            moves the payload) the next time it would be received; None without redrive policy.
        retention_s: how long a message is kept; None for the quota's default.
        high_throughput: high throughput for FIFO queues: the larger quota of calls, and duplicates are told by their
            group too. Its limit per partition is not looked at: how groups share partitions AWS does not publish.
        sent_per_call: messages in a call that sends, 1 (SendMessage) to 10 (a full SendMessageBatch).

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        *,
        quotas: Quotas,
        visibility_timeout_s: float = 30.0,
        max_receive_count: int | None = None,
        retention_s: float | None = None,
        high_throughput: bool = False,
        sent_per_call: int = 1,
    ) -> None:
        if not 0 <= visibility_timeout_s <= 43_200:
            raise ValueError(f"a visibility timeout of {visibility_timeout_s} s; a queue takes 0 to 43,200")
        if max_receive_count is not None and max_receive_count < 1:
            raise ValueError(f"maxReceiveCount is {max_receive_count}; it must be 1 or more")
        if not 1 <= sent_per_call <= quotas.sqs_receive_messages:
            raise ValueError(f"{sent_per_call} messages sent in a call; it takes 1 to {quotas.sqs_receive_messages}")
        self.visibility_timeout_s = visibility_timeout_s
        self.ledger = Ledger()
        self._message_bytes = quotas.sqs_message_bytes
        self._overhead = quotas.sqs_event_overhead_bytes
        self._receive_messages = quotas.sqs_receive_messages
        self._window = quotas.sqs_fifo_window_messages
        self._max_receives = math.inf if max_receive_count is None else max_receive_count
        self._retention_s = quotas.sqs_retention_s if retention_s is None else retention_s
        self._deduplication = Deduplication(quotas.sqs_fifo_deduplication_s, by_group=high_throughput)
        calls_per_s = quotas.sqs_fifo_high_throughput_calls_per_s if high_throughput else quotas.sqs_fifo_calls_per_s
        saved_up = max(1.0, calls_per_s * quotas.sqs_fifo_calls_burst_s)
        self._sends = TokenBucket(calls_per_s, saved_up)
        self._receives = TokenBucket(calls_per_s, saved_up)
        self._send_cost = 1 / sent_per_call
        # Messages beyond those looked at, and those still to arrive.
        self._behind = Backlog()
        # Those looked at, in their order, some of them ended since.
        self._order: deque[Message] = deque()
        self._looked_at = 0
        self._groups = MessageGroups()
        self._leases: dict[int, dict[int, Message]] = {}
        self._ends = Agenda()
        self._in_flight = 0
        self._number = 0
        self._now = 0.0

    def offer(
        self,
        now: float,
        offer: Offer,
        *,
        deduplication: Sequence[int] | None = None,
        sent_per_call: float | None = None,
    ) -> Mapping[int, Refusal]:
        """Send messages of the offer's `groups`; `sent_per_call` if it is not the queue's own, infinity if no call sent
        them but another queue gave them up.

        Refuses those that are TOO_LARGE, THROTTLED for want of calls, or DUPLICATE: sent within the last five minutes
        under the same number in `deduplication`. Without it none is a duplicate.

        Raises:
            ValueError: there are no groups, or not as many deduplication ids as messages.
        """
        if offer.groups is None:
            raise ValueError("an offer to a FIFO queue needs groups")
        if deduplication is not None and len(deduplication) != len(offer.ids):
            raise ValueError(f"an offer of {len(offer.ids)} ids has {len(deduplication)} deduplication ids beside them")
        run = Run.of(now, offer)
        cost = self._send_cost if sent_per_call is None else 1 / sent_per_call
        refused: dict[int, Refusal] = {}
        taken: list[int] = []
        for index, number in enumerate(run.ids):
            at = run.time(index)
            if run.size(index) > self._message_bytes:
                refused[number] = Refusal.TOO_LARGE
            elif not self._sends.take(at, cost):
                refused[number] = Refusal.THROTTLED
            elif deduplication is not None and not self._deduplication.is_new(
                at, offer.groups[index], deduplication[index]
            ):
                refused[number] = Refusal.DUPLICATE
            else:
                taken.append(index)
        accepted = run.pick(taken).weighed(lambda size: size + self._overhead)
        self.ledger.accept(accepted)
        self._behind.append(accepted)
        return refused

    def receive(
        self,
        now: float,
        most: int,
        visibility_timeout_s: float | None = None,
        *,
        most_bytes: float = math.inf,
    ) -> Lease | None:
        """Receive up to `most` messages, 10 at most, together of `most_bytes` in a function's event, under one lease.

        None if there is none, the first one is larger, or the calls per second are used up. A message that was
        received max_receive_count times is given up instead.
        """
        self._advance(now)
        if now < self.calls_at():
            return None
        most = min(most, self._receive_messages)
        taken: list[Message] = []
        size = 0
        while len(taken) < most and (group := self._groups.first_receivable()) is not None:
            if size + group.waiting[0].size > most_bytes:
                break
            while group.waiting and len(taken) < most and size + group.waiting[0].size <= most_bytes:
                message = group.waiting[0]
                if self._give_up(now, message):
                    if group.in_flight == 0:
                        # The first message of all may now be another group's.
                        break
                    continue
                group.waiting.popleft()
                message.receives += 1
                message.in_flight = True
                group.in_flight += 1
                taken.append(message)
                size += message.size
            self._groups.look_again(group)
            self._look_at_more(now)
        if not taken:
            return None
        self._receives.take(now, 1)
        timeout_s = self.visibility_timeout_s if visibility_timeout_s is None else visibility_timeout_s
        return self._lease(now + timeout_s, taken, size)

    def receive_each(self, now: float, receives: int, most: int, *, most_bytes: float = math.inf) -> list[Lease]:
        """What so many receives after one another bring; fewer leases if there is no more."""
        leases: list[Lease] = []
        while len(leases) < receives and (lease := self.receive(now, most, most_bytes=most_bytes)) is not None:
            leases.append(lease)
        return leases

    def delete(self, now: float, lease: int, ids: Sequence[int]) -> int:
        """Delete messages of a lease: they are done. Says how many: none once the lease ran out, with its receipts."""
        self._advance(now)
        held = self._leases.get(lease)
        if held is None:
            return 0
        gone = [message for number in ids if (message := held.pop(number, None)) is not None]
        for message in gone:
            self._end(message)
            self._let_go(message)
            self._groups.look_again(message.group)
        if not held:
            self._forget(lease)
        self.ledger.done([message.number for message in gone])
        return len(gone)

    def held(self, now: float, lease: int) -> int:
        """How many messages a lease still hides."""
        self._advance(now)
        return len(self._leases.get(lease, ()))

    def change_visibility(self, now: float, lease: int, visibility_timeout_s: float) -> bool:
        """Hide a lease's messages until `now + visibility_timeout_s`; False if the lease has run out or never was."""
        self._advance(now)
        if lease not in self._leases:
            return False
        self._ends.set(lease, now + visibility_timeout_s)
        return True

    def purge(self, now: float) -> None:
        """Drop every message (PurgeQueue); they count as done."""
        self._advance(now)
        for lease, held in list(self._leases.items()):
            self.ledger.done(list(held))
            self._forget(lease)
        self.ledger.done([message.number for message in self._groups.waiting()])
        self._groups.clear()
        self._order.clear()
        self._looked_at = self._in_flight = 0
        if (run := self._behind.take(math.inf)) is not None:
            self.ledger.done(run.ids)

    def has_visible(self, now: float) -> bool:
        """Whether there is a group to receive from."""
        self._advance(now)
        return self._groups.first_receivable() is not None

    def visible(self, now: float) -> int:
        """Messages sent and not in flight (ApproximateNumberOfMessages), those of groups that have to wait, too."""
        self._advance(now)
        return self._looked_at - self._in_flight + self._behind.arrived(now)

    def in_flight(self, now: float) -> int:
        """Messages received and hidden (ApproximateNumberOfMessagesNotVisible)."""
        self._advance(now)
        return self._in_flight

    def active_groups(self) -> int:
        """Groups that have messages among those looked at: no more batches than these can be held at once."""
        return len(self._groups)

    def pending(self) -> int:
        """Messages in the queue in any state."""
        return self.ledger.pending

    def visible_at(self) -> float:
        """When there may next be a group to receive from, if nothing is done before; infinity if never."""
        if self._groups.first_receivable() is not None:
            return self._now
        arrival_at = self._behind.head_at if self._looked_at < self._window else math.inf
        return min(arrival_at, self._ends.next_at())

    def calls_at(self) -> float:
        """When a ReceiveMessage is next answered; in the past if one is now."""
        return self._receives.ready_at(1)

    def expires_at(self) -> float:
        """When the oldest message that is not in flight will have been kept long enough; infinity if there is none."""
        while self._order and (self._order[0].ended or self._order[0].in_flight):
            # One in flight is looked at when it comes back.
            self._order.popleft()
        return (self._order[0].sent_at if self._order else self._behind.head_at) + self._retention_s

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still here was sent."""
        return self.ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """What happened since the last call: deletes are `done`, redriven messages `dead`."""
        return self.ledger.drain()

    def _lease(self, until: float, taken: list[Message], size: int) -> Lease:
        self._number += 1
        self._leases[self._number] = {message.number: message for message in taken}
        self._ends.set(self._number, until)
        self._in_flight += len(taken)
        self.ledger.facts.received += len(taken)
        return _GroupLease(
            number=self._number,
            ids=[message.number for message in taken],
            bytes=size,
            until=until,
            receives={message.number: message.receives for message in taken if message.receives > 1},
        )

    def _advance(self, now: float) -> None:
        """Let time pass: what was hidden long enough comes back, what has arrived is looked at, what is old goes."""
        self._now = now
        for lease in self._ends.due(now):
            # From the last one, so that they stand before their group's others in the order they had.
            for message in reversed(self._leases.pop(lease).values()):
                message.group.waiting.appendleft(message)
                self._let_go(message)
                self._groups.look_again(message.group)
        self._look_at_more(now)
        while self.expires_at() <= now:
            if self._order:
                self._expire_first_of(self._order[0].group, now)
            elif (old := self._behind.take(max(now - self._retention_s, self._behind.head_at))) is not None:
                self.ledger.expire(old.ids, End.RETENTION)
            self._look_at_more(now)

    def _look_at_more(self, now: float) -> None:
        """Messages that have arrived are looked at, as long as they are among the first."""
        if self._looked_at >= self._window or self._behind.head_at > now:
            return
        run = self._behind.take(now, self._window - self._looked_at)
        assert run is not None
        assert run.keys is not None
        self._looked_at += len(run)
        for index, (number, key) in enumerate(zip(run.ids, run.keys, strict=True)):
            self._order.append(self._groups.add(key, number, run.size(index), run.time(index)))

    def _expire_first_of(self, group: Group, now: float) -> None:
        """Let go of a group's first messages, those that were kept long enough."""
        while group.waiting and group.waiting[0].sent_at + self._retention_s <= now:
            self._give_up(now, group.waiting[0])
        self._groups.look_again(group)

    def _give_up(self, now: float, message: Message) -> bool:
        """Let go of its group's first message if it was kept long enough or received too often; whether it was."""
        if message.sent_at + self._retention_s <= now:
            self.ledger.expire((message.number,), End.RETENTION)
        elif message.receives >= self._max_receives:
            self.ledger.give_up((message.number,), End.RECEIVE_COUNT)
        else:
            return False
        message.group.waiting.popleft()
        self._end(message)
        return True

    def _end(self, message: Message) -> None:
        """A message is not looked at any more."""
        message.ended = True
        self._looked_at -= 1

    def _let_go(self, message: Message) -> None:
        """A message is not in flight any more."""
        message.in_flight = False
        message.group.in_flight -= 1
        self._in_flight -= 1

    def _forget(self, lease: int) -> None:
        """A lease holds nothing any more."""
        del self._leases[lease]
        self._ends.clear(lease)
