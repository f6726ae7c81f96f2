"""A stream's open shards: which keys lead to which, and how fast they take records."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_kinesis import KinesisClient

# docs: service-sizes-and-limits, a shard's write limits; not to be raised.
SHARD_RECORDS_PER_S = 1_000
SHARD_BYTES_PER_S = 1_048_576

# A shard with less than a hundredth of the hash keys is not worth looking for.
_DRAWS = 500


def hash_key(partition_key: str) -> int:
    """Where Kinesis puts a key: the MD5 of its UTF-8, as a 128-bit number, the first byte the highest."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


@dataclass(frozen=True, slots=True)
class Shards:
    """The open shards, by their ranges of hash keys, both ends inclusive."""

    ranges: "Sequence[tuple[int, int]]"

    @classmethod
    def of_stream(cls, client: "KinesisClient", stream_name: str) -> "Shards":
        """Ask the stream. A shard with an ending sequence number was split or merged and takes nothing more."""
        ranges = [
            (int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]))
            for page in client.get_paginator("list_shards").paginate(StreamName=stream_name)
            for shard in page["Shards"]
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        return cls(ranges)

    def shard_of(self, partition_key: str) -> int | None:
        """The shard that a key leads to; None if no range holds it."""
        position = hash_key(partition_key)
        return next((shard for shard, (low, high) in enumerate(self.ranges) if low <= position <= high), None)

    def key_for(self, shard: int, new_key: "Callable[[], str]") -> str:
        """A key that leads to the shard, drawn from `new_key`; after 500 draws in vain, any."""
        low, high = self.ranges[shard]
        for _ in range(_DRAWS):
            key = new_key()
            if low <= hash_key(key) <= high:
                return key
        return new_key()
