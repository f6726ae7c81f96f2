"""A stream, a polled mapping with a lane a shard and its function, played from end to end by compiled code."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from delivery import backoff, downstream_loop
from delivery.backlog import Run
from delivery.backoff import JITTER
from delivery.kinesis_stream_mapping import event_record_bytes
from delivery.protocol import End
from delivery.quotas import Quotas
from simulator.compiled import agenda, environments, function, kinesis_loop, state
from simulator.compiled.kept import forget_if_older
from simulator.compiled.play import Floats, Numbers, Play, Taken
from simulator.compiled.state import NOBODY, PIECE, SHARD, STREAM, Calls, ShardRows, Work
from simulator.handler import Calling, Steady
from simulator.scenario import Scenario

# A batch of 10,000 that is halved again and again lies in 14 parts.
_MOST_PARTS = 32
# Of all batches together, which are kept in a table.
_MOST_RECORDS = 1 << 24
# Before a record is too old by the clock it is not: at that moment rounding would decide.
_SURE_S = 1e-3
forget_if_older(kinesis_loop.play, (agenda, backoff, downstream_loop, environments, function, state))


class ShardRecords:
    """The records that each of so many shards has taken: a reader of a stream (`KinesisStream.attach`)."""

    def __init__(self, shards: int) -> None:
        self._ids: list[Numbers] = [np.zeros(0, np.int64)] * shards
        self._arrived_at: list[Floats] = [np.zeros(0)] * shards

    def append(self, shard: int, run: Run) -> None:
        """Records that this shard took, all that it ever takes."""
        self._ids[shard] = np.array(run.ids, np.int64)
        self._arrived_at[shard] = np.broadcast_to(np.asarray(run.times, np.float64), len(run))

    def split(self, shard: int, children: Sequence[int]) -> None:
        """No shard is split of a stream whose shards are given."""
        raise NotImplementedError

    def misplace(self, counts: Mapping[int, int]) -> None:
        """No record of a simulation is an aggregate."""

    def taken(self) -> Taken:
        """All of them, shard by shard."""
        return Taken(np.concatenate(self._ids), np.concatenate(self._arrived_at), [len(ids) for ids in self._ids])


class CompiledKinesis(Play):
    """A stream of so many shards, polled, with one lane a shard."""

    ends = (End.RETRIES_EXHAUSTED,)
    has_pollers = False
    draws_for = "shards"
    loop = kinesis_loop.play

    def __init__(self, scenario: Scenario, taken: Taken, handler: Steady | Calling) -> None:
        mapping, shards = scenario.mapping, len(taken.counts)
        quotas = Quotas.with_overrides(scenario.quotas)
        super().__init__(scenario, taken, handler, STREAM, shards, mapping.batch_size)
        self._on_failure = mapping.on_failure
        rows = np.zeros(shards, SHARD)
        rows["stop"] = np.cumsum(taken.counts)
        rows["unread"] = rows["waiting"] = rows["stop"] - taken.counts
        interval_s = quotas.kinesis_poll_interval_s
        if interval_s > 0:
            interval_s = max(interval_s, 1 / quotas.kinesis_shard_reads_per_s)
        rows["phase"] = [self._random.random() * interval_s for _ in range(shards)]
        self._rows = ShardRows(
            arrived_at=taken.arrived_at,
            shards=rows,
            next=np.zeros(shards, PIECE),
            again=np.zeros((shards, _MOST_PARTS), PIECE),
            reads=agenda.agenda(shards),
            turns=agenda.agenda(shards),
            due=np.zeros(shards, np.int64),
            ready=np.zeros(shards, np.int64),
        )
        least_limit_s = min(quotas.kinesis_retention_s, mapping.maximum_record_age_s or math.inf)
        record_bytes = event_record_bytes(scenario.payload_bytes, quotas)
        self._set(
            throttle_first_s=quotas.kinesis_throttle_first_s,
            throttle_max_s=quotas.kinesis_throttle_max_s,
            throttle_jitter=JITTER,
            retry_first_s=quotas.kinesis_retry_first_s,
            retry_max_s=quotas.kinesis_retry_max_s,
            most_retries=math.inf if mapping.maximum_retry_attempts < 0 else mapping.maximum_retry_attempts,
            bisect=mapping.bisect,
            window_s=mapping.batching_window_s,
            poll_interval_s=interval_s,
            read_records=min(quotas.kinesis_read_records, quotas.kinesis_read_bytes // max(1, scenario.payload_bytes)),
            record_bytes=scenario.payload_bytes,
            read_bytes_per_s=quotas.kinesis_shard_read_bytes_per_s,
            read_spacing_s=1 / quotas.kinesis_shard_reads_per_s,
            event_record_bytes=record_bytes,
            event_bytes=quotas.event_bytes,
            fitting=quotas.event_bytes // record_bytes,
            too_old_at=float(taken.arrived_at.min()) + least_limit_s - _SURE_S,
            first_throttled=NOBODY,
            last_throttled=NOBODY,
        )
        kinesis_loop.look_at_all(self._states, self._rows)

    @staticmethod
    def knows(scenario: Scenario) -> bool:
        """Whether it can play a scenario."""
        mapping = scenario.mapping
        quotas = Quotas.with_overrides(scenario.quotas)
        return (
            scenario.buffer == "kinesis"
            and mapping.shards is not None
            and mapping.parallelization_factor == 1
            and mapping.shards * mapping.batch_size <= _MOST_RECORDS
            and event_record_bytes(scenario.payload_bytes, quotas) <= quotas.event_bytes
            and scenario.payload_bytes <= quotas.kinesis_read_bytes
        )

    def _play(self, work: Work, calls: Calls) -> int:
        return int(kinesis_loop.play(self._states, self._rows, work, calls))
