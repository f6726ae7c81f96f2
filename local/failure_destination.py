"""Where failures go: the on-failure destination of a mapping or of asynchronous invocation, and what it is sent.

Sources: Lambda developer guide, invocation-async-retain-records and kinesis-on-failure-destination.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from delivery.protocol import End, Invocation, Refusal
from local.clock import Clock
from local.execution_environment import Answer, Ending
from local.queue import Queue, Sending
from local.stream import StreamRecord, shard_id
from local.wire import WireRequest, WireService

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT_S: Final = 10.0

# AWS names the same two conditions differently for a stream and for asynchronous invocation.
_ASYNC_CONDITIONS: Final = {
    End.RETRIES_EXHAUSTED: "RetriesExhausted",
    End.EVENT_AGE: "EventAgeExceeded",
}
_STREAM_CONDITIONS: Final = {
    End.RETRIES_EXHAUSTED: "RetryAttemptsExhausted",
    End.RECORD_AGE: "RecordAgeExceeded",
    End.RETENTION: "RecordAgeExceeded",
}


class FailureDestination(Protocol):
    """One destination."""

    @property
    def takes_payload(self) -> bool:
        """Whether a mapping sends it the records themselves (S3), or only where they lay."""

    async def deliver(self, record: dict[str, Any], prefix: str, at: float) -> None:
        """Deliver one record, as often as it takes. `prefix` is the start of its key where it becomes an object."""


class FailureQueue:
    """An SQS queue as destination."""

    takes_payload = False

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def deliver(self, record: dict[str, Any], prefix: str, at: float) -> None:  # noqa: ARG002 (the protocol's)
        """Send the record as a message."""
        (sent,) = self._queue.send([Sending(json.dumps(record, separators=(",", ":")))])
        if isinstance(sent, Refusal):
            _LOG.error("a failure record is lost: the queue %s refused it as %s", self._queue.name, sent.value)


class FailureBucket:
    """An S3 bucket as destination."""

    takes_payload = True

    def __init__(self, bucket: str, s3: WireService) -> None:
        self._bucket = bucket
        self._s3 = s3

    async def deliver(self, record: dict[str, Any], prefix: str, at: float) -> None:
        """Put the record as an object; a failed put is tried until it is in."""
        moment = datetime.fromtimestamp(at, UTC)
        key = f"{prefix}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        request = WireRequest(
            "PUT",
            f"/{self._bucket}/{key}",
            headers={"content-type": "application/json"},
            body=json.dumps(record, separators=(",", ":")).encode(),
        )
        wait = 0.1
        while True:
            try:
                status = (await self._s3.handle(request)).status
                if status < 300:
                    return
                _LOG.error("a failure record could not be put into %s yet: HTTP %d", self._bucket, status)
            except ConnectionError as error:
                _LOG.error("a failure record could not be put into %s yet: %s", self._bucket, error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)


@dataclass(frozen=True, slots=True)
class Failure:
    """How the last invocation of a record went."""

    request_id: str
    attempt: int
    answer: Answer

    @classmethod
    def of(cls, invocation: Invocation, answer: Answer) -> "Failure":
        """What is to be remembered of an invocation that failed."""
        return cls(answer.request_id, invocation.attempt, answer)

    @property
    def response(self) -> dict[str, Any]:
        """The `responseContext` of a record."""
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if self.answer.ending is not Ending.RETURNED:
            context["functionError"] = "Unhandled"
        return context


def async_record(
    event: Any, request_id: str, end: End, failure: Failure | None, function_arn: str, clock: Clock
) -> dict[str, Any]:
    """The record of an event that asynchronous invocation gave up. `failure` is None if it was never tried."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso(clock()),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function_arn}:$LATEST",
            "condition": _ASYNC_CONDITIONS.get(end, end.value),
            "approximateInvokeCount": 0 if failure is None else failure.attempt,
        },
        "requestPayload": event,
    }
    if failure is not None:
        record["responseContext"] = failure.response
        record["responsePayload"] = _parsed(failure.answer.payload)
    return record


def stream_record(
    records: Sequence[StreamRecord],
    payload: Any,
    end: End,
    failure: Failure | None,
    function_arn: str,
    stream_arn: str,
    clock: Clock,
) -> dict[str, Any]:
    """The record of a batch of one shard that a Kinesis mapping gave up.

    `payload` is the event with the records, a JSON text in the record, or None for a destination that is told only
    where they lay.
    """
    first, last = records[0], records[-1]
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": str(uuid.uuid4()) if failure is None else failure.request_id,
            "functionArn": function_arn,
            "condition": _STREAM_CONDITIONS.get(end, end.value),
            "approximateInvokeCount": 0 if failure is None else failure.attempt,
        },
        "version": "1.0",
        "timestamp": iso(clock()),
        "KinesisBatchInfo": {
            "shardId": shard_id(first.shard),
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": iso(first.arrived_at),
            "approximateArrivalOfLastRecord": iso(last.arrived_at),
            "batchSize": len(records),
            "streamArn": stream_arn,
        },
    }
    if failure is not None:
        record["responseContext"] = failure.response
    if payload is not None:
        record["payload"] = json.dumps(payload, separators=(",", ":"))
    return record


def iso(seconds: float) -> str:
    """A time as Lambda writes it: UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")
