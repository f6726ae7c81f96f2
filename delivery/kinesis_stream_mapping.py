"""What polled and pushed Kinesis event source mappings have in common: all that follows once a record is there."""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Protocol

from delivery.agenda import Agenda
from delivery.backlog import Run
from delivery.backoff import Backoff
from delivery.invoker import Invoker
from delivery.kinesis_lane import Batch, Lane, RetryPolicy
from delivery.kinesis_stream import KinesisStream, order_key_of
from delivery.ledger import Ledger
from delivery.protocol import (
    Capacity,
    End,
    Facts,
    Invocation,
    Offer,
    Ok,
    Outcome,
    PartialFailure,
    Refusal,
    Slot,
    Throttled,
)
from delivery.quotas import Quotas


class ShardFeed(Protocol):
    """How records come from a stream's shards to its mapping."""

    def append(self, shard: int, run: Run) -> None:
        """Learn of records the shard has taken, or will have taken at their times."""

    def due(self, now: float) -> Iterable[tuple[int, Run]]:
        """What reaches the mapping by now, with its shard; a shard's records in their order."""

    def invocation_ended(self, now: float, shard: int) -> None:
        """A lane of this shard has come free."""

    def open(self, shard: int) -> None:
        """A new shard, numbered next. Nothing of it reaches the mapping before it is released."""

    def release(self, shard: int) -> None:
        """What came before this shard is done: its records may come."""

    def drained(self, shard: int) -> bool:
        """Whether it was released, and nothing that it has taken is still to come."""

    def next_at(self) -> float:
        """When something reaches the mapping next; infinity if nothing will."""


class StreamMapping(ABC):
    """Invokes a function with a stream's records; keeps `delivery.protocol.Delivery`.

    Records wait in lanes; a lane's batch goes out when it is full or its window is over.

    Args:
        stream: the stream it reads; `offer` is the stream's.
        capacity: the function's concurrency.
        random: draws each shard's phase and the back-off jitter.
        quotas: how records come, event size, retention, back-off.
        batch_size: most records of one invocation, 1 to 10,000.
        batching_window_s: how long to gather a batch, 0 to 300; opens when records wait and the lane is free.
        parallelization_factor: lanes per shard, 1 to 10; a partition key keeps to its lane, so its order is kept.
        bisect: BisectBatchOnFunctionError; splits a failed batch without using up a retry.
        maximum_retry_attempts: retries after errors, 0 to 10,000; None until the records expire (AWS's -1).
        maximum_record_age_s: records older than this are given up; None for never (AWS's -1).
        report_batch_item_failures: whether the function's list of failed records is heeded.
        function_timeout_s: the function's timeout.
        on_failure: whether there is a destination; without one, records given up are lost (`Facts.expired`).

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        stream: KinesisStream,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 100,
        batching_window_s: float = 0.0,
        parallelization_factor: int = 1,
        bisect: bool = False,
        maximum_retry_attempts: int | None = None,
        maximum_record_age_s: float | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
        on_failure: bool = True,
    ) -> None:
        if not 1 <= batch_size <= 10_000:
            raise ValueError(f"a batch size of {batch_size}; a stream's mapping takes 1 to 10,000")
        if not 0 <= batching_window_s <= 300:
            raise ValueError(f"a batching window of {batching_window_s} s; a mapping takes 0 to 300")
        if not 1 <= parallelization_factor <= 10:
            raise ValueError(f"a parallelization factor of {parallelization_factor}; a mapping takes 1 to 10")
        if maximum_retry_attempts is not None and not 0 <= maximum_retry_attempts <= 10_000:
            raise ValueError(
                f"{maximum_retry_attempts} retry attempts; a mapping takes 0 to 10,000, or None for no end"
            )
        if maximum_record_age_s is not None and not 0 < maximum_record_age_s <= 604_800:
            raise ValueError(
                f"a record age of {maximum_record_age_s} s; a mapping takes up to 604,800, or None for any"
            )
        self._stream = stream
        self._quotas = quotas
        self._weigh = partial(event_record_bytes, quotas=quotas)
        self._batch_size = batch_size
        self._window_s = batching_window_s
        self._factor = parallelization_factor
        self._policy = RetryPolicy(maximum_retry_attempts, bisect)
        self._limits = (
            (quotas.kinesis_retention_s, End.RETENTION),
            (math.inf if maximum_record_age_s is None else maximum_record_age_s, End.RECORD_AGE),
        )
        self._least_limit_s = min(limit_s for limit_s, _ in self._limits)
        self._partial = report_batch_item_failures
        self._ledger = Ledger(on_failure=on_failure)
        self._invoker: Invoker[Batch] = Invoker(capacity, function_timeout_s, self._ledger)
        self._error_wait = Backoff(quotas.kinesis_retry_first_s, quotas.kinesis_retry_max_s, random)
        self._throttle_wait = Backoff(quotas.kinesis_throttle_first_s, quotas.kinesis_throttle_max_s, random)
        self._feed = self._feed_of(stream, random, quotas)
        self._lanes: list[Lane] = []
        for shard in range(stream.shards):
            self._open_lanes(shard)
        self._children: dict[int, Sequence[int]] = {}
        self._turns = Agenda()
        self._throttled: dict[int, None] = {}
        stream.attach(self)

    @abstractmethod
    def _feed_of(self, stream: KinesisStream, random: Random, quotas: Quotas) -> ShardFeed:
        """How this kind of mapping comes by its records."""

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Put records into the stream."""
        return self._stream.offer(now, offer)

    def append(self, shard: int, run: Run) -> None:
        """Learn of records the stream has taken."""
        self._ledger.accept(run)
        if self._factor > 1:
            assert run.keys is not None
            lanes = [order_key_of(key) % self._factor for key in run.keys]
            run = Run(run.ids, run.sizes, run.times, lanes)
        else:
            run = Run(run.ids, run.sizes, run.times)
        self._feed.append(shard, run)

    def split(self, shard: int, children: Sequence[int]) -> None:
        """Follow a shard's split: its children are read once all its own records have ended."""
        self._children[shard] = children
        for child in children:
            self._open_lanes(child)
            self._feed.open(child)
        self._let_children_go(shard)

    @abstractmethod
    def misplace(self, counts: Mapping[int, int]) -> None:
        """Learn which aggregates hold user records of other shards, and how many."""

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        for shard, run in self._feed.due(now):
            self._received(run)
            self._sort_into_lanes(now, shard, run.weighed(self._weigh))
        ready = []
        for number in self._turns.due(now):
            lane = self._lanes[number]
            if (batch := self._next_batch(now, lane)) is not None:
                ready.append((lane, batch))
            else:
                self._throttled.pop(number, None)
                self._let_children_go(lane.shard)
        slots = self._invoker.acquire_upto(now, len(ready))
        for lane, batch in ready[len(slots) :]:
            self._hold(now, lane, batch)
        return [self._start(now, slot, lane, batch) for slot, (lane, batch) in zip(slots, ready, strict=False)]

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        batch = self._invoker.settle(now, invocation, outcome)
        lane = self._lanes[invocation.lane]
        lane.busy = False
        lane.window_from = now
        if self._throttled and not isinstance(outcome, Throttled):
            # The slot just freed goes to the lane that has waited longest: the one that gave it up would always be
            # there first to take it again, and starve the others.
            self._turns.set(next(iter(self._throttled)), now)
        if isinstance(outcome, Ok):
            self._ledger.done(batch.records.ids)
            self._continue(now, lane)
        elif isinstance(outcome, Throttled):
            self._hold(now, lane, batch)
        elif (checkpoint := self._checkpoint(batch, outcome)) == len(batch.records):
            self._ledger.done(batch.records.ids)
            self._continue(now, lane)
        else:
            self._retry(now, lane, batch, checkpoint)
        self._feed.invocation_ended(now, lane.shard)
        if self._children:
            self._let_children_go(lane.shard)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        return min(self._feed.next_at(), self._turns.next_at())

    def starts_at(self, now: float) -> float:  # noqa: ARG002 (the protocol's)
        """Up to when `poll` yields nothing: a settle may bring something at once."""
        return -math.inf

    def pending(self) -> int:
        """Records accepted and not yet ended."""
        return self._ledger.pending

    def in_flight(self) -> int:
        """Records in the hands of the function."""
        return self._invoker.in_flight

    def running(self) -> int:
        """Invocations started and not yet settled."""
        return self._invoker.running

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending record arrived."""
        return self._ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """The facts since the last call."""
        return self._ledger.drain()

    def _received(self, run: Run) -> None:
        """Records have come from the stream."""
        self._ledger.facts.received += len(run)

    def _open_lanes(self, shard: int) -> None:
        self._lanes += [Lane(shard * self._factor + number, shard) for number in range(self._factor)]

    def _let_children_go(self, shard: int) -> None:
        """Have a split shard's children read if it is drained, so that each key's records keep their order."""
        if shard not in self._children or not self._feed.drained(shard):
            return
        lanes = self._lanes[shard * self._factor : (shard + 1) * self._factor]
        if any(lane.busy or lane.again or len(lane.waiting) for lane in lanes):
            return
        for child in self._children.pop(shard):
            self._feed.release(child)
            self._let_children_go(child)

    def _sort_into_lanes(self, now: float, shard: int, run: Run) -> None:
        first = shard * self._factor
        if self._factor == 1:
            parts = {first: run}
        else:
            assert run.keys is not None
            indices: dict[int, list[int]] = {}
            for index, sub_lane in enumerate(run.keys):
                indices.setdefault(first + sub_lane, []).append(index)
            parts = {number: run.pick(picked) for number, picked in indices.items()}
        for number, part in parts.items():
            lane = self._lanes[number]
            if not len(lane.waiting):
                lane.window_from = max(lane.window_from, now)
            lane.waiting.append(part)
            self._plan(now, lane)

    def _plan(self, now: float, lane: Lane) -> None:
        """Set when a free lane's next batch goes out, unless its retry has a time already."""
        if lane.busy or lane.again:
            return
        waiting = len(lane.waiting)
        if waiting >= self._batch_size or lane.waiting.bytes >= self._quotas.event_bytes:
            self._turns.set(lane.number, now)
        elif waiting:
            self._turns.set(lane.number, lane.window_from + self._window_s)

    def _next_batch(self, now: float, lane: Lane) -> Batch | None:
        """What the lane sends now, once what is too old or too large has been given up; None if nothing is left."""
        while lane.again:
            batch = lane.again.pop()
            batch.records = self._without_expired(now, batch.records)
            if len(batch.records):
                return batch
        if lane.waiting.head_at <= now - self._least_limit_s:
            for limit_s, end in self._limits:
                if (old := lane.waiting.take(now - limit_s)) is not None:
                    self._end(old.ids, end)
        while len(lane.waiting):
            run = lane.waiting.take(now, self._batch_size, self._quotas.event_bytes)
            if run is not None:
                return Batch(run)
            too_large = lane.waiting.take(now, 1)
            assert too_large is not None
            self._end(too_large.ids, End.TOO_LARGE)
        return None

    def _without_expired(self, now: float, records: Run) -> Run:
        for limit_s, end in self._limits:
            if count := records.arrived(now - limit_s):
                self._end(records.ids[:count], end)
                records = records.part(count, len(records))
        return records

    def _end(self, ids: Sequence[int], end: End) -> None:
        if end is End.RETENTION:
            self._ledger.expire(ids, end)
        else:
            self._ledger.give_up(ids, end)

    def _checkpoint(self, batch: Batch, outcome: Outcome) -> int:
        """The index of the first record that is not done: of the lowest one that failed."""
        ids = batch.records.ids
        if not isinstance(outcome, PartialFailure):
            return 0
        if not self._partial or not outcome.failed:
            return len(ids)
        # A sequence number that was not in the batch makes the whole batch fail.
        return bisect_left(ids, min(outcome.failed)) if outcome.failed <= set(ids) else 0

    def _start(self, now: float, slot: Slot, lane: Lane, batch: Batch) -> Invocation:
        lane.busy = True
        self._throttled.pop(lane.number, None)
        return self._invoker.start(now, slot, batch, batch.records.ids, attempt=batch.retries + 1, lane=lane.number)

    def _retry(self, now: float, lane: Lane, batch: Batch, checkpoint: int) -> None:
        ids = batch.records.ids
        self._ledger.done(ids[:checkpoint])
        after = self._policy.after(batch, checkpoint)
        if after is None:
            self._end(ids[checkpoint:], End.RETRIES_EXHAUSTED)
            self._continue(now, lane)
            return
        lane.again.extend(reversed(after))
        costs_retry = after[0].retries > batch.retries
        self._turns.set(lane.number, now + (self._error_wait.wait_s(after[0].retries) if costs_retry else 0.0))

    def _hold(self, now: float, lane: Lane, batch: Batch) -> None:
        """Keep a throttled batch for later. It costs no retry, however often."""
        batch.throttles += 1
        lane.again.append(batch)
        self._throttled.setdefault(lane.number)
        self._turns.set(lane.number, now + self._throttle_wait.wait_s(batch.throttles))

    def _continue(self, now: float, lane: Lane) -> None:
        """A lane has come free: what is left of a split batch goes at once, else its next batch is planned."""
        if lane.again:
            self._turns.set(lane.number, now)
        else:
            self._plan(now, lane)


def event_record_bytes(size: int, quotas: Quotas) -> int:
    """What a record of so many bytes takes of an invocation's event: base64, and its envelope."""
    return 4 * math.ceil(size / 3) + quotas.kinesis_event_overhead_bytes
