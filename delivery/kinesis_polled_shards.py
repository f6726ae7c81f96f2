"""Shards read by GetRecords, as a mapping without enhanced fan-out reads them."""

import math
from collections.abc import Iterable
from random import Random
from typing import Final

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run
from delivery.kinesis_stream import KinesisStream
from delivery.quotas import Quotas

# Steps of the golden ratio fall evenly into any interval, however many there are.
GOLDEN: Final = 0.6180339887498949


class PolledShards:
    """Looks at each shard once a second, at a phase of its own, and reads on at once where there is more.

    Several that poll one stream share its read limits. Looks that find nothing are no events here: as long as five or
    fewer share a shard they are within its limits, and more than five look less often than once a second.

    Args:
        stream: whose shards they are.
        random: draws each shard's phase.
        quotas: poll interval (Lambda guide, with-kinesis) and read limits (Kinesis API, GetRecords).
    """

    def __init__(self, stream: KinesisStream, random: Random, quotas: Quotas) -> None:
        self._stream = stream
        self._number = stream.register_poller()
        shards = stream.shards
        self._quotas = quotas
        self._phases = [random.random() for _ in range(shards)]
        self._held: set[int] = set()
        self._unread = [Backlog() for _ in range(shards)]
        self._readable_at = [0.0] * shards
        self._reads = Agenda()

    def append(self, shard: int, run: Run) -> None:
        """Learn of records the shard has taken."""
        first = not len(self._unread[shard])
        self._unread[shard].append(run)
        if first and shard not in self._held:
            self._read_at_next_tick(shard)

    def due(self, now: float) -> Iterable[tuple[int, Run]]:
        """What is read now."""
        for shard in self._reads.due(now):
            if (run := self._read(now, shard)) is not None:
                yield shard, run

    def invocation_ended(self, now: float, shard: int) -> None:
        """Read on at once if there is something, without waiting for the next tick."""
        if self._unread[shard].head_at <= now:
            self._reads.set(shard, max(now, self._readable_at[shard]))

    def open(self, shard: int) -> None:
        """A new shard, not read before it is released. Its phase follows from its number."""
        self._phases.append((self._phases[0] + shard * GOLDEN) % 1.0)
        self._unread.append(Backlog())
        self._readable_at.append(0.0)
        self._held.add(shard)

    def release(self, shard: int) -> None:
        """Read the shard from its next tick on."""
        self._held.remove(shard)
        if len(self._unread[shard]):
            self._read_at_next_tick(shard)

    def drained(self, shard: int) -> bool:
        """Whether it was released, and all that it has taken was read."""
        return shard not in self._held and not len(self._unread[shard])

    def next_at(self) -> float:
        """When a shard is read next."""
        return self._reads.next_at()

    def _read(self, now: float, shard: int) -> Run | None:
        """One GetRecords: how much it brings decides when the next may come."""
        limit = self._stream.read_limit(shard) if self._stream.pollers > 1 else None
        if limit is not None and (again_at := limit.call(now, self._number)) > now:
            self._reads.set(shard, again_at)
            return None
        run = self._unread[shard].take(now, self._quotas.kinesis_read_records, self._quotas.kinesis_read_bytes)
        if run is not None:
            size = run.bytes()
            busy_s = size / self._quotas.kinesis_shard_read_bytes_per_s
            self._readable_at[shard] = now + max(busy_s, 1 / self._quotas.kinesis_shard_reads_per_s)
            if limit is not None:
                limit.charge(now, size)
        if self._unread[shard].head_at <= now:
            self._reads.set(shard, self._readable_at[shard])
        elif len(self._unread[shard]):
            self._read_at_next_tick(shard)
        return run

    def _read_at_next_tick(self, shard: int) -> None:
        """An idle shard keeps its phase: it is read at the first tick after something has arrived."""
        at = self._unread[shard].head_at
        interval = self._quotas.kinesis_poll_interval_s
        if interval > 0:
            interval = max(interval, self._stream.pollers / self._quotas.kinesis_shard_reads_per_s)
            phase = self._phases[shard] * interval
            at = max(at, phase + math.ceil((at - phase) / interval) * interval)
        self._reads.set(shard, max(at, self._readable_at[shard]))
