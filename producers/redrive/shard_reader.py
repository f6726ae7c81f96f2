"""Records of a stream, read once more by shard and sequence range, while the stream still keeps them."""

import time
from typing import TYPE_CHECKING, Final

from pipeline.failure_record import carried_by
from pipeline.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

    from pipeline.failure_record import CarriedRecord, ShardRange

# API:GetRecords: a shard takes five reads a second, which are its function's, too.
_PAUSE_S: Final = 0.25
# What a batch holds ten times over, for a range holds also what came to the shard's other batches in between.
_LARGEST_RANGE: Final = 64 * 1024 * 1024


class ShardReader:
    """Reads a stream. `sleep` is in seconds.

    Where a mapping works several batches of a shard at once (ParallelizationFactor), a range holds records of the
    others, too: what they did not fail with has a result, or will.
    """

    def __init__(
        self, client: "KinesisClient", stream_name: str, *, sleep: "Callable[[float], None]" = time.sleep
    ) -> None:
        self._client = client
        self._stream_name = stream_name
        self._sleep = sleep
        self._retention_h: int | None = None

    def read(self, shard_range: "ShardRange") -> "tuple[list[CarriedRecord], str | None]":
        """The records of a range that are still there, and what is to be said of those that are not.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the stream could not be read.
        """
        where = f"{shard_range.shard_id}, from {shard_range.first} to {shard_range.last}"
        if shard_range.stream_arn.rsplit("/", 1)[-1] != self._stream_name:
            return [], f"its records lay in another stream, {shard_range.stream_arn}: {where}"
        refusals = (self._client.exceptions.ResourceNotFoundException, self._client.exceptions.InvalidArgumentException)
        try:
            iterator: str | None = self._client.get_shard_iterator(
                StreamName=self._stream_name,
                ShardId=shard_range.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=shard_range.first,
            )["ShardIterator"]
        except refusals:
            return [], f"the stream has no such records (any more): {where}"
        carried: list[CarriedRecord] = []
        size = 0
        first = last = None
        for record in self._records(iterator, int(shard_range.last)):
            last = record["SequenceNumber"]
            first = first or last
            size += len(record["Data"])
            if size > _LARGEST_RANGE:
                return [], f"there are more than {_LARGEST_RANGE >> 20} MiB of records: {where}"
            carried += carried_by(record["Data"], record["PartitionKey"])
        records = "records" if shard_range.records is None else count(shard_range.records, "record")
        if first is None or last is None:
            return [], f"{self._past_retention()}: {records} of {where}"
        if int(last) != int(shard_range.last):
            return [], f"the stream has no record {shard_range.last}: {where}"
        if int(first) != int(shard_range.first):
            return carried, f"{self._past_retention()}: the first of {records} of {where}"
        return carried, None

    def _records(self, iterator: str | None, last: int) -> "Iterator[RecordTypeDef]":
        """The shard's records from an iterator on, up to a sequence number or the shard's tip."""
        while iterator:
            page = self._client.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                number = int(record["SequenceNumber"])
                if number <= last:
                    yield record
                if number >= last:
                    return
            if not page["Records"] and not page.get("MillisBehindLatest"):
                return
            iterator = page.get("NextShardIterator")
            self._sleep(_PAUSE_S)

    def _past_retention(self) -> str:
        if self._retention_h is None:
            summary = self._client.describe_stream_summary(StreamName=self._stream_name)["StreamDescriptionSummary"]
            self._retention_h = summary["RetentionPeriodHours"]
        return f"past the stream's retention of {self._retention_h} h, and not to be read any more"
