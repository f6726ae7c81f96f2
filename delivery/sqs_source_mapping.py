"""What the event source mappings of a standard and of a FIFO queue do alike: batches, throttles, answers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from random import Random
from typing import Protocol

from delivery.agenda import Agenda
from delivery.backoff import Backoff
from delivery.invoker import Invoker
from delivery.ledger import Ledger
from delivery.pollers import Pollers
from delivery.protocol import Capacity, Facts, Invocation, Offer, Ok, Outcome, PartialFailure, Refusal, Throttled
from delivery.quotas import Quotas
from delivery.sqs_lease import Lease
from delivery.sqs_provisioned import PollerThroughput, ProvisionedPollers


class Queue(Protocol):
    """A queue as a mapping uses it."""

    visibility_timeout_s: float
    ledger: Ledger

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Send messages."""

    def receive(
        self, now: float, most: int, visibility_timeout_s: float | None = None, *, most_bytes: float
    ) -> Lease | None:
        """Receive up to `most` messages, together of `most_bytes` in a function's event; None if there is none."""

    def receive_each(self, now: float, receives: int, most: int, *, most_bytes: float) -> list[Lease]:
        """So many receives after one another, for as long as they bring something."""

    def delete(self, now: float, lease: int, ids: Sequence[int]) -> int:
        """Delete messages of a lease."""

    def has_visible(self, now: float) -> bool:
        """Whether there are messages to receive, however many may be received now."""

    def visible_at(self) -> float:
        """When there next will be."""

    def calls_at(self) -> float:
        """When the queue next answers a ReceiveMessage; in the past if it does now."""

    def expires_at(self) -> float:
        """When the next message will have been kept long enough."""

    def pending(self) -> int:
        """Messages in the queue in any state."""

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still here was sent."""

    def drain(self) -> Facts:
        """What happened since the last call."""


@dataclass(slots=True, eq=False)
class Batch:
    """What one poller holds: the leases of its receives. It is gathering, running, or throttled and waiting."""

    opened_at: float
    leases: list[Lease] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    throttles: int = 0

    @property
    def number(self) -> int:
        """That of its first receive."""
        return self.leases[0].number

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
        leases = self.leases
        return leases[0].most_receives() if len(leases) == 1 else max([lease.most_receives() for lease in leases])


class SqsSourceMapping(ABC):
    """Pollers that receive messages and invoke the function; keeps `delivery.protocol.Delivery`.

    How a batch comes about (`_receive`) is each mapping's own.

    Args:
        queue: the queue it polls; `offer` is the queue's. Its facts are drained through the mapping.
        capacity: the function's concurrency.
        random: draws the back-off jitter.
        quotas: event size, back-off, the pollers' own rates.
        pollers: how many batches may be held at once.
        provisioned: the pollers of provisioned mode, if that is what `pollers` are.
        batch_size: most messages of one invocation.
        maximum_concurrency: MaximumConcurrency, 2 to 1,000; pollers stop receiving there.
        report_batch_item_failures: whether the function's list of failed messages is heeded.
        function_timeout_s: the function's timeout; AWS refuses one above the queue's visibility timeout.

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        pollers: Pollers,
        provisioned: ProvisionedPollers | None,
        batch_size: int,
        maximum_concurrency: int | None,
        report_batch_item_failures: bool,
        function_timeout_s: float,
    ) -> None:
        if maximum_concurrency is not None and provisioned is not None:
            raise ValueError("a mapping takes a maximum concurrency or provisioned pollers, not both")
        if maximum_concurrency is not None and not 2 <= maximum_concurrency <= 1_000:
            raise ValueError(f"a maximum concurrency of {maximum_concurrency}; a mapping takes 2 to 1,000")
        if provisioned is not None:
            provisioned.check(quotas)
        if function_timeout_s > queue.visibility_timeout_s:
            raise ValueError(
                f"the queue's visibility timeout, {queue.visibility_timeout_s} s, is shorter than the function's "
                f"timeout, {function_timeout_s} s; AWS advises six times as long"
            )
        if quotas.sqs_message_bytes + quotas.sqs_event_overhead_bytes > quotas.event_bytes:
            raise ValueError("a message of sqs_message_bytes does not fit into an event of event_bytes")
        self._queue = queue
        self._pollers = pollers
        self._throughput = None if provisioned is None else PollerThroughput(quotas)
        self._batch_size = batch_size
        self._partial = report_batch_item_failures
        self._event_bytes = quotas.event_bytes
        self._throttle_wait = Backoff(quotas.sqs_throttle_first_s, quotas.sqs_throttle_max_s, random)
        self._invoker: Invoker[Batch] = Invoker(capacity, function_timeout_s, queue.ledger)
        # Batches that do not run: they gather, or were throttled.
        self._waiting: dict[int, Batch] = {}
        self._turns = Agenda()
        # As of the last poll: when it was, and how many more batches the pollers could hold.
        self._polled_at = -math.inf
        self._free = 0

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Send messages to the queue."""
        return self._queue.offer(now, offer)

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        ready = self._whose_turn_has_come(now) if self._waiting else []
        self._receive(now, ready)
        invocations = self._start(now, ready) if ready else []
        waiting = self._queue.has_visible(now)
        held = self._invoker.running + len(self._waiting)
        self._free = free = self._pollers.last_count - held
        saturated = waiting and (free <= 0 or not self._throughput_left(now))
        self._pollers.observe(now, saturated=saturated, idle=not waiting and not held)
        self._polled_at = now
        return invocations

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        batch = self._invoker.settle(now, invocation, outcome)
        if isinstance(outcome, Ok):
            for lease in batch.leases:
                self._queue.delete(now, lease.number, lease.ids)
            return
        if isinstance(outcome, Throttled):
            self._hold(now, batch)
            return
        done = self._done(batch, outcome)
        if done is None:
            # Its messages come back by themselves, when their visibility timeout is over.
            self._pollers.fail(now)
            return
        for lease, messages in zip(batch.leases, done, strict=True):
            if messages:
                self._queue.delete(now, lease.number, messages)

    def lease(self, invocation: Invocation, message: int) -> Lease:
        """The lease under which a running invocation holds a message: its receipt, and how often it was received."""
        return next(lease for lease in self._invoker.work_of(invocation).leases if message in lease.ids)

    def receive_count(self, invocation: Invocation, message: int) -> int:
        """How often a message of a running invocation was received, this time counted."""
        return self.lease(invocation, message).receive_count(message)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        at = self._pollers.grows_at
        if (expires_at := self._queue.expires_at()) < at:
            at = expires_at
        if self._waiting:
            at = min(at, self._turns.next_at())
        if self._throughput is not None and self._pollers.saturated:
            # They are no longer held up from then on, even if the queue gives nothing.
            ready_at = self._throughput.ready_at(self._pollers.pollers)
            at = min(at, ready_at) if ready_at > self._polled_at else at
        seats = self._seats()
        if seats <= 0 and self._pollers.saturated:
            # Messages wait already, and for a poller.
            return at
        visible_at = self._queue.visible_at()
        if visible_at > self._polled_at:
            # Also while all are busy: growth counts from the moment a message has to wait.
            return min(at, visible_at)
        # Messages wait already: for a poller, or for what holds the pollers up.
        return at if seats <= 0 else min(at, self._may_receive_at())

    def starts_at(self, now: float) -> float:  # noqa: ARG002 (the protocol's)
        """Up to when `poll` yields nothing: a settle may bring something at once."""
        return -math.inf

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
        """How many pollers there were at the last poll; each holds one batch, a provisioned one up to 10."""
        return self._pollers.pollers

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still in the queue was sent."""
        return self._queue.oldest_age_s(now)

    def drain(self) -> Facts:
        """The facts since the last call, the queue's among them."""
        return self._queue.drain()

    def _start(self, now: float, ready: list[Batch]) -> list[Invocation]:
        """Invoke the function with as many of these batches as there is concurrency for; the others are throttled."""
        slots = self._invoker.acquire_upto(now, len(ready))
        if len(slots) < len(ready):
            for batch in ready[len(slots) :]:
                self._hold(now, batch)
        start = self._invoker.start
        return [
            start(now, slot, batch, batch.ids(), attempt=batch.receive_count())
            for slot, batch in zip(slots, ready, strict=False)
        ]

    @abstractmethod
    def _receive(self, now: float, ready: list[Batch]) -> None:
        """Let pollers receive what is visible; batches that are then complete join `ready`."""

    def _seats(self) -> int:
        """How many pollers could receive, as of the last poll."""
        return self._free

    def _receive_at_once(self, now: float, ready: list[Batch]) -> None:
        """A batch for each free poller: what one receive brings."""
        free = self._pollers.count(now) - self._invoker.running - len(self._waiting) - len(ready)
        if free <= 0:
            return
        size, most_bytes = self._batch_size, self._event_bytes
        if self._throughput is None:
            leases = self._queue.receive_each(now, free, size, most_bytes=most_bytes)
        else:
            leases = []
            while len(leases) < free and self._throughput_left(now):
                lease = self._queue.receive(now, size, most_bytes=most_bytes)
                if lease is None:
                    break
                self._spend(now, lease)
                leases.append(lease)
        if leases:
            ready.extend([Batch(now, [lease], len(lease.ids), lease.bytes) for lease in leases])

    def _may_receive_at(self) -> float:
        """When the next ReceiveMessage may be made; in the past if it may now."""
        if self._throughput is None:
            return self._queue.calls_at()
        return max(self._queue.calls_at(), self._throughput.ready_at(self._pollers.pollers))

    def _throughput_left(self, now: float) -> bool:
        """Whether the pollers' own rates let them receive now."""
        return self._throughput is None or self._throughput.ready(now, self._pollers.pollers)

    def _spend(self, now: float, lease: Lease) -> None:
        if self._throughput is not None:
            self._throughput.spend(now, self._pollers.pollers, len(lease.ids), lease.bytes)

    def _whose_turn_has_come(self, now: float) -> list[Batch]:
        """Batches that have gathered long enough, and throttled ones to try again."""
        ready = []
        for number in self._turns.due(now):
            batch = self._waiting.pop(number)
            # One past it is dropped: the messages return to the queue, each with a receive spent on nothing.
            if batch.throttles == 0 or now < batch.until():
                ready.append(batch)
        return ready

    def _hold(self, now: float, batch: Batch) -> None:
        """Keep a throttled batch, at the most until its messages become visible to others."""
        batch.throttles += 1
        self._pollers.fail(now)
        self._waiting[batch.number] = batch
        self._turns.set(batch.number, min(now + self._throttle_wait.wait_s(batch.throttles), batch.until()))

    def _done(self, batch: Batch, outcome: Outcome) -> list[Sequence[int]] | None:
        """The messages of each lease that are not to come back; None if the invocation as a whole failed."""
        if not isinstance(outcome, PartialFailure):
            return None
        failed = outcome.failed
        if not self._partial or not failed:
            return [lease.ids for lease in batch.leases]
        done: list[Sequence[int]] = [list(filterfalse(failed.__contains__, lease.ids)) for lease in batch.leases]
        # One that names a message it was not given has failed as a whole.
        return done if sum(map(len, done)) + len(failed) == batch.count else None
