"""A standard SQS queue: who may see a message, how often it was received, and when it is given up."""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run, joined
from delivery.ledger import Ledger
from delivery.protocol import End, Facts, Offer, Refusal
from delivery.quotas import Quotas


@dataclass(slots=True, eq=False)
class Lease:
    """Messages received together and hidden from others until `until`. Its `number` is what a receipt handle names.

    Who needs a receipt for each message (ReceiveMessage over the wire) receives them one by one. `receives` names the
    messages that were received before, each with how often, this time counted. `bytes` are those of an event.
    """

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
        return max(self.receives.values()) if self.receives else 1


# A message that is looked at on its own, for it was received before or sent with a delay: its bytes, when it was sent,
# how often it was received.
_Message = tuple[int, float, int]


@dataclass(slots=True, eq=False)
class _Hidden(Lease):
    """A lease with what it still hides: a run's records from `first` up to `stop`, received for the first time, and
    messages that were received before.

    A `delay` hides its messages the same way; no receipt names it.
    """

    run: Run | None
    first: int
    stop: int
    messages: dict[int, _Message]
    delay: bool = False
    whole: bool = True

    def count(self) -> int:
        """How many messages it still hides."""
        return self.stop - self.first + len(self.messages)

    def left(self) -> list[int]:
        """The messages it still hides."""
        return [*self._fresh_ids(), *self.messages]

    def take_out(self, ids: Sequence[int]) -> list[int]:
        """Take messages out; says which of them were there."""
        self.whole = False
        fresh = self._fresh_ids()
        there = set(fresh)
        gone = [n for n in dict.fromkeys(ids) if n in there or self.messages.pop(n, None) is not None]
        if self.run is not None:
            out = set(gone)
            left = [index for index, number in enumerate(fresh, self.first) if number not in out]
            self.run = self.run.pick(left)
            self.first, self.stop = 0, len(left)
        return gone

    def single_out(self) -> None:
        """Make its messages ones of their own: they no longer share one fate."""
        run = self.run
        if run is None:
            return
        first, stop, receives = self.first, self.stop, 0 if self.delay else 1
        sizes = repeat(run.sizes) if isinstance(run.sizes, int) else run.sizes[first:stop]
        times = repeat(run.times) if isinstance(run.times, float | int) else run.times[first:stop]
        fresh = {
            record: (size, at, receives) for record, size, at in zip(run.ids[first:stop], sizes, times, strict=False)
        }
        self.messages = {**fresh, **self.messages} if self.messages else fresh
        if len(self.messages) > _MANY:
            self.messages = OrderedDict(self.messages)
        self.run, self.first, self.stop = None, 0, 0

    def _fresh_ids(self) -> Sequence[int]:
        return () if self.run is None else self.run.ids[self.first : self.stop]


# A dict from whose front so many were taken looks past their places each time it is asked for its first.
_MANY = 256

_NEVER_BEFORE: Mapping[int, int] = MappingProxyType({})


class SqsQueue:
    """A standard queue. Messages are received in the order in which they become visible, the first time or again.

    Message groups are not looked at. In a standard queue (fair queues) they decide whose message comes first, not how
    many come or when; by what rule AWS does not publish.

    Args:
        quotas: message size, in-flight limit, retention.
        visibility_timeout_s: how long a received message stays hidden, 0 to 43,200.
        max_receive_count: receives after which a message goes to the dead-letter queue (`Facts.dead`; the driver
            moves the payload) the next time it would be received; None without redrive policy.
        retention_s: how long a message is kept; None for the quota's default.

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
    ) -> None:
        if not 0 <= visibility_timeout_s <= 43_200:
            raise ValueError(f"a visibility timeout of {visibility_timeout_s} s; a queue takes 0 to 43,200")
        if max_receive_count is not None and max_receive_count < 1:
            raise ValueError(f"maxReceiveCount is {max_receive_count}; it must be 1 or more")
        self.visibility_timeout_s = visibility_timeout_s
        self._message_bytes = quotas.sqs_message_bytes
        self._overhead = quotas.sqs_event_overhead_bytes
        self._in_flight_max = quotas.sqs_in_flight_max
        self._max_receives = math.inf if max_receive_count is None else max_receive_count
        self._retention_s = quotas.sqs_retention_s if retention_s is None else retention_s
        self.ledger = Ledger()
        self._fresh = Backlog()
        # Leases and delays that are over, with what came back of each: in this order, and by number.
        self._again: deque[_Hidden] = deque()
        self._returned: dict[int, _Hidden] = {}
        self._returned_count = 0
        self._hidden: dict[int, _Hidden] = {}
        self._ends = Agenda()
        self._in_flight = 0
        self._delayed = 0
        self._number = 0
        # Before then nothing happens by time alone: most calls need not look.
        self._quiet_until = math.inf

    def offer(self, now: float, offer: Offer, delay_s: float = 0.0) -> Mapping[int, Refusal]:
        """Send messages; they become visible after `delay_s`. Refuses those that are TOO_LARGE."""
        run = Run.of(now, offer)
        fitting, refused = run.split_by_size(self._message_bytes)
        fitting = fitting.weighed(lambda size: size + self._overhead)
        self.ledger.accept(fitting)
        if delay_s > 0:
            self._hide(
                _Hidden(
                    number=self._number + 1,
                    ids=fitting.ids,
                    bytes=fitting.bytes(),
                    until=now + delay_s,
                    receives=_NEVER_BEFORE,
                    run=fitting,
                    first=0,
                    stop=len(fitting),
                    messages={},
                    delay=True,
                )
            )
            self._delayed += len(fitting)
        else:
            self._fresh.append(fitting)
            self._quiet_until = min(self._quiet_until, self.expires_at())
        return dict.fromkeys(refused, Refusal.TOO_LARGE)

    def receive(
        self,
        now: float,
        most: int,
        visibility_timeout_s: float | None = None,
        *,
        most_bytes: float = math.inf,
    ) -> Lease | None:
        """Receive up to `most` visible messages, together of `most_bytes` in a function's event, under one lease.

        None if there is none, the first one is larger, or too many are in flight. A message that was received
        max_receive_count times is given up instead.
        """
        if now >= self._quiet_until:
            self._advance(now)
        if most > self._in_flight_max - self._in_flight:
            most = self._in_flight_max - self._in_flight
        until = now + (self.visibility_timeout_s if visibility_timeout_s is None else visibility_timeout_s)
        if not self._returned_count:
            span = self._fresh.take_span(now, most, most_bytes)
            if span is None:
                return None
            run, first, stop = span
            if stop - first == most or self._fresh.head_at() > now:
                return self._lease(until, run, first, stop, {})
            taken = [run.part(first, stop)]
        else:
            taken = []
        return self._receive_mixed(now, until, most, most_bytes, taken)

    def receive_each(self, now: float, receives: int, most: int, *, most_bytes: float = math.inf) -> list[Lease]:
        """What so many receives after one another bring; fewer leases if there is no more."""
        if now >= self._quiet_until:
            self._advance(now)
        leases: list[Lease] = []
        if receives > 1 and not self._returned_count and self._in_flight + receives * most <= self._in_flight_max:
            leases.extend(self._receive_alike(now, receives, most, most_bytes))
        while len(leases) < receives and (lease := self.receive(now, most, most_bytes=most_bytes)) is not None:
            leases.append(lease)
        return leases

    def _receive_alike(self, now: float, receives: int, most: int, most_bytes: float) -> list[_Hidden]:
        """Leases of as many messages each, cut from one run; none where that cannot be done."""
        size = self._fresh.head_size()
        if size is None:
            return []
        each = most if size * most <= most_bytes else int(most_bytes // size)
        span = self._fresh.take_span(now, receives * each, multiple_of=each) if each else None
        if span is None:
            return []
        run, first, stop = span
        ids, until, before, set_end = run.ids, now + self.visibility_timeout_s, self._number + 1, self._ends.set
        leases = [
            _Hidden(number, ids[start : start + each], size * each, until, _NEVER_BEFORE, run, start, start + each, {})
            for number, start in enumerate(range(first, stop, each), before)
        ]
        for lease in leases:
            self._hidden[lease.number] = lease
            set_end(lease.number, until)
        self._number += len(leases)
        self._quiet_until = min(self._quiet_until, until)
        self._in_flight += stop - first
        self.ledger.facts.received += stop - first
        return leases

    def _receive_mixed(
        self, now: float, until: float, most: float, most_bytes: float, taken: list[Run]
    ) -> Lease | None:
        """Receive from several runs, and messages that were received before, in the order they became visible."""
        again: dict[int, _Message] = {}
        for run in taken:
            most -= len(run)
            most_bytes -= run.bytes()
        while most > 0:
            first = self._first_returned(now)
            again_at = math.inf if first is None else first.until
            if first is not None and again_at <= self._fresh.head_at():
                count = len(again)
                size = self._take_returned(first, now, most, most_bytes, again)
                if len(again) == count:
                    break
                most -= len(again) - count
                most_bytes -= size
            elif (more := self._fresh.take(min(now, again_at), most, most_bytes)) is not None:
                taken.append(more)
                most -= len(more)
                most_bytes -= more.bytes()
            else:
                break
        if not taken:
            return self._lease(until, None, 0, 0, again) if again else None
        run = joined(taken)
        return self._lease(until, run, 0, len(run), again)

    def delete(self, now: float, lease: int, ids: Sequence[int]) -> int:
        """Delete messages of a lease: they are done. Says how many of them were still there.

        A lease that ran out still deletes its messages, unless they were received again since.
        """
        if now >= self._quiet_until:
            self._advance(now)
        hidden = self._hidden.get(lease)
        if hidden is None or hidden.delay:
            gone: Sequence[int] = self._take_out_returned(lease, ids)
        elif hidden.whole and ids is hidden.ids:
            # All of them, as a batch that succeeded has it: nobody needs to be looked at.
            gone = ids
            del self._hidden[lease]
            self._ends.clear(lease)
            self._in_flight -= len(ids)
        else:
            gone = hidden.take_out(ids)
            self._in_flight -= len(gone)
            if not hidden.count():
                self._reveal(hidden, 0)
        self.ledger.done(gone)
        return len(gone)

    def change_visibility(self, now: float, lease: int, visibility_timeout_s: float) -> bool:
        """Hide a lease's messages until `now + visibility_timeout_s`; False if the lease has run out or never was."""
        self._advance(now)
        hidden = self._hidden.get(lease)
        if hidden is None or hidden.delay:
            return False
        hidden.until = now + visibility_timeout_s
        self._ends.set(lease, hidden.until)
        self._quiet_until = min(self._quiet_until, hidden.until)
        return True

    def purge(self, now: float) -> None:
        """Drop every message (PurgeQueue); they count as done."""
        self._advance(now)
        for hidden in list(self._hidden.values()):
            self.ledger.done(hidden.left())
            self._reveal(hidden, hidden.count())
        for returned in self._again:
            self.ledger.done(list(returned.messages))
        self._again.clear()
        self._returned.clear()
        self._returned_count = 0
        if (run := self._fresh.take(math.inf)) is not None:
            self.ledger.done(run.ids)

    def full(self, now: float) -> bool:
        """Whether the in-flight limit is reached (OverLimit)."""
        return self.in_flight(now) >= self._in_flight_max

    def visible(self, now: float) -> int:
        """Messages that could be received (ApproximateNumberOfMessages)."""
        self._advance(now)
        return self._returned_count + self._fresh.arrived(now)

    def has_visible(self, now: float) -> bool:
        """Whether any could."""
        if now >= self._quiet_until:
            self._advance(now)
        return self._fresh.head_at() <= now or self._returned_count > 0

    def delayed(self, now: float) -> int:
        """Messages sent that are not yet visible for the first time (ApproximateNumberOfMessagesDelayed)."""
        self._advance(now)
        return self._delayed + len(self._fresh) - self._fresh.arrived(now)

    def in_flight(self, now: float) -> int:
        """Messages received and hidden (ApproximateNumberOfMessagesNotVisible)."""
        self._advance(now)
        return self._in_flight

    def pending(self) -> int:
        """Messages in the queue in any state."""
        return self.ledger.pending

    def visible_at(self) -> float:
        """When a receive could next bring something, if nothing is done before; infinity if never."""
        if self._in_flight >= self._in_flight_max:
            return self._ends.next_at()
        at = self._fresh.head_at()
        if self._returned_count:
            at = min(at, next(returned.until for returned in self._again if returned.messages))
        return at if at <= self._quiet_until else min(at, self._ends.next_at())

    def calls_at(self) -> float:
        """When a ReceiveMessage is next answered: a standard queue answers as many as there are."""
        return -math.inf

    def expires_at(self) -> float:
        """When the oldest message never received will have been kept long enough; infinity if there is none."""
        return self._fresh.head_at() + self._retention_s

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still here was sent."""
        return self.ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """What happened since the last call: deletes are `done`, redriven messages `dead`."""
        return self.ledger.drain()

    def _lease(self, until: float, run: Run | None, first: int, stop: int, again: dict[int, _Message]) -> Lease:
        number = self._number + 1
        ids: Sequence[int] = () if run is None else run.ids[first:stop]
        size = 0
        if run is not None:
            size = run.sizes * (stop - first) if isinstance(run.sizes, int) else sum(run.sizes[first:stop])
        receives = _NEVER_BEFORE
        if again:
            ids = [*ids, *again]
            receives = {record: message[2] for record, message in again.items()}
            size += sum([message[0] for message in again.values()])
        hidden = _Hidden(number, ids, size, until, receives, run, first, stop, again)
        self._hide(hidden)
        self._in_flight += len(ids)
        self.ledger.facts.received += len(ids)
        return hidden

    def _hide(self, hidden: _Hidden) -> None:
        self._number = number = hidden.number
        self._hidden[number] = hidden
        self._ends.set(number, hidden.until)
        if hidden.until < self._quiet_until:
            self._quiet_until = hidden.until

    def _advance(self, now: float) -> None:
        """Let time pass: what was hidden long enough comes back, what was kept long enough goes."""
        if now < self._quiet_until:
            return
        for number in self._ends.due(now):
            hidden = self._hidden[number]
            self._reveal(hidden, hidden.count())
            hidden.single_out()
            self._again.append(hidden)
            self._returned[number] = hidden
            self._returned_count += len(hidden.messages)
        while self.expires_at() <= now:
            # By the sum, as `expires_at` has it: the difference may round to just before the message.
            old = self._fresh.take(max(now - self._retention_s, self._fresh.head_at()))
            assert old is not None
            self.ledger.expire(old.ids, End.RETENTION)
        self._quiet_until = min(self._ends.next_at(), self.expires_at())

    def _reveal(self, hidden: _Hidden, count: int) -> None:
        """End a lease or a delay, whatever becomes of the messages still in it."""
        del self._hidden[hidden.number]
        self._ends.clear(hidden.number)
        if hidden.delay:
            self._delayed -= count
        else:
            self._in_flight -= count

    def _first_returned(self, now: float) -> _Hidden | None:
        """The first lease that has come back and has something left, once what is not to be received again is out."""
        while self._again:
            returned = self._again[0]
            out: list[int] = []
            for number, message in returned.messages.items():
                if not self._give_up(now, number, message):
                    break
                out.append(number)
            for number in out:
                del returned.messages[number]
            self._returned_count -= len(out)
            if returned.messages:
                return returned
            del self._returned[returned.number]
            self._again.popleft()
        return None

    def _take_returned(
        self, returned: _Hidden, now: float, most: float, most_bytes: float, into: dict[int, _Message]
    ) -> int:
        """Receive messages of a lease that has come back; says their bytes."""
        taken = 0
        gone: list[int] = []
        too_old, max_receives = now - self._retention_s, self._max_receives
        for number, message in returned.messages.items():
            if not most:
                break
            size, sent_at, receives = message
            if sent_at > too_old and receives < max_receives:
                if taken + size > most_bytes:
                    break
                taken += size
                most -= 1
                into[number] = (size, sent_at, receives + 1)
            else:
                self._give_up(now, number, message)
            gone.append(number)
        self._returned_count -= len(gone)
        if len(gone) == len(returned.messages):
            returned.messages = {}
        else:
            for number in gone:
                del returned.messages[number]
        return taken

    def _take_out_returned(self, lease: int, ids: Sequence[int]) -> list[int]:
        """Take messages out of a lease that has come back; says which of them were there."""
        returned = self._returned.get(lease)
        if returned is None or returned.delay:
            return []
        gone = [number for number in dict.fromkeys(ids) if returned.messages.pop(number, None) is not None]
        self._returned_count -= len(gone)
        return gone

    def _give_up(self, now: float, number: int, message: _Message) -> bool:
        """Let go of a message that is not to be received again; whether it was one."""
        _, sent_at, receives = message
        if sent_at <= now - self._retention_s:
            self.ledger.expire((number,), End.RETENTION)
        elif receives >= self._max_receives:
            self.ledger.give_up((number,), End.RECEIVE_COUNT)
        else:
            return False
        return True
