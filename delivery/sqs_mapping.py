"""An SQS event source mapping of a standard queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from delivery.agenda import Agenda
from delivery.backoff import Backoff
from delivery.invoker import Invoker
from delivery.ledger import Ledger
from delivery.pollers import Pollers
from delivery.protocol import Capacity, Facts, Invocation, Offer, Ok, Outcome, PartialFailure, Refusal, Throttled
from delivery.quotas import Quotas
from delivery.sqs_queue import Lease, SqsQueue


@dataclass(slots=True)
class _Batch:
    """What one poller holds: the leases of its receives. It is gathering, running, or throttled and waiting."""

    number: int
    opened_at: float
    leases: list[Lease] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    throttles: int = 0

    def add(self, lease: Lease) -> None:
        """One more receive."""
        self.leases.append(lease)
        self.count += len(lease.ids)
        self.bytes += lease.bytes

    def until(self) -> float:
        """When the first of its messages becomes visible to others."""
        return min(lease.until for lease in self.leases)

    def ids(self) -> Sequence[int]:
        """Its messages."""
        if len(self.leases) == 1:
            return self.leases[0].ids
        return [message for lease in self.leases for message in lease.ids]

    def receive_count(self) -> int:
        """How often the message received most often was received."""
        return max((max(lease.receives.values(), default=1) for lease in self.leases), default=1)


class SqsMapping:
    """Pollers that receive messages and invoke the function; keeps `delivery.protocol.Delivery`.

    Each poller holds one batch. Without a window it invokes with what a receive brings. With one it gathers: a message
    goes to any poller that waits, one that is gathering or one that is free.

    Args:
        queue: the queue it polls; `offer` is the queue's. Its facts are drained through the mapping.
        capacity: the function's concurrency.
        random: decides which waiting poller a message goes to, and the back-off jitter.
        quotas: pollers, event size, back-off.
        batch_size: most messages of one invocation, 1 to 10,000; above 10 a window is needed.
        batching_window_s: how long a poller gathers a batch, 0 to 300. Under low traffic it may wait up to 20 s.
        maximum_concurrency: MaximumConcurrency, 2 to 1,000; pollers stop receiving there.
        report_batch_item_failures: whether the function's list of failed messages is heeded.
        function_timeout_s: the function's timeout; AWS refuses one above the queue's visibility timeout.

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        queue: SqsQueue,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 10,
        batching_window_s: float = 0.0,
        maximum_concurrency: int | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
    ) -> None:
        if not 1 <= batch_size <= 10_000:
            raise ValueError(f"a batch size of {batch_size}; a queue's mapping takes 1 to 10,000")
        if not 0 <= batching_window_s <= 300:
            raise ValueError(f"a batching window of {batching_window_s} s; a mapping takes 0 to 300")
        if batch_size > quotas.sqs_receive_messages and batching_window_s < 1:
            raise ValueError(f"a batch size of {batch_size} needs a batching window of 1 s or more")
        if maximum_concurrency is not None and not 2 <= maximum_concurrency <= 1_000:
            raise ValueError(f"a maximum concurrency of {maximum_concurrency}; a mapping takes 2 to 1,000")
        if function_timeout_s > queue.visibility_timeout_s:
            raise ValueError(
                f"the queue's visibility timeout, {queue.visibility_timeout_s} s, is shorter than the function's "
                f"timeout, {function_timeout_s} s; AWS advises six times as long"
            )
        if quotas.sqs_message_bytes + quotas.sqs_event_overhead_bytes > quotas.event_bytes:
            raise ValueError("a message of sqs_message_bytes does not fit into an event of event_bytes")
        self._queue = queue
        self._batch_size = batch_size
        self._window_s = batching_window_s
        self._gather_s = max(batching_window_s, quotas.sqs_low_traffic_wait_s)
        self._partial = report_batch_item_failures
        self._event_bytes = quotas.event_bytes
        self._random = random
        self._pollers = Pollers(quotas, maximum_concurrency)
        self._throttle_wait = Backoff(quotas.sqs_throttle_first_s, quotas.sqs_throttle_max_s, random)
        self._ledger = Ledger()
        self._invoker: Invoker[_Batch] = Invoker(capacity, function_timeout_s, self._ledger)
        self._batches: dict[int, _Batch] = {}
        self._gathering: list[_Batch] = []
        self._turns = Agenda()
        self._number = 0

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Send messages to the queue."""
        return self._queue.offer(now, offer)

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        ready = self._whose_turn_has_come(now)
        ready.extend(self._receive(now))
        slots = self._invoker.acquire_upto(now, len(ready))
        for batch in ready[len(slots) :]:
            self._hold(now, batch)
        invocations = [
            self._invoker.start(now, slot, batch, batch.ids(), attempt=batch.receive_count())
            for slot, batch in zip(slots, ready, strict=False)
        ]
        waiting = self._queue.visible(now) > 0
        self._pollers.observe(
            now,
            saturated=waiting and len(self._batches) >= self._pollers.count(now),
            idle=not waiting and not self._batches,
        )
        return invocations

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        batch = self._invoker.settle(now, invocation, outcome)
        if isinstance(outcome, Throttled):
            self._hold(now, batch)
            return
        del self._batches[batch.number]
        failed = self._failed(batch, outcome)
        if failed is None:
            # Its messages come back by themselves, when their visibility timeout is over.
            self._pollers.fail(now)
            return
        for lease in batch.leases:
            done = [message for message in lease.ids if message not in failed] if failed else lease.ids
            self._queue.delete(now, lease.number, done)

    def lease(self, invocation: Invocation, message: int) -> Lease:
        """The lease under which a running invocation holds a message: its receipt, and how often it was received."""
        return next(lease for lease in self._invoker.work_of(invocation).leases if message in lease.ids)

    def receive_count(self, invocation: Invocation, message: int) -> int:
        """How often a message of a running invocation was received, this time counted."""
        return self.lease(invocation, message).receive_count(message)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        at = min(self._turns.next_at(), self._pollers.grows_at(), self._queue.expires_at())
        if self._pollers.saturated and not self._gathering and len(self._batches) >= self._pollers.last_count:
            return at
        # Also while all are busy: growth counts from the moment a message has to wait.
        return min(at, self._queue.visible_at())

    def pending(self) -> int:
        """Messages accepted and not yet ended."""
        return self._queue.pending()

    def in_flight(self) -> int:
        """Messages in the hands of the function."""
        return self._invoker.in_flight

    def running(self) -> int:
        """Invocations started and not yet settled."""
        return self._invoker.running

    def pollers(self) -> int:
        """Batches the mapping may hold at once, as of the last poll."""
        return self._pollers.last_count

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still in the queue was sent."""
        return self._queue.oldest_age_s(now)

    def drain(self) -> Facts:
        """The facts since the last call, the queue's among them."""
        facts, own = self._queue.drain(), self._ledger.drain()
        facts.throttled += own.throttled
        facts.cold_starts += own.cold_starts
        return facts

    def _whose_turn_has_come(self, now: float) -> list[_Batch]:
        """Batches that have gathered long enough, and throttled ones to try again."""
        ready = []
        for number in self._turns.due(now):
            batch = self._batches[number]
            if batch.throttles == 0:
                self._gathering.remove(batch)
                ready.append(batch)
            elif now < batch.until():
                ready.append(batch)
            else:
                # Lambda drops it: the messages return to the queue, each with a receive spent on nothing.
                del self._batches[number]
        return ready

    def _receive(self, now: float) -> list[_Batch]:
        """Let the waiting pollers receive what is visible; the batches that are then complete."""
        ready = []
        while self._queue.visible(now) and not self._queue.full(now):
            free = self._pollers.count(now) - len(self._batches)
            seats = len(self._gathering) + max(free, 0)
            if seats == 0:
                break
            # Without a window nobody gathers, and one free poller is as good as another.
            seat = self._random.randrange(seats) if self._window_s > 0 else 0
            batch = self._gathering.pop(seat) if seat < len(self._gathering) else _Batch(self._number + 1, now)
            room = self._batch_size - batch.count
            lease = self._queue.receive(now, room, most_bytes=self._event_bytes - batch.bytes)
            if lease is not None:
                batch.add(lease)
            elif batch.count == 0:
                # What was visible had been received too often, and is given up.
                break
            if batch.number not in self._batches:
                self._number = batch.number
                self._batches[batch.number] = batch
                # Never past its visibility timeout: it would receive its own messages again.
                self._turns.set(batch.number, min(now + self._gather_s, batch.until()))
            if lease is None or batch.count == self._batch_size or now >= batch.opened_at + self._window_s:
                self._turns.clear(batch.number)
                ready.append(batch)
            else:
                self._gathering.append(batch)
        return ready

    def _hold(self, now: float, batch: _Batch) -> None:
        """Keep a throttled batch, at the most until its messages become visible to others."""
        batch.throttles += 1
        self._pollers.fail(now)
        self._turns.set(batch.number, min(now + self._throttle_wait.wait_s(batch.throttles), batch.until()))

    def _failed(self, batch: _Batch, outcome: Outcome) -> frozenset[int] | None:
        """The messages that are to come back; None if the invocation as a whole failed."""
        if isinstance(outcome, Ok) or (isinstance(outcome, PartialFailure) and not self._partial):
            return frozenset()
        if isinstance(outcome, PartialFailure) and outcome.failed <= set(batch.ids()):
            return outcome.failed
        return None
