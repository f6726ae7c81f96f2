"""Kinesis Data Streams on the wire: the operations a producer or a consumer of one stream uses."""

from collections.abc import Callable, Iterable
from typing import Any

from delivery.kinesis_stream import HASH_KEYS
from delivery.protocol import Refusal
from local.api_model import ApiModel
from local.json_protocol import JsonProtocol
from local.kinesis_consumers import ConsumerOperations
from local.kinesis_token import TOKEN_LIFE, seal, unseal
from local.service_error import (
    ConstraintError,
    MalformedError,
    MissingError,
    ServiceError,
    UnreadableError,
    validation_message,
)
from local.stream import Entry, InvalidSequenceNumberError, Put, Stream, shard_id
from local.wire import WireRequest, WireResponse


class Kinesis:
    """The Kinesis API over an account's streams. `clock` is the streams' own; `request_id` names each answer."""

    def __init__(
        self, streams: Iterable[Stream], account: str, clock: Callable[[], float], request_id: Callable[[], str]
    ) -> None:
        self._streams = {stream.name: stream for stream in streams}
        self._by_arn = {stream.arn: stream for stream in self._streams.values()}
        self._account = account
        self._clock = clock
        self._protocol = JsonProtocol(
            ApiModel("kinesis"),
            "1.1",
            {
                "PutRecord": self._put_record,
                "PutRecords": self._put_records,
                "GetShardIterator": self._get_shard_iterator,
                "GetRecords": self._get_records,
                "ListShards": self._list_shards,
                "ListStreams": self._list_streams,
                "DescribeStream": self._describe_stream,
                "DescribeStreamSummary": self._describe_stream_summary,
                **ConsumerOperations(self._by_arn, account, clock).handlers,
            },
            _translate,
            request_id,
        )

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        return await self._protocol.handle(request)

    async def _put_record(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values)
        entry = _entry(values, stream, "")
        _stop_if_dry(values)
        (answer,) = stream.put([entry])
        if isinstance(answer, Put):
            return _written(answer)
        raise self._refusal(answer, entry, stream)

    async def _put_records(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values)
        most = stream.quotas.kinesis_put_records_count
        if len(values["Records"]) > most:
            # The API model stops at 500; the quota may have been set lower.
            raise ConstraintError(
                [
                    "Value at 'records' failed to satisfy constraint: "
                    f"Member must have length less than or equal to {most}"
                ]
            )
        entries = [
            _entry(record, stream, f"records.{number}.member.") for number, record in enumerate(values["Records"], 1)
        ]
        if sum(entry.size for entry in entries) > stream.quotas.kinesis_put_records_bytes:
            limit = stream.quotas.kinesis_put_records_bytes >> 20
            raise ServiceError("InvalidArgumentException", f"Records size exceeds {limit} MB limit")
        _stop_if_dry(values)
        results: list[dict[str, str]] = []
        failed = 0
        for entry, answer in zip(entries, stream.put(entries), strict=True):
            if isinstance(answer, Put):
                results.append(_written(answer))
            else:
                failed += 1
                error = self._refusal(answer, entry, stream)
                results.append({"ErrorCode": error.code, "ErrorMessage": error.message})
        return {"FailedRecordCount": failed, "Records": results}

    async def _get_shard_iterator(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values)
        shard = self._shard(stream, values["ShardId"])
        position = self._position(stream, shard, values)
        _stop_if_dry(values)
        return {"ShardIterator": self._iterator(stream, shard, position)}

    def _position(self, stream: Stream, shard: int, values: dict[str, Any]) -> int:
        match values["ShardIteratorType"]:
            case "TRIM_HORIZON":
                return stream.oldest()
            case "LATEST":
                return stream.latest()
            case "AT_TIMESTAMP":
                return self._position_at(stream, shard, values.get("Timestamp"))
        number = values.get("StartingSequenceNumber")
        if number is None:
            raise ServiceError(
                "InvalidArgumentException",
                f"Must specify StartingSequenceNumber for an iterator of type {values['ShardIteratorType']}.",
            )
        try:
            position = stream.position_of(shard, number)
        except InvalidSequenceNumberError:
            raise ServiceError(
                "InvalidArgumentException",
                f"StartingSequenceNumber {number} used in GetShardIterator on shard {values['ShardId']} in stream "
                f"{stream.name} under account {self._account} is invalid because it did not come from this stream.",
            ) from None
        return position + 1 if values["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER" else position

    def _position_at(self, stream: Stream, shard: int, time: float | None) -> int:
        now = self._clock()
        if time is None:
            raise ServiceError(
                "InvalidArgumentException", "Must specify Timestamp for an iterator of type AT_TIMESTAMP."
            )
        if time > now:
            raise ServiceError(
                "InvalidArgumentException",
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "
                f"timestampInMillis: {int(time * 1000)}, currentTimestampInMillis: {int(now * 1000)}",
            )
        return stream.position_at(shard, time)

    async def _get_records(self, values: dict[str, Any]) -> dict[str, Any]:
        stream, shard, position = self._read_iterator(values["ShardIterator"])
        _stop_if_dry(values)
        page = stream.read(shard, position, values.get("Limit"))
        if page is None:
            raise self._rate_exceeded(stream, shard)
        return {
            "Records": [
                {
                    "SequenceNumber": record.sequence_number,
                    "ApproximateArrivalTimestamp": round(record.arrived_at, 3),
                    "Data": record.data,
                    "PartitionKey": record.partition_key,
                }
                for record in page.records
            ],
            "NextShardIterator": self._iterator(stream, shard, page.position),
            "MillisBehindLatest": int(page.behind * 1000),
        }

    async def _list_shards(self, values: dict[str, Any]) -> dict[str, Any]:
        after = values.get("ExclusiveStartShardId")
        token = values.get("NextToken")
        if token is not None:
            if values.get("StreamName") or values.get("StreamARN"):
                raise ServiceError("InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
            stream, first = self._read_token(token)
        else:
            stream = self._stream(values)
            shard_filter = values.get("ShardFilter", {})
            if shard_filter.get("Type") == "AFTER_SHARD_ID":
                after = shard_filter.get("ShardId")
            first = 0 if after is None else self._shard(stream, after) + 1
        end = min(stream.machine.shards, first + values.get("MaxResults", 1_000))
        answer: dict[str, Any] = {"Shards": [_shard(stream, shard) for shard in range(first, end)]}
        if end < stream.machine.shards:
            answer["NextToken"] = self._seal(stream.name, end)
        return answer

    async def _list_streams(self, values: dict[str, Any]) -> dict[str, Any]:
        after = values.get("NextToken") or values.get("ExclusiveStartStreamName") or ""
        names = sorted(name for name in self._streams if name > after)
        some = names[: values.get("Limit", 100)]
        answer: dict[str, Any] = {
            "StreamNames": some,
            "HasMoreStreams": len(some) < len(names),
            "StreamSummaries": [_summary(self._streams[name]) for name in some],
        }
        if len(some) < len(names):
            answer["NextToken"] = some[-1]
        return answer

    async def _describe_stream(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values)
        after = values.get("ExclusiveStartShardId")
        first = 0 if after is None else self._shard(stream, after) + 1
        end = min(stream.machine.shards, first + values.get("Limit", 100))
        return {
            "StreamDescription": {
                **_description(stream),
                "Shards": [_shard(stream, shard) for shard in range(first, end)],
                "HasMoreShards": end < stream.machine.shards,
            }
        }

    async def _describe_stream_summary(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values)
        return {
            "StreamDescriptionSummary": {
                **_description(stream),
                "OpenShardCount": stream.machine.shards,
                "ConsumerCount": len(stream.consumers),
                "MaxRecordSizeInKiB": stream.quotas.kinesis_record_bytes >> 10,
            }
        }

    def _stream(self, values: dict[str, Any]) -> Stream:
        name = values.get("StreamName")
        arn = values.get("StreamARN")
        if name is None and arn is None:
            raise ServiceError("InvalidArgumentException", "Either StreamName or StreamARN must be provided.")
        by_arn = self._by_arn.get(arn or "")
        found = by_arn if name is None else self._streams.get(name)
        if found is None or (arn is not None and by_arn is not found):
            wanted = name if name is not None else str(arn).rsplit("/", 1)[-1]
            raise ServiceError("ResourceNotFoundException", f"Stream {wanted} under account {self._account} not found.")
        return found

    def _shard(self, stream: Stream, wanted: str | None) -> int:
        for shard in range(stream.machine.shards):
            if shard_id(shard) == wanted:
                return shard
        raise ServiceError(
            "ResourceNotFoundException",
            f"Shard {wanted} in stream {stream.name} under account {self._account} does not exist",
        )

    def _refusal(self, refusal: Refusal, entry: Entry, stream: Stream) -> ServiceError:
        match refusal:
            case Refusal.THROUGHPUT_EXCEEDED:
                return self._rate_exceeded(stream, stream.shard_of(entry))
            case Refusal.TOO_LARGE:
                return _too_large(entry, stream, "")
        return ServiceError("InternalFailure", f"The stream refused the record: {refusal}", status=500)

    def _rate_exceeded(self, stream: Stream, shard: int) -> ServiceError:
        return ServiceError(
            "ProvisionedThroughputExceededException",
            f"Rate exceeded for shard {shard_id(shard)} in stream {stream.name} under account {self._account}.",
        )

    def _iterator(self, stream: Stream, shard: int, position: int) -> str:
        return self._seal(stream.name, shard, position)

    def _read_iterator(self, iterator: str) -> tuple[Stream, int, int]:
        opened = unseal(iterator, 2)
        stream = self._streams.get(opened[0]) if opened else None
        if opened is None or stream is None or opened[1][0] >= stream.machine.shards:
            raise ServiceError("InvalidArgumentException", "Invalid ShardIterator.")
        _, (shard, position), sealed_at = opened
        if self._clock() - sealed_at > TOKEN_LIFE:
            raise ServiceError(
                "ExpiredIteratorException",
                "Iterator expired. The iterator was created more than 300 seconds ago: get a new one with "
                "GetShardIterator.",
            )
        return stream, shard, position

    def _read_token(self, token: str) -> tuple[Stream, int]:
        opened = unseal(token, 1)
        stream = self._streams.get(opened[0]) if opened else None
        if opened is None or stream is None:
            raise ServiceError("InvalidArgumentException", "Invalid NextToken.")
        if self._clock() - opened[2] > TOKEN_LIFE:
            raise ServiceError("ExpiredNextTokenException", "The NextToken was given out more than 300 seconds ago.")
        return stream, opened[1][0]

    def _seal(self, name: str, *numbers: int) -> str:
        return seal(self._clock(), name, *numbers)


def _entry(values: dict[str, Any], stream: Stream, path: str) -> Entry:
    partition_key = values.get("PartitionKey")
    if partition_key is None:
        # The model lets it out for streams that spread their records by themselves; these do not.
        raise MissingError(f"{path}partitionKey", "PartitionKey")
    explicit = values.get("ExplicitHashKey")
    if explicit is not None and int(explicit) >= HASH_KEYS:
        raise ServiceError(
            "InvalidArgumentException",
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
            f"Specified value was {explicit}",
        )
    entry = Entry(values["Data"], partition_key, None if explicit is None else int(explicit))
    if entry.size > stream.quotas.kinesis_record_bytes:
        raise _too_large(entry, stream, path)
    return entry


def _too_large(entry: Entry, stream: Stream, path: str) -> ServiceError:
    size = len(entry.data)
    problem = (
        f"Value 'java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]' at '{path}data' failed to satisfy constraint: "
        f"Member must have length less than or equal to {stream.quotas.kinesis_record_bytes}"
    )
    return ServiceError("ValidationException", validation_message(ConstraintError([problem])))


def _stop_if_dry(values: dict[str, Any]) -> None:
    if values.get("DryRun"):
        raise ServiceError(
            "DryRunOperationException", "The request would have succeeded, but the DryRun parameter was specified."
        )


def _written(put: Put) -> dict[str, str]:
    return {"ShardId": shard_id(put.shard), "SequenceNumber": put.sequence_number}


def _shard(stream: Stream, shard: int) -> dict[str, Any]:
    first, last = stream.machine.hash_key_range(shard)
    return {
        "ShardId": shard_id(shard),
        "HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)},
        "SequenceNumberRange": {"StartingSequenceNumber": stream.sequence_number(-1, shard)},
    }


def _summary(stream: Stream) -> dict[str, Any]:
    return {
        "StreamName": stream.name,
        "StreamARN": stream.arn,
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "StreamCreationTimestamp": round(stream.created_at, 3),
    }


def _description(stream: Stream) -> dict[str, Any]:
    return {
        **_summary(stream),
        "RetentionPeriodHours": int(stream.quotas.kinesis_retention_s // 3600),
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
    }


def _translate(error: UnreadableError) -> ServiceError:
    if isinstance(error, MalformedError):
        return ServiceError("SerializationException", str(error))
    return ServiceError("ValidationException", validation_message(error))
