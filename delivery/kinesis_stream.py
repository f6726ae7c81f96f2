"""A Kinesis stream: which shard a record belongs to, and whether the shard takes it."""

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from delivery.backlog import Run
from delivery.kinesis_gate import ShardGate
from delivery.kinesis_key_table import KeyTable
from delivery.kinesis_read_limit import ReadLimit
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas

HASH_KEYS: Final = 1 << 128

_NONE_REFUSED: Final[Mapping[int, Refusal]] = MappingProxyType({})

_HALF_BITS: Final = 64
_HALF_MASK: Final = (1 << _HALF_BITS) - 1
# From so many records on, arrays are quicker than a loop.
_MANY: Final = 64
# From so many keys on, to make a table of where they lie is quicker than to search for each.
_TABLE_PAYS: Final = 1 << 17


def hash_key_of(partition_key: str) -> int:
    """Where a partition key lies: its MD5 as a number, big-endian, in 0 to 2**128 - 1 (Kinesis API, PutRecord)."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def order_key_of(hash_key: int) -> int:
    """What a record keeps its order by: its hash key in 64 bits. A key of 64 bits stays what it is.

    So it is `Offer.key_bits`, where the lower half of the hash key is 0.
    """
    return (hash_key >> _HALF_BITS) ^ (hash_key & _HALF_MASK)


class StreamReader(Protocol):
    """Whoever is told of the records a stream has taken: an event source mapping."""

    def append(self, shard: int, run: Run) -> None:
        """Records that this shard took, in their order; their keys are hash keys, or `order_key_of` those."""

    def split(self, shard: int, children: Sequence[int]) -> None:
        """This shard takes no more; what would have gone to it goes to new ones, and is to be read after it."""

    def misplace(self, counts: Mapping[int, int]) -> None:
        """How many user records of these records lie outside the hash keys of their shard."""


@dataclass(frozen=True, slots=True)
class _Shard:
    """A range of hash keys, `first` and `last` among them, and the limits on what is written and read there."""

    first: int
    last: int
    gate: ShardGate
    reads: ReadLimit


class KinesisStream:
    """Admits records to shards, and hands what it admits to its readers.

    Args:
        shards: how many to start with; their hash-key ranges split 0 to 2**128 - 1 evenly.
        quotas: the shard's write limits, the record size, the consumers with enhanced fan-out.

    Raises:
        ValueError: no shards.
    """

    def __init__(self, shards: int, quotas: Quotas) -> None:
        if shards < 1:
            raise ValueError(f"a stream of {shards} shards; it needs at least 1")
        self._quotas = quotas
        self._record_bytes = quotas.kinesis_record_bytes
        firsts = [shard * HASH_KEYS // shards for shard in range(shards)]
        self._shards = [
            _Shard(first, following - 1, ShardGate(quotas), ReadLimit(quotas))
            for first, following in zip(firsts, [*firsts[1:], HASH_KEYS], strict=True)
        ]
        self._consumers = 0
        self._pollers = 0
        self._readers: list[StreamReader] = []
        self._key_table: KeyTable | None = None
        self._open_shards(range(shards))

    @property
    def shards(self) -> int:
        """How many shards there are or were, numbered from 0 in the order they were opened."""
        return len(self._shards)

    @property
    def open_shards(self) -> Sequence[int]:
        """Those that take records, in the order of their hash keys."""
        return tuple(self._open)

    def shard_of(self, hash_key: int) -> int:
        """The open shard whose range holds the hash key."""
        return self._open[bisect_right(self._firsts, hash_key) - 1]

    def hash_key_range(self, shard: int) -> tuple[int, int]:
        """A shard's first and last hash key."""
        return self._shards[shard].first, self._shards[shard].last

    def attach(self, reader: StreamReader) -> None:
        """Let a reader have every record taken from now on."""
        self._readers.append(reader)

    def register_consumer(self) -> None:
        """Make room for a reader of its own pipe: a consumer with enhanced fan-out (RegisterStreamConsumer).

        Raises:
            ValueError: there are as many as a stream may have.
        """
        most = self._quotas.kinesis_consumers
        if self._consumers >= most:
            raise ValueError(
                f"a stream has {most} consumers with enhanced fan-out at most (LimitExceededException); "
                "read it by polling, or raise the quota kinesis_consumers"
            )
        self._consumers += 1

    @property
    def pollers(self) -> int:
        """How many readers share the shards' read limits."""
        return self._pollers

    def register_poller(self) -> int:
        """Count in a reader that shares the shards' read limits with others; its number, from 0."""
        self._pollers += 1
        return self._pollers - 1

    def read_limit(self, shard: int) -> ReadLimit:
        """A shard's read limits."""
        return self._shards[shard].reads

    def split(self, shard: int) -> tuple[int, int]:
        """Close a shard and open two for the halves of its range (SplitShard); the numbers of those.

        Raises:
            ValueError: it is closed already, or a single hash key is all it has.
        """
        parent = self._shards[shard]
        if shard not in self._open:
            raise ValueError(f"shard {shard} is closed; split one of {list(self._open)}")
        if parent.first == parent.last:
            raise ValueError(f"shard {shard} holds the single hash key {parent.first}, which cannot be split")
        middle = (parent.first + parent.last + 1) // 2
        left, right = len(self._shards), len(self._shards) + 1
        self._shards.append(_Shard(parent.first, middle - 1, ShardGate(self._quotas), ReadLimit(self._quotas)))
        self._shards.append(_Shard(middle, parent.last, ShardGate(self._quotas), ReadLimit(self._quotas)))
        at = self._open.index(shard)
        self._open_shards([*self._open[:at], left, right, *self._open[at + 1 :]])
        for reader in self._readers:
            reader.split(shard, (left, right))
        return left, right

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take records in, each on its own as PutRecords does; `sizes` count the data and the partition key.

        Answers with those refused: TOO_LARGE, or THROUGHPUT_EXCEEDED where the shard's records or bytes per second
        are used up.

        Raises:
            ValueError: there are no hash keys, or one lies outside 0 to 2**128 - 1.
        """
        if offer.hash_keys is None and offer.key_bits is None:
            raise ValueError("an offer to a stream needs hash_keys, or their upper halves as key_bits")
        if len(offer.ids) == 1 and offer.times is None and offer.user_keys is None and offer.groups is None:
            hash_keys, size = offer.hash_keys, offer.sizes
            if hash_keys is not None and len(hash_keys) == 1 and isinstance(size, int):
                return self._take_one(now, offer.ids, size, hash_keys)
        run = Run.of(now, offer)
        refused: dict[int, Refusal] = {}
        few = len(run) < _MANY
        taken = self._take_few(run, offer, refused) if few else self._take_many(run, offer, refused)
        for shard, part in taken:
            for reader in self._readers:
                reader.append(shard, part)
        if offer.user_keys is not None:
            self._tell_misplaced(dict(zip(offer.ids, offer.user_keys, strict=True)), taken)
        return refused

    def _take_one(self, now: float, ids: Sequence[int], size: int, hash_keys: Sequence[int]) -> Mapping[int, Refusal]:
        """A record on its own, which is what an embedded service is offered all day."""
        hash_key = hash_keys[0]
        if not 0 <= hash_key < HASH_KEYS:
            raise ValueError(f"hash key {hash_key} lies outside 0 to 2**128 - 1")
        shard = self._open[bisect_right(self._firsts, hash_key) - 1]
        if size > self._record_bytes:
            return {ids[0]: Refusal.TOO_LARGE}
        if not self._shards[shard].gate.admits(now, size):
            return {ids[0]: Refusal.THROUGHPUT_EXCEEDED}
        run = Run(ids, size, now, hash_keys)
        for reader in self._readers:
            reader.append(shard, run)
        return _NONE_REFUSED

    def _take_few(self, run: Run, offer: Offer, refused: dict[int, Refusal]) -> list[tuple[int, Run]]:
        hash_keys = run.keys
        if hash_keys is None:
            assert offer.key_bits is not None
            hash_keys = [bits << _HALF_BITS for bits in offer.key_bits.tolist()]
            run = Run(run.ids, run.sizes, run.times, hash_keys)
        taken: dict[int, list[int]] = {}
        for index, hash_key in enumerate(hash_keys):
            if not 0 <= hash_key < HASH_KEYS:
                raise ValueError(f"hash key {hash_key} lies outside 0 to 2**128 - 1")
            shard = self.shard_of(hash_key)
            size = run.size(index)
            if size > self._record_bytes:
                refused[run.ids[index]] = Refusal.TOO_LARGE
            elif self._shards[shard].gate.admits(run.time(index), size):
                taken.setdefault(shard, []).append(index)
            else:
                refused[run.ids[index]] = Refusal.THROUGHPUT_EXCEEDED
        return [(shard, run.pick(picked)) for shard, picked in sorted(taken.items())]

    def _take_many(self, run: Run, offer: Offer, refused: dict[int, Refusal]) -> list[tuple[int, Run]]:
        """The same in bulk: records sorted by shard, and each shard's judged together."""
        shards, keys = self._placed(offer)
        # Sorting small numbers is by their digits, and several times as quick.
        order = np.argsort(shards.astype(np.min_scalar_type(len(self._shards))), kind="stable")
        sizes = run.sizes if isinstance(run.sizes, int) else np.asarray(run.sizes, np.int64)
        if np.max(sizes) > self._record_bytes:
            fitting = np.broadcast_to(sizes, len(run))[order] <= self._record_bytes
            refused.update(dict.fromkeys(_array(run.ids)[order[~fitting]].tolist(), Refusal.TOO_LARGE))
            order = order[fitting]
        counts = np.bincount(shards[order] if len(order) < len(run) else shards, minlength=len(self._shards))
        keys = keys[order]
        ids = order + run.ids.start if isinstance(run.ids, range) and run.ids.step == 1 else _array(run.ids)[order]
        times = run.times if isinstance(run.times, float | int) else np.asarray(run.times, np.float64)[order]
        sizes = sizes if isinstance(sizes, int) else sizes[order]
        taken = []
        for shard, (start, stop) in enumerate(pairwise([0, *np.cumsum(counts).tolist()])):
            if start == stop:
                continue
            own: slice | npt.NDArray[np.int64] = slice(start, stop)
            gate = self._shards[shard].gate
            if isinstance(times, float | int) and isinstance(sizes, int):
                own = slice(start, start + gate.admits_alike(times, sizes, stop - start))
                over = ids[own.stop : stop]
            else:
                admitted = gate.admits_each(
                    np.broadcast_to(times, len(order))[own], sizes if isinstance(sizes, int) else sizes[own]
                )
                over = ids[own][~admitted]
                if len(over):
                    own = start + np.flatnonzero(admitted)
            if len(over):
                refused.update(dict.fromkeys(over.tolist(), Refusal.THROUGHPUT_EXCEEDED))
            if len(ids[own]):
                # Columns of plain numbers: no objects to be made for those that nobody looks at one by one.
                part = Run(
                    array("q", ids[own].tobytes()),
                    sizes if isinstance(sizes, int) else array("q", sizes[own].tobytes()),
                    times if isinstance(times, float | int) else array("d", times[own].tobytes()),
                    array("Q", keys[own].tobytes()),
                )
                taken.append((shard, part))
        return taken

    def _placed(self, offer: Offer) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """Each record's shard, and its order key."""
        if offer.hash_keys is None:
            assert offer.key_bits is not None
            keys = offer.key_bits
            if len(keys) < _TABLE_PAYS:
                return self._open_array[np.searchsorted(self._edges, keys, side="right") - 1], keys
            if self._key_table is None:
                self._key_table = KeyTable(self._edges)
            return self._open_array[self._key_table.upto(keys) - 1], keys
        if min(offer.hash_keys) < 0 or max(offer.hash_keys) >= HASH_KEYS:
            raise ValueError(
                f"hash keys from {min(offer.hash_keys)} to {max(offer.hash_keys)}: outside 0 to 2**128 - 1"
            )
        shards = np.fromiter(map(self.shard_of, offer.hash_keys), np.int64, len(offer.ids))
        return shards, np.fromiter(map(order_key_of, offer.hash_keys), np.uint64, len(offer.ids))

    def _open_shards(self, shards: Sequence[int]) -> None:
        """Let these shards take records, whose ranges follow each other."""
        self._open = list(shards)
        self._firsts = [self._shards[shard].first for shard in shards]
        # The first upper half that lies in a shard, its lower half being 0: the next one, if the range starts between
        # two. A shard at the very end may have none.
        edges = [edge for first in self._firsts if (edge := -(-first >> _HALF_BITS)) <= _HALF_MASK]
        self._edges = np.array(edges, np.uint64)
        self._key_table = None
        self._open_array = np.array(self._open[: len(edges)], np.int64)

    def _tell_misplaced(self, user_keys: Mapping[int, Sequence[int]], taken: Sequence[tuple[int, Run]]) -> None:
        counts: dict[int, int] = {}
        for shard, part in taken:
            first, last = self.hash_key_range(shard)
            for record in part.ids:
                if outside := sum(not first <= key <= last for key in user_keys[record]):
                    counts[record] = outside
        if counts:
            for reader in self._readers:
                reader.misplace(counts)


def _array(ids: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.arange(ids.start, ids.stop, ids.step) if isinstance(ids, range) else np.asarray(ids, np.int64)
