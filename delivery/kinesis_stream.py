"""A Kinesis stream: which shard a record belongs to, and whether the shard takes it."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas

HASH_KEYS = 1 << 128


def hash_key_of(partition_key: str) -> int:
    """Where a partition key lies: its MD5 as a number, big-endian, in 0 to 2**128 - 1 (Kinesis API, PutRecord)."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


class StreamReader(Protocol):
    """Whoever is told of the records a stream has taken: an event source mapping."""

    def append(self, shard: int, records: Offer) -> None:
        """Records that this shard took, in their order; `times` and `hash_keys` are set."""


class KinesisStream:
    """Admits records to shards, and hands what it admits to its readers.

    Args:
        shards: how many; their hash-key ranges split 0 to 2**128 - 1 evenly.
        quotas: the shard's write limits and the record size.
    """

    def __init__(self, shards: int, quotas: Quotas) -> None:
        raise NotImplementedError

    @property
    def shards(self) -> int:
        """How many shards there are, numbered from 0."""
        raise NotImplementedError

    def shard_of(self, hash_key: int) -> int:
        """The shard whose range holds the hash key."""
        raise NotImplementedError

    def hash_key_range(self, shard: int) -> tuple[int, int]:
        """A shard's first and last hash key."""
        raise NotImplementedError

    def attach(self, reader: StreamReader) -> None:
        """Let a reader have every record taken from now on."""
        raise NotImplementedError

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take records in, each on its own as PutRecords does; `sizes` count the data and the partition key.

        Answers with those refused: TOO_LARGE, or THROUGHPUT_EXCEEDED where the shard's records or bytes per second
        are used up.
        """
        raise NotImplementedError
