"""A Kinesis stream: which shard a record belongs to, and whether the shard takes it."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from delivery.backlog import Run
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket

HASH_KEYS = 1 << 128


def hash_key_of(partition_key: str) -> int:
    """Where a partition key lies: its MD5 as a number, big-endian, in 0 to 2**128 - 1 (Kinesis API, PutRecord)."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


class StreamReader(Protocol):
    """Whoever is told of the records a stream has taken: an event source mapping."""

    def append(self, shard: int, run: Run) -> None:
        """Records that this shard took, in their order, with their hash keys."""


class KinesisStream:
    """Admits records to shards, and hands what it admits to its readers.

    Args:
        shards: how many; their hash-key ranges split 0 to 2**128 - 1 evenly.
        quotas: the shard's write limits and the record size.
    """

    def __init__(self, shards: int, quotas: Quotas) -> None:
        if shards < 1:
            raise ValueError(f"a stream of {shards} shards; it needs at least 1")
        self._record_bytes = quotas.kinesis_record_bytes
        self._firsts = [shard * HASH_KEYS // shards for shard in range(shards)]
        self._gates = [_Gate(quotas) for _ in range(shards)]
        self._most_consumers = quotas.kinesis_consumers
        self._consumers = 0
        self._readers: list[StreamReader] = []

    @property
    def shards(self) -> int:
        """How many shards there are, numbered from 0."""
        return len(self._gates)

    def shard_of(self, hash_key: int) -> int:
        """The shard whose range holds the hash key."""
        shard = hash_key * len(self._firsts) // HASH_KEYS
        # An uneven split rounds a range's first key down: the one before it then computes to the next shard's number.
        return shard + (shard + 1 < len(self._firsts) and self._firsts[shard + 1] <= hash_key)

    def hash_key_range(self, shard: int) -> tuple[int, int]:
        """A shard's first and last hash key."""
        last = self._firsts[shard + 1] if shard + 1 < len(self._firsts) else HASH_KEYS
        return self._firsts[shard], last - 1

    def attach(self, reader: StreamReader) -> None:
        """Let a reader have every record taken from now on."""
        self._readers.append(reader)

    def register_consumer(self) -> None:
        """Make room for a reader of its own pipe: a consumer with enhanced fan-out (RegisterStreamConsumer).

        Raises:
            ValueError: there are as many as a stream may have.
        """
        if self._consumers >= self._most_consumers:
            raise ValueError(
                f"a stream has {self._most_consumers} consumers with enhanced fan-out at most "
                "(LimitExceededException); read it by polling, or raise the quota kinesis_consumers"
            )
        self._consumers += 1

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take records in, each on its own as PutRecords does; `sizes` count the data and the partition key.

        Answers with those refused: TOO_LARGE, or THROUGHPUT_EXCEEDED where the shard's records or bytes per second
        are used up.

        Raises:
            ValueError: there are no hash keys, or one lies outside 0 to 2**128 - 1.
        """
        if offer.hash_keys is None:
            raise ValueError("an offer to a stream needs hash_keys")
        run = Run.of(now, offer)
        refused: dict[int, Refusal] = {}
        taken: dict[int, list[int]] = {}
        for index, hash_key in enumerate(offer.hash_keys):
            if not 0 <= hash_key < HASH_KEYS:
                raise ValueError(f"hash key {hash_key} lies outside 0 to 2**128 - 1")
            shard = self.shard_of(hash_key)
            size = run.size(index)
            if size > self._record_bytes:
                refused[run.ids[index]] = Refusal.TOO_LARGE
            elif self._gates[shard].admits(run.time(index), size):
                taken.setdefault(shard, []).append(index)
            else:
                refused[run.ids[index]] = Refusal.THROUGHPUT_EXCEEDED
        for shard in sorted(taken):
            part = run.pick(taken[shard])
            for reader in self._readers:
                reader.append(shard, part)
        return refused


class _Gate:
    """One shard's write limits: records and bytes a second, whichever is used up first."""

    def __init__(self, quotas: Quotas) -> None:
        saved_s = quotas.kinesis_shard_burst_s
        self._records = TokenBucket(
            quotas.kinesis_shard_records_per_s, max(1.0, quotas.kinesis_shard_records_per_s * saved_s)
        )
        self._bytes = TokenBucket(
            quotas.kinesis_shard_bytes_per_s,
            max(float(quotas.kinesis_record_bytes), quotas.kinesis_shard_bytes_per_s * saved_s),
        )

    def admits(self, at: float, size: int) -> bool:
        # A record that is refused must cost neither limit anything.
        return self._bytes.holds(at, size) and self._records.take(at, 1) and self._bytes.take(at, size)
