"""The failure record: what Lambda tells an on-failure destination of an invocation that it gave up.

    asynchronous invocation   the event is `requestPayload`, the function's error `responsePayload`
    a mapping of a stream     the event is `payload`, as a text, which only S3 is sent; KinesisBatchInfo says where its
                              records lay

Both leave the event out where it is too large for the destination. Whoever reads is promised no form: what lies in a
destination may be anybody's, and what is not as it should be is None.

Sources: Lambda developer guide, invocation-async-retain-records and kinesis-on-failure-destination.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.aggregation import DamagedAggregateError, deaggregate, user_records
from pipeline.unicode_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class CarriedRecord:
    """A record as the function was given it; those of an aggregate one by one.

    `body` is None where there is none that can be read, and `problem` says why. The keys are a stream's.
    """

    body: str | bytes | None = field(repr=False)
    partition_key: str | None = None
    explicit_hash_key: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ShardRange:
    """Where the records of a batch lay: a shard, and the sequence numbers of the first and the last of `records`."""

    stream_arn: str
    shard_id: str
    first: str
    last: str
    records: int | None


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """What Lambda said. `condition` is None in what is no failure record; `given_up_at` in seconds since the epoch.

    `tries` counts invocations; `error` is what the function said, at most 500 characters, and `function_error` Lambda's
    word for how it ended, if it did not end well.
    """

    condition: str | None
    error: str | None
    function_error: str | None
    tries: int | None
    given_up_at: float | None
    records: "Sequence[CarriedRecord]"
    shard_range: ShardRange | None = None

    @property
    def reason(self) -> str:
        """Why it was given up: RetriesExhausted, EventAgeExceeded, RetryAttemptsExhausted ..., and the error."""
        condition = self.condition or "unknown condition"
        return condition if self.error is None else f"{condition}: {self.error}"[:_LONGEST_REASON]


_LONGEST_REASON = 500


def from_async(text: str | bytes) -> FailureRecord:
    """Read the record of an SNS event: a notification's text is a record."""
    record = _object(text)
    messages = [_mapping(each.get("Sns")).get("Message") for each in _records(record.get("requestPayload"))]
    return _read(record, [_carried_text(message) for message in messages])


def from_mapping(text: str | bytes) -> FailureRecord:
    """Read the record of a batch of a stream; without payload it carries no record, and says where they lay."""
    record = _object(text)
    payload = record.get("payload")
    events = _records(_object(payload) if isinstance(payload, str) else payload)
    carried: list[CarriedRecord] = []
    for event in events:
        kinesis = _mapping(event.get("kinesis"))
        data, key = kinesis.get("data"), kinesis.get("partitionKey")
        try:
            # Not only binascii.Error: letters outside ASCII are a plain ValueError.
            decoded = base64.b64decode(data if isinstance(data, str) else "", validate=True)
        except ValueError as error:
            carried.append(CarriedRecord(None, problem=str(error)))
        else:
            carried.extend(carried_by(decoded, _text(key)))
    return _read(record, carried)


def carried_by(data: bytes, partition_key: str | None) -> "list[CarriedRecord]":
    """The records in the data of a record of a stream: itself, or those of the aggregate that it is."""
    try:
        bodies = deaggregate(data)
    except DamagedAggregateError as error:
        return [CarriedRecord(None, problem=str(error))]
    try:
        users = user_records(data)
    except DamagedAggregateError:
        # Its keys are not whole, for which a function has no use: its records are.
        users = ()
    if users:
        return [CarriedRecord(user.data, user.partition_key, user.explicit_hash_key) for user in users]
    return [CarriedRecord(body, partition_key) for body in bodies]


def _carried_text(message: object) -> CarriedRecord:
    text = _text(message)
    return CarriedRecord(text, problem="it holds no record" if text is None else None)


def _read(record: "Mapping[str, Any]", carried: "Sequence[CarriedRecord]") -> FailureRecord:
    context = _mapping(record.get("requestContext"))
    condition, tries = context.get("condition"), context.get("approximateInvokeCount")
    return FailureRecord(
        condition=_text(condition),
        error=_error(record),
        function_error=_text(_mapping(record.get("responseContext")).get("functionError")),
        tries=tries if isinstance(tries, int) and not isinstance(tries, bool) else None,
        given_up_at=_moment(record.get("timestamp")),
        records=carried,
        shard_range=_shard_range(record.get("KinesisBatchInfo")),
    )


def _error(record: "Mapping[str, Any]") -> str | None:
    message = _text(_mapping(record.get("responsePayload")).get("errorMessage"))
    return None if message is None else message[:_LONGEST_REASON]


def _shard_range(info: object) -> ShardRange | None:
    said = _mapping(info)
    texts = [said.get(name) for name in ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")]
    if not all(isinstance(text, str) and text for text in texts):
        return None
    stream_arn, shard_id, first, last = map(str, texts)
    if not (_is_number(first) and _is_number(last)):
        return None
    records = said.get("batchSize")
    return ShardRange(
        stream_arn,
        shard_id,
        first,
        last,
        records if isinstance(records, int) and not isinstance(records, bool) else None,
    )


def _is_number(text: str) -> bool:
    # API:PutRecord: 0, or digits without a leading zero, at most 128.
    return text.isascii() and text.isdigit() and len(text) <= 128


def _moment(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def _text(value: object) -> str | None:
    """A text that can be sent on and written anywhere: JSON may hold halves of characters, which UTF-8 has not."""
    return value if isinstance(value, str) and is_unicode(value) else None


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _mapping(value)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _records(event: object) -> list[dict[str, Any]]:
    records = _mapping(event).get("Records")
    return [_mapping(record) for record in records] if isinstance(records, list) else []
