"""A standard SQS queue: who may see a message, how often it was received, and when it is given up."""

import math
from collections.abc import Mapping, Sequence

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run
from delivery.ledger import Ledger
from delivery.protocol import End, Facts, Offer, Refusal
from delivery.quotas import Quotas
from delivery.sqs_lease import Holding, Lease, Part, joined, number_apart
from delivery.sqs_returned_messages import ReturnedMessages


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
        self._returned = ReturnedMessages(self.ledger, self._retention_s, self._max_receives)
        self._hidden: dict[int, Holding] = {}
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
            if len(fitting):
                part = fitting.ids, fitting.sizes, 0
                self._lease(now + delay_s, part, fitting.bytes(), fitting.time(0), delay=True)
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
        until = now + (self.visibility_timeout_s if visibility_timeout_s is None else visibility_timeout_s)
        return self._receive(now, until, most, most_bytes)

    def _receive(self, now: float, until: float, most: int, most_bytes: float) -> Lease | None:
        if now >= self._quiet_until:
            self._advance(now)
        most = min(most, self._in_flight_max - self._in_flight)
        if self._returned.count:
            return self._receive_mixed(now, until, most, most_bytes)
        run = self._fresh.take(now, most, most_bytes)
        return None if run is None else self._lease(until, (run.ids, run.sizes, 1), run.bytes(), run.time(0))

    def receive_each(self, now: float, receives: int, most: int, *, most_bytes: float = math.inf) -> list[Lease]:
        """What so many receives after one another bring; fewer leases if there is no more."""
        if now >= self._quiet_until:
            self._advance(now)
        leases: list[Lease] = []
        if not self._returned.count:
            if self._fresh.head_at > now:
                return leases
            if receives > 1 and self._in_flight + receives * most <= self._in_flight_max:
                leases.extend(self._receive_alike(now, receives, most, most_bytes))
        until = now + self.visibility_timeout_s
        while len(leases) < receives and (more := self._receive(now, until, most, most_bytes)) is not None:
            leases.append(more)
        return leases

    def _receive_alike(self, now: float, receives: int, most: int, most_bytes: float) -> list[Holding]:
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
        oldest_at = run.time(first)
        leases = [
            Holding(number, part[0], size * each, until, oldest_at, part, part)
            for number, part in enumerate(
                [(ids[start : start + each], size, 1) for start in range(first, stop, each)], before
            )
        ]
        for lease in leases:
            self._hidden[lease.number] = lease
            set_end(lease.number, until)
        self._number += len(leases)
        self._quiet_until = min(self._quiet_until, until)
        self._in_flight += stop - first
        self.ledger.facts.received += stop - first
        return leases

    def _receive_mixed(self, now: float, until: float, most: float, most_bytes: float) -> Lease | None:
        """Receive from several runs, and messages that were received before, in the order they became visible."""
        new: list[Part] = []
        again: list[Part] = []
        bytes_taken, oldest_at = 0, math.inf
        while most > 0:
            first = self._returned.first(now)
            if first is not None and first.until <= self._fresh.head_at:
                count, size = self._returned.take(first, now, most, most_bytes - bytes_taken, again)
                if not count:
                    break
                sent_at = first.oldest_at
            else:
                run = self._fresh.take(now if first is None else min(now, first.until), most, most_bytes - bytes_taken)
                if run is None:
                    break
                new.append((run.ids, run.sizes, 1))
                count, size, sent_at = len(run), run.bytes(), run.time(0)
            most -= count
            bytes_taken += size
            oldest_at = sent_at if sent_at < oldest_at else oldest_at
        parts = new + again
        if not parts:
            return None
        return self._lease(until, joined(parts), bytes_taken, oldest_at)

    def delete(self, now: float, lease: int, ids: Sequence[int]) -> int:
        """Delete messages of a lease: they are done. Says how many of them were still there.

        A lease that ran out still deletes its messages, unless they were received again since.
        """
        if now >= self._quiet_until:
            self._advance(now)
        hidden = self._hidden.get(lease)
        if hidden is None or hidden.delay:
            gone: Sequence[int] = self._returned.take_out(lease, ids)
        elif ids is hidden.ids and hidden.whole():
            # All of them, as a batch that succeeded has it: nobody needs to be looked at.
            gone = ids
            del self._hidden[lease]
            self._ends.clear(lease)
            self._in_flight -= len(ids)
        else:
            gone = hidden.take_out(ids)
            self._in_flight -= len(gone)
            if not hidden.left[0]:
                self._reveal(hidden, 0)
        if len(gone) < len(ids):
            gone = [*gone, *self._take_out_apart(lease, ids)]
        self.ledger.done(gone)
        return len(gone)

    def change_visibility(self, now: float, lease: int, message: int, visibility_timeout_s: float) -> bool:
        """Hide a message of a lease until `now + visibility_timeout_s`, whatever becomes of those received with it.

        False if it is not in flight by that lease: it has run out, was deleted, or never was.
        """
        self._advance(now)
        hidden = self._hidden.get(lease)
        if hidden is None or not hidden.holds(message):
            hidden = self._hidden.get(number_apart(lease, message))
        if hidden is None or hidden.delay:
            return False
        if hidden.count() > 1:
            hidden = hidden.set_apart(message)
            self._hidden[hidden.number] = hidden
        hidden.until = now + visibility_timeout_s
        self._ends.set(hidden.number, hidden.until)
        self._quiet_until = min(self._quiet_until, hidden.until)
        return True

    def purge(self, now: float) -> None:
        """Drop every message (PurgeQueue); they count as done."""
        self._advance(now)
        for hidden in list(self._hidden.values()):
            self.ledger.done(hidden.left[0])
            self._reveal(hidden, hidden.count())
        self.ledger.done(self._returned.clear())
        if (run := self._fresh.take(math.inf)) is not None:
            self.ledger.done(run.ids)

    def full(self, now: float) -> bool:
        """Whether the in-flight limit is reached (OverLimit)."""
        return self.in_flight(now) >= self._in_flight_max

    def visible(self, now: float) -> int:
        """Messages that could be received (ApproximateNumberOfMessages)."""
        self._advance(now)
        return self._returned.count + self._fresh.arrived(now)

    def has_visible(self, now: float) -> bool:
        """Whether any could."""
        if now >= self._quiet_until:
            self._advance(now)
        return self._fresh.head_at <= now or self._returned.count > 0

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
        at = self._fresh.head_at
        if self._returned.count and (since := self._returned.since()) < at:
            at = since
        return at if at <= self._quiet_until else min(at, self._ends.next_at())

    def calls_at(self) -> float:
        """When a ReceiveMessage is next answered: a standard queue answers as many as there are."""
        return -math.inf

    def expires_at(self) -> float:
        """When the oldest message never received will have been kept long enough; infinity if there is none."""
        return self._fresh.head_at + self._retention_s

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still here was sent."""
        return self.ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """What happened since the last call: deletes are `done`, redriven messages `dead`."""
        return self.ledger.drain()

    def _lease(self, until: float, part: Part, size: int, oldest_at: float, *, delay: bool = False) -> Holding:
        """Hide messages until then, for they are received or, with a `delay`, because they are to come later."""
        count = len(part[0])
        if delay:
            self._delayed += count
        else:
            self._in_flight += count
            self.ledger.facts.received += count
        self._number = number = self._number + 1
        self._hidden[number] = hidden = Holding(number, part[0], size, until, oldest_at, part, part, delay)
        self._ends.set(number, until)
        if until < self._quiet_until:
            self._quiet_until = until
        return hidden

    def _advance(self, now: float) -> None:
        """Let time pass: what was hidden long enough comes back, what was kept long enough goes."""
        if now < self._quiet_until:
            return
        for number in self._ends.due(now):
            hidden = self._hidden.pop(number)
            self._uncount(hidden, hidden.count())
            self._returned.add(hidden)
        while self.expires_at() <= now:
            # By the sum, as `expires_at` has it: the difference may round to just before the message.
            old = self._fresh.take(max(now - self._retention_s, self._fresh.head_at))
            assert old is not None
            self.ledger.expire(old.ids, End.RETENTION)
        self._quiet_until = min(self._ends.next_at(), self.expires_at())

    def _take_out_apart(self, lease: int, ids: Sequence[int]) -> list[int]:
        """Take out those of a lease's messages that were set apart of it; says which of them were there."""
        gone: list[int] = []
        for message in ids:
            number = number_apart(lease, message)
            hidden = self._hidden.get(number)
            if hidden is None:
                gone += self._returned.take_out(number, [message])
            else:
                self._reveal(hidden, 1)
                gone.append(message)
        return gone

    def _reveal(self, hidden: Holding, count: int) -> None:
        """End a lease or a delay, whatever becomes of the messages still in it."""
        del self._hidden[hidden.number]
        self._ends.clear(hidden.number)
        self._uncount(hidden, count)

    def _uncount(self, hidden: Holding, count: int) -> None:
        if hidden.delay:
            self._delayed -= count
        else:
            self._in_flight -= count
