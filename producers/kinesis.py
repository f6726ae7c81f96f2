"""The Kinesis producer: PutRecords, many requests to a record by KPL aggregation.

All requests of an aggregate get the aggregate's own key. With the keys of their own they would only lose order on a
polled stream, but enhanced fan-out drops what does not belong to the shard by its own key, without an error.
"""

import random
import time
from typing import TYPE_CHECKING, cast

from producers.batch import BatchSender, Entry, Fault, Limits, Patience, Sent
from producers.pace import Pace
from producers.shards import SHARD_BYTES_PER_S, SHARD_RECORDS_PER_S, Shards
from producers.submission import Stamp, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

    from producers.submission import Submission

# API:PutRecords; 10 MiB since October 2025, keys included.
_ENTRIES_A_CALL = 500
_CALL_BYTES = 10 * 1_048_576
# A stream's default MaxRecordSizeInKiB; the key counts.
_RECORD_BYTES = 1_048_576
# One request that fails has its whole aggregate delivered again, and a function must get through one in its time.
_REQUESTS_AN_AGGREGATE = 100


class KinesisProducer:
    """Puts requests on a stream, its shards in turn, no faster than they take them.

    `requests_per_record` is 1 for no aggregation. The stamp says `kinesis`; the stream with enhanced fan-out needs one
    of its own. The stream's limits are kept for this producer alone: where others
    write too, what the shards refuse is retried. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        client: "KinesisClient",
        stream_name: str,
        *,
        shards: Shards | None = None,
        requests_per_record: int = _REQUESTS_AN_AGGREGATE,
        record_bytes: int = _RECORD_BYTES,
        stamp: Stamp | None = None,
        patience: Patience | None = None,
        clock: "Callable[[], float]" = time.monotonic,
        sleep: "Callable[[float], None]" = time.sleep,
        uniform: "Callable[[], float]" = random.random,
        new_key: "Callable[[], str]" = new_id,
    ) -> None:
        self._shards = shards or Shards.of_stream(client, stream_name)
        self._requests_per_record = requests_per_record
        self._record_bytes = record_bytes
        self._stamp = stamp or Stamp("kinesis")
        self._new_key = new_key
        self._turn = 0
        self._sender = kinesis_sender(
            client,
            stream_name,
            self._shards,
            record_bytes=record_bytes,
            patience=patience,
            clock=clock,
            sleep=sleep,
            uniform=uniform,
        )

    def send(self, submissions: "Iterable[Submission]") -> Sent:
        """Send all; returns when each is accepted or given up. Aggregates are filled before they are sent."""
        return self._sender.send_all(
            self._aggregates(submissions) if self._requests_per_record > 1 else self._singles(submissions)
        )

    def _next_key(self) -> str:
        self._turn += 1
        return self._shards.key_for(self._turn % len(self._shards.ranges), self._new_key)

    def _singles(self, submissions: "Iterable[Submission]") -> "Iterator[Entry]":
        for submission in submissions:
            request = self._stamp.request(submission)
            yield _entry((request.request_id,), request.to_json().encode(), self._next_key())

    def _aggregates(self, submissions: "Iterable[Submission]") -> "Iterator[Entry]":
        # Not RecordAggregator: it copies each full aggregate deeply and calls back on threads.
        from aws_kinesis_agg.aggregator import AggRecord

        ids: list[str] = []
        key = self._next_key()
        aggregate = AggRecord(self._record_bytes - len(key.encode()))
        for submission in submissions:
            request = self._stamp.request(submission)
            body = request.to_json().encode()
            # The key as bytes: with a text the library never recognises a key it has, and counts it each time.
            try:
                taken = len(ids) < self._requests_per_record and aggregate.add_user_record(key.encode(), body)
            except ValueError:
                # More than any aggregate holds: the sender gives it up with the reason, or it fits by itself.
                yield _entry((request.request_id,), body, self._next_key())
                continue
            if not taken:
                yield _entry(tuple(ids), aggregate.get_contents()[2], key)
                key, ids = self._next_key(), []
                aggregate = AggRecord(self._record_bytes - len(key.encode()))
                aggregate.add_user_record(key.encode(), body)
            ids.append(request.request_id)
        if ids:
            yield _entry(tuple(ids), aggregate.get_contents()[2], key)


def kinesis_sender(
    client: "KinesisClient",
    stream_name: str,
    shards: Shards,
    *,
    record_bytes: int = _RECORD_BYTES,
    patience: Patience | None = None,
    clock: "Callable[[], float]" = time.monotonic,
    sleep: "Callable[[float], None]" = time.sleep,
    uniform: "Callable[[], float]" = random.random,
) -> BatchSender:
    """Sends entries whose content is that of a PutRecords entry, no faster than the shards take them."""
    pace = Pace(SHARD_RECORDS_PER_S, SHARD_BYTES_PER_S)

    def post(batch: "Sequence[Entry]") -> "Mapping[int, Fault]":
        wait = pace.book(
            clock(), [(shards.shard_of(entry.content["PartitionKey"]) or 0, entry.size) for entry in batch]
        )
        if wait > 0:
            sleep(wait)
        records = [cast("PutRecordsRequestEntryTypeDef", entry.content) for entry in batch]
        answer = client.put_records(StreamName=stream_name, Records=records)
        # Both codes there are, ProvisionedThroughputExceededException and InternalFailure, pass (API:PutRecords).
        return {
            position: Fault(f"{record['ErrorCode']}: {record.get('ErrorMessage', '')}", retryable=True)
            for position, record in enumerate(answer["Records"])
            if record.get("ErrorCode")
        }

    limits = Limits(
        entries=_ENTRIES_A_CALL,
        call_bytes=max(record_bytes, min(_CALL_BYTES, len(shards.ranges) * SHARD_BYTES_PER_S)),
        entry_bytes=record_bytes,
    )
    return BatchSender(post, limits, patience=patience, sleep=sleep, uniform=uniform)


def _entry(request_ids: tuple[str, ...], data: bytes, key: str) -> Entry:
    return Entry(request_ids, len(data) + len(key.encode()), {"Data": data, "PartitionKey": key})
