"""The stream: what a Kinesis data stream holds, and how it is read. The machine decides what it takes in.

Times are seconds since the epoch, by a clock that never goes back; the machine is given the same ones.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from delivery.kinesis_read_limit import ReadLimit
from delivery.kinesis_stream import KinesisStream, hash_key_of
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from local.aggregate import user_key_of, user_records_of
from local.stream_consumers import StreamConsumers

# Readers over the wire are not told apart, and so do not take turns.
_ANYBODY = 0


class InvalidSequenceNumberError(ValueError):
    """A sequence number this stream did not give out, or gave to a record of another shard."""


# None of these is frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class Entry:
    """A record to be put. The hash key is the partition key's MD5 unless it is given."""

    data: bytes
    partition_key: str
    explicit_hash_key: int | None = None

    @property
    def size(self) -> int:
        """Bytes as Kinesis counts them: the data, before base64, and the partition key."""
        return len(self.data) + len(self.partition_key.encode())

    @property
    def hash_key(self) -> int:
        """What decides the shard."""
        return hash_key_of(self.partition_key) if self.explicit_hash_key is None else self.explicit_hash_key


@dataclass(slots=True)
class Put:
    """An entry that was taken in, and where."""

    id: int
    shard: int
    sequence_number: str


@dataclass(slots=True)
class StreamRecord:
    """A record in the stream. `arrived_at` is in seconds since the epoch."""

    id: int
    data: bytes
    partition_key: str
    explicit_hash_key: int | None
    sequence_number: str
    shard: int
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Page:
    """What one read of a shard gave. Read on at `position`; `behind` is the seconds to the shard's tip, 0 if there."""

    records: Sequence[StreamRecord]
    position: int
    behind: float


def shard_id(shard: int) -> str:
    """A shard's name on the wire."""
    return f"shardId-{shard:012d}"


class Stream:
    """A data stream of a fixed number of shards. A position in a shard is the id of the next record wanted there.

    `mapped_consumers` are the ARNs of those consumers by which an event source mapping reads it.
    """

    def __init__(
        self,
        name: str,
        arn: str,
        machine: KinesisStream,
        clock: Callable[[], float],
        quotas: Quotas,
    ) -> None:
        self.name = name
        self.arn = arn
        self.machine = machine
        self.quotas = quotas
        self.created_at = clock()
        self.consumers = StreamConsumers(arn, clock)
        self.mapped_consumers: set[str] = set()
        self._clock = clock
        self._next_id = 0
        self._logs = [_ShardLog(quotas) for _ in range(machine.shards)]
        self._records: dict[int, StreamRecord] = {}
        self._subscribers: list[Callable[[Offer], None]] = []
        # 56 digits, as AWS's have: 49, the stream's birth in ms, the record's number from 1, the shard.
        self._number_prefix = f"49{int(self.created_at * 1000):013d}"

    def subscribe(self, callback: Callable[[Offer], None]) -> None:
        """Have `callback` told of what is taken in from now on: time to poll the mappings attached to the machine."""
        self._subscribers.append(callback)

    def put(self, entries: Sequence[Entry]) -> list[Put | Refusal]:
        """Offer records to the stream: an answer for each, in their order."""
        if len(entries) == 1:
            return [self._put_one(entries[0])]
        now = self._clock()
        ids = range(self._next_id, self._next_id + len(entries))
        self._next_id = ids.stop
        sizes = [entry.size for entry in entries]
        hash_keys = [entry.hash_key for entry in entries]
        offer = Offer(ids, sizes, hash_keys, user_keys=self._user_keys(entries))
        refused = self.machine.offer(now, offer)
        answers: list[Put | Refusal] = []
        shards: set[int] = set()
        for id_, entry, key in zip(ids, entries, hash_keys, strict=True):
            if (refusal := refused.get(id_)) is not None:
                answers.append(refusal)
                continue
            put = self._append(now, id_, entry, key)
            answers.append(put)
            shards.add(put.shard)
        for shard in shards:
            self._trim(shard, now)
        if shards:
            self._tell(offer if not refused else _without(refused, ids, sizes, hash_keys))
        return answers

    def _put_one(self, entry: Entry) -> Put | Refusal:
        """The same for a record on its own, which is what a proxy puts."""
        now = self._clock()
        id_ = self._next_id
        self._next_id += 1
        key = entry.hash_key
        # The cheapest for all that follow is a size that is a number.
        user_keys = self._user_keys([entry]) if self.mapped_consumers else None
        offer = Offer(range(id_, id_ + 1), entry.size, [key], user_keys=user_keys)
        refused = self.machine.offer(now, offer)
        if refused:
            return refused[id_]
        put = self._append(now, id_, entry, key)
        self._trim(put.shard, now)
        self._tell(offer)
        return put

    def shard_of(self, entry: Entry) -> int:
        """The shard an entry belongs to."""
        return self.machine.shard_of(entry.hash_key)

    def record(self, id_: int) -> StreamRecord:
        """The record of an id.

        Raises:
            KeyError: there is none, or its retention is over.
        """
        return self._records[id_]

    def sequence_number(self, id_: int, shard: int) -> str:
        """The sequence number of a record; of id -1, where the shard's numbers start."""
        return f"{self._number_prefix}{id_ + 1:029d}{shard:012d}"

    def position_of(self, shard: int, sequence_number: str) -> int:
        """The position of the record with this sequence number.

        Raises:
            InvalidSequenceNumberError: this shard gave out no such number.
        """
        digits = sequence_number.removeprefix(self._number_prefix)
        if len(sequence_number) != 56 or len(digits) != 41 or not (digits.isascii() and digits.isdigit()):
            raise InvalidSequenceNumberError(sequence_number)
        if int(digits[29:]) != shard or int(digits[:29]) > self._next_id:
            raise InvalidSequenceNumberError(sequence_number)
        return max(0, int(digits[:29]) - 1)

    def oldest(self) -> int:
        """The position before every record (TRIM_HORIZON)."""
        return 0

    def latest(self) -> int:
        """The position after every record so far (LATEST)."""
        return self._next_id

    def position_at(self, shard: int, time: float) -> int:
        """The position of the first record that came at `time` or later (AT_TIMESTAMP)."""
        return self._logs[shard].position_at(time, self._next_id)

    def read(self, shard: int, position: int, limit: int | None = None) -> Page | None:
        """Read records from a position on: 10,000 and 10 MiB at most. None if the shard's read limits refuse the call.

        The limits are 5 calls and 2 MiB a second, for all readers of the shard together.
        """
        now = self._clock()
        self._trim(shard, now)
        log = self._logs[shard]
        if log.reads.call(now, _ANYBODY) > now:
            return None
        records, size = log.read(position, limit)
        log.reads.charge(now, size)
        if not records:
            return Page((), max(position, self._next_id), 0.0)
        last = records[-1]
        at_tip = last is log.last()
        return Page(records, last.id + 1, 0.0 if at_tip else max(0.0, now - last.arrived_at))

    def _user_keys(self, entries: Sequence[Entry]) -> list[list[int]] | None:
        """The hash keys of what the entries are aggregates of; None where no mapping would take them apart."""
        if not self.mapped_consumers:
            return None
        keys = [[user_key_of(record) for record in user_records_of(entry.data)] for entry in entries]
        return keys if any(keys) else None

    def _append(self, now: float, id_: int, entry: Entry, key: int) -> Put:
        shard = self.machine.shard_of(key)
        number = self.sequence_number(id_, shard)
        record = StreamRecord(id_, entry.data, entry.partition_key, entry.explicit_hash_key, number, shard, now)
        self._records[id_] = record
        self._logs[shard].append(record)
        return Put(id_, shard, number)

    def _tell(self, offer: Offer) -> None:
        for callback in self._subscribers:
            callback(offer)

    def _trim(self, shard: int, now: float) -> None:
        for record in self._logs[shard].trim(now - self.quotas.kinesis_retention_s):
            del self._records[record.id]


def _without(refused: Collection[int], ids: range, sizes: Sequence[int], hash_keys: Sequence[int]) -> Offer:
    accepted = [index for index, id_ in enumerate(ids) if id_ not in refused]
    return Offer(
        [ids[index] for index in accepted],
        [sizes[index] for index in accepted],
        [hash_keys[index] for index in accepted],
    )


class _ShardLog:
    """The records of one shard, oldest first."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._records: list[StreamRecord] = []
        self._trimmed = 0
        self.reads = ReadLimit(quotas)

    def append(self, record: StreamRecord) -> None:
        self._records.append(record)

    def last(self) -> StreamRecord:
        return self._records[-1]

    def position_at(self, time: float, tip: int) -> int:
        index = bisect_left(self._records, time, lo=self._trimmed, key=lambda record: record.arrived_at)
        return self._records[index].id if index < len(self._records) else tip

    def read(self, position: int, limit: int | None) -> tuple[Sequence[StreamRecord], int]:
        start = bisect_left(self._records, position, lo=self._trimmed, key=lambda record: record.id)
        end = start
        size = 0
        count = self._quotas.kinesis_read_records
        for record in self._records[start : start + (count if limit is None else min(limit, count))]:
            size_with = size + len(record.data) + len(record.partition_key)
            if size_with > self._quotas.kinesis_read_bytes and end > start:
                break
            size = size_with
            end += 1
        return self._records[start:end], size

    def trim(self, before: float) -> Sequence[StreamRecord]:
        end = self._trimmed
        while end < len(self._records) and self._records[end].arrived_at <= before:
            end += 1
        gone = self._records[self._trimmed : end]
        self._trimmed = end
        # Cutting the head off moves all that stays, so it is done when that is the smaller half.
        if self._trimmed > len(self._records) // 2:
            del self._records[: self._trimmed]
            self._trimmed = 0
        return gone
