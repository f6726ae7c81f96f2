"""The same cases in SimPy, as one would write them who wants an answer this afternoon: processes that wait.

It knows as much of AWS as the measured cases need (shard limits, one lane a shard, pollers and their ramp, visibility
timeouts, receive counts, asynchronous back-off, cold starts, a downstream's quota with the SDK's retries), and no more:
what it leaves out only makes it faster. What arrives, and with which partition key, it has from the same code as ours.
It answers with the columns that ours answers with: who simulates wants to know how long the records took.
"""

import random
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from delivery.quotas import Quotas
from simulator import arrivals
from simulator.scenario import Scenario
from simulator.simulation import partition_keys

Process = Generator[simpy.Event, Any, None]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(slots=True)
class Outcome:
    """What a model found, to be held against ours: the sums, a row a record, and what happened each second."""

    completed: int = 0
    dead_lettered: int = 0
    rejected: int = 0
    last_end_s: float = 0.0
    arrived_at: Floats = field(default_factory=lambda: np.zeros(0))
    began_at: Floats = field(default_factory=lambda: np.zeros(0))
    stored_at: Floats = field(default_factory=lambda: np.zeros(0))
    deliveries: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    series: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Bucket:
    """A rate with a burst."""

    rate: float
    burst: float
    level: float = 0.0
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Whether there was a token."""
        self.level = min(self.burst, self.level + self.rate * (now - self.at))
        self.at = now
        if self.level < tokens:
            return False
        self.level -= tokens
        return True


@dataclass
class Model:
    """One case's world."""

    scenario: Scenario
    quotas: Quotas = field(init=False)
    env: simpy.Environment = field(default_factory=simpy.Environment)
    outcome: Outcome = field(default_factory=Outcome)
    running: int = 0
    warm: int = 0
    processed: list[int] = field(default_factory=list)
    began_at: list[float] = field(default_factory=list)
    stored_at: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    given_up_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quotas = Quotas.with_overrides(self.scenario.quotas)
        self.random = random.Random(self.scenario.seed)
        rate = self.scenario.downstream.rate_per_s
        self.bucket = None if rate is None else Bucket(rate, max(1.0, rate))

    def run(self) -> Outcome:
        """Run the case to its end."""
        times = arrivals.times(self.scenario.arrivals, np.random.default_rng(self.scenario.seed)).tolist()
        {"sns": Sns, "sqs": Sqs, "kinesis": Kinesis}[self.scenario.buffer](self, times)
        self.env.run()
        self._conclude(np.array(times))
        return self.outcome

    def handle(self, records: Sequence[int]) -> Generator[simpy.Event, Any, list[int]]:
        """One invocation; returns the records that failed."""
        function, downstream = self.scenario.function, self.scenario.downstream
        cold = self.warm == 0
        self.warm -= not cold
        self.running += 1
        if cold:
            yield self.env.timeout(function.cold_start_ms.mean_s)
        began = self.env.now
        deadline = began + function.timeout_s
        failed: list[int] = []
        if self.bucket is None:
            each = function.per_record_ms.mean_s
            yield self.env.timeout(len(records) * each)
            self.processed.extend(records)
            self.began_at.extend([began] * len(records))
            self.stored_at.extend([began + place * each for place in range(1, len(records) + 1)])
        else:
            for place, record in enumerate(records):
                for attempt in range(downstream.sdk_attempts or 1):
                    if self.bucket.take(self.env.now):
                        yield self.env.timeout(function.per_record_ms.mean_s)
                        self.processed.append(record)
                        self.began_at.append(began)
                        self.stored_at.append(self.env.now)
                        break
                    if attempt + 1 == downstream.sdk_attempts:
                        failed.append(record)
                        break
                    wait = self.random.random() * min(downstream.backoff_max_s, downstream.backoff_first_s * 2**attempt)
                    yield self.env.timeout(min(wait, max(0.0, deadline - self.env.now)))
                    if self.env.now >= deadline:
                        break
                if self.env.now >= deadline:
                    failed = [*failed, *records[place:]]
                    break
        self.running -= 1
        self.warm += 1
        self.outcome.completed += len(records) - len(failed)
        self.outcome.last_end_s = self.env.now
        return failed

    def give_up(self, records: Sequence[int]) -> None:
        """These go to the dead-letter queue."""
        self.outcome.dead_lettered += len(records)
        self.given_up.extend(records)
        self.given_up_at.extend([self.env.now] * len(records))

    def _conclude(self, times: Floats) -> None:
        """A row a record, where the first of several processings counts; and what was done in each second."""
        outcome, count = self.outcome, len(times)
        records, began_at, stored_at = np.array(self.processed, np.int64), self.began_at, self.stored_at
        outcome.arrived_at = times
        outcome.deliveries = np.bincount(records, minlength=count)
        outcome.began_at, outcome.stored_at = np.full(count, np.nan), np.full(count, np.nan)
        outcome.began_at[records[::-1]] = np.array(began_at)[::-1]
        outcome.stored_at[records[::-1]] = np.array(stored_at)[::-1]
        admitted = np.ones(count, np.bool_)
        admitted[self.refused] = False
        stored = outcome.stored_at[outcome.deliveries > 0]
        gone = np.array(self.given_up_at)
        seconds = int(max(times.max(initial=0.0), stored.max(initial=0.0), gone.max(initial=0.0))) + 1
        offered, accepted, completed, ended = (
            np.bincount(of.astype(np.int64), minlength=seconds) for of in (times, times[admitted], stored, gone)
        )
        backlog = np.cumsum(accepted - completed - ended)
        outcome.series = list(zip(offered.tolist(), completed.tolist(), backlog.tolist(), strict=True))


class Sns:
    """Each message a process of its own."""

    def __init__(self, model: Model, times: list[float]) -> None:
        self.model = model
        model.env.process(self._arrive(times))

    def _arrive(self, times: list[float]) -> Process:
        env = self.model.env
        for record, at in enumerate(times):
            if at > env.now:
                yield env.timeout(at - env.now)
            env.process(self._event(record))

    def _event(self, record: int) -> Process:
        model, quotas = self.model, self.model.quotas
        errors = throttles = 0
        while True:
            while model.running >= quotas.account_concurrency:
                throttles += 1
                wait = min(quotas.async_throttle_max_s, quotas.async_throttle_first_s * 2.0 ** min(throttles - 1, 60))
                yield model.env.timeout(wait * (1 - quotas.async_throttle_jitter * model.random.random()))
            if not (yield from model.handle((record,))):
                return
            errors += 1
            if errors > 2:
                model.give_up((record,))
                return
            yield model.env.timeout(quotas.async_first_retry_s if errors == 1 else quotas.async_second_retry_s)


class _Queue(simpy.Store):
    """A Store whose items lie in a deque: SimPy's own list makes each get as long as what waits behind it."""

    def __init__(self, env: simpy.Environment) -> None:
        super().__init__(env)
        self.items = deque()  # type: ignore[assignment]

    def _do_get(self, event: Any) -> None:
        if self.items:
            event.succeed(self.items.popleft())  # type: ignore[attr-defined]


class Sqs:
    """Pollers, each a process, that take messages out of a Store; and one process that adds to the pollers."""

    def __init__(self, model: Model, times: list[float]) -> None:
        self.model = model
        self.visible = _Queue(model.env)
        self.receives: dict[int, int] = {}
        self.left = len(times)
        self.most = min(model.quotas.sqs_pollers_max, model.quotas.account_concurrency)
        for _ in range(model.quotas.sqs_pollers_start):
            model.env.process(self._poller())
        model.env.process(self._ramp(model.quotas.sqs_pollers_start))
        model.env.process(self._arrive(times))

    def _arrive(self, times: list[float]) -> Process:
        env = self.model.env
        for record, at in enumerate(times):
            if at > env.now:
                yield env.timeout(at - env.now)
            yield self.visible.put(record)

    def _ramp(self, pollers: int) -> Process:
        while pollers < self.most and self.left:
            yield self.model.env.timeout(60 / self.model.quotas.sqs_pollers_per_minute)
            if self.visible.items:
                pollers += 1
                self.model.env.process(self._poller())

    def _poller(self) -> Process:
        env, mapping = self.model.env, self.model.scenario.mapping
        while True:
            batch: list[int] = []
            while not batch or (self.visible.items and len(batch) < mapping.batch_size):
                record = yield self.visible.get()
                received = self.receives.get(record, 0) + 1
                if mapping.max_receive_count is not None and received > mapping.max_receive_count:
                    self.model.give_up((record,))
                    self.left -= 1
                    continue
                self.receives[record] = received
                batch.append(record)
            received_at = env.now
            failed = yield from self.model.handle(batch)
            self.left -= len(batch) - len(failed)
            if failed:
                env.process(self._reappear(failed, received_at + mapping.visibility_timeout_s))

    def _reappear(self, records: list[int], at: float) -> Process:
        yield self.model.env.timeout(max(0.0, at - self.model.env.now))
        for record in records:
            yield self.visible.put(record)


class Kinesis:
    """A lane a shard, each a process."""

    def __init__(self, model: Model, times: list[float]) -> None:
        self.model = model
        shards = model.scenario.mapping.shards or 1
        quotas = model.quotas
        self.records = [
            Bucket(quotas.kinesis_shard_records_per_s, quotas.kinesis_shard_records_per_s) for _ in range(shards)
        ]
        self.bytes = [Bucket(quotas.kinesis_shard_bytes_per_s, quotas.kinesis_shard_bytes_per_s) for _ in range(shards)]
        self.waiting: list[deque[int]] = [deque() for _ in range(shards)]
        self.over = False
        model.env.process(self._arrive(times))
        for shard in range(shards):
            model.env.process(self._lane(shard))

    def _arrive(self, times: list[float]) -> Process:
        env, size = self.model.env, self.model.scenario.payload_bytes
        for record, (at, shard) in enumerate(zip(times, self._shards(len(times)), strict=True)):
            if at > env.now:
                yield env.timeout(at - env.now)
            if self.records[shard].take(env.now) and self.bytes[shard].take(env.now, size):
                self.waiting[shard].append(record)
            else:
                self.model.outcome.rejected += 1
                self.model.refused.append(record)
        self.over = True

    def _shards(self, records: int) -> list[int]:
        """The shard of each record: its partition key lies anywhere in the range of hash keys, always at one place."""
        keys = partition_keys(self.model.scenario, records)
        places = np.random.default_rng(self.model.scenario.seed).random(int(keys.max(initial=0)) + 1)
        shards: list[int] = (places[keys] * len(self.waiting)).astype(np.int64).tolist()
        return shards

    def _lane(self, shard: int) -> Process:
        env, waiting, size = self.model.env, self.waiting[shard], self.model.scenario.mapping.batch_size
        yield env.timeout(self.model.random.random() * self.model.quotas.kinesis_poll_interval_s)
        while waiting or not self.over:
            if not waiting:
                yield env.timeout(self.model.quotas.kinesis_poll_interval_s)
                continue
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            tries = 0
            while batch and tries <= self.model.scenario.mapping.maximum_retry_attempts:
                failed = yield from self.model.handle(batch)
                if failed:
                    self.model.outcome.completed -= sum(record > failed[0] for record in batch) - len(failed) + 1
                    batch = batch[batch.index(failed[0]) :]
                    tries += 1
                    yield env.timeout(1.0)
                else:
                    batch = []
            self.model.give_up(batch)
