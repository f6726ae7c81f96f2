"""Dead letters: the requests that delivery gave up, in the three shapes in which AWS keeps them.

    SQS       the message itself, moved to the dead-letter queue by the redrive policy
    SNS       the function's asynchronous invocation record, with the SNS event as `requestPayload`
    Kinesis   the event source mapping's invocation record on S3, with the whole Kinesis event as `payload`; each of the
              two mappings, polled and by enhanced fan-out, has a bucket of its own

A letter does not say that its request has no result: a mapping on a stream gives up everything from its checkpoint
on, also records that were worked through behind a bad one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.failure_record import FailureRecord, from_async, from_mapping
from pipeline.request import InvalidRequestError, Measurement, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# API:ReceiveMessage and API:DeleteMessageBatch: 10 messages a call.
_MESSAGES_A_CALL = 10
# Long enough to read a deep queue once; after it, letters of other runs are visible again.
_VISIBILITY_S = 60
# docs: kinesis-on-failure-destination, the keys of the objects that a mapping writes.
_MAPPING_PREFIX = "aws/lambda/"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A request that was given up. What could not be read of it is None; `reason` says why it was given up."""

    request_id: str | None
    run_id: str | None
    sequence: int | None
    reason: str


def from_sqs(body: str, receive_count: int | None = None) -> DeadLetter:
    """Read a message of the SQS dead-letter queue. `receive_count` is its ApproximateReceiveCount there."""
    times = "" if receive_count is None else f" after {receive_count} receives"
    return _letter(body, f"MaxReceiveCountExceeded{times}")


def from_sns(body: str) -> "list[DeadLetter]":
    """Read a message of the SNS function's failure queue: a letter a notification, one at least.

    Lambda leaves the payload out where it is too large for the queue; then the letter has no request id.
    """
    return _letters(from_async(body), "its record holds no SNS event")


def from_kinesis(body: str | bytes) -> "list[DeadLetter]":
    """Read an object of a Kinesis failure bucket: a letter a record, those of aggregates too, one at least."""
    return _letters(from_mapping(body), "its record holds no Kinesis event")


def drain_sqs(client: "SQSClient", queue_url: str, run_id: str) -> "list[DeadLetter]":
    """Take a run's letters off the SQS dead-letter queue. Those of others stay, unseen by readers for a minute."""
    return _drain_queue(
        client,
        queue_url,
        run_id,
        lambda message: [from_sqs(message["Body"], int(message["Attributes"]["ApproximateReceiveCount"]))],
    )


def drain_sns(client: "SQSClient", queue_url: str, run_id: str) -> "list[DeadLetter]":
    """Take a run's letters off the SNS function's failure queue. Those of others stay, unseen for a minute."""
    return _drain_queue(client, queue_url, run_id, lambda message: from_sns(message["Body"]))


def read_kinesis(client: "S3Client", bucket: str, run_id: str, since: "datetime") -> "list[DeadLetter]":
    """A run's letters among the objects written to a Kinesis failure bucket from `since` on. They stay there."""
    letters: list[DeadLetter] = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_MAPPING_PREFIX):
        for entry in page.get("Contents", ()):
            if entry["LastModified"] >= since:
                body = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                letters.extend(from_kinesis(body))
    return _once_each(letter for letter in letters if letter.run_id == run_id)


def _drain_queue(
    client: "SQSClient", queue_url: str, run_id: str, read: "Callable[[MessageTypeDef], Sequence[DeadLetter]]"
) -> list[DeadLetter]:
    letters: list[DeadLetter] = []
    seen: set[str] = set()
    for messages in _messages(client, queue_url):
        unseen = [message for message in messages if message["MessageId"] not in seen]
        if not unseen:
            # Reading took so long that the first letters of other runs are visible again.
            break
        done = []
        for message in unseen:
            seen.add(message["MessageId"])
            own = [letter for letter in read(message) if letter.run_id == run_id]
            letters += own
            if own:
                done.append(message["ReceiptHandle"])
        if done:
            client.delete_message_batch(
                QueueUrl=queue_url,
                Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(done)],
            )
    return _once_each(letters)


def _messages(client: "SQSClient", queue_url: str) -> "Iterator[Sequence[MessageTypeDef]]":
    """Receive until the queue has nothing more. A long poll asks all of SQS's servers, so an empty one is the end."""
    while True:
        answer = client.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=_MESSAGES_A_CALL,
            VisibilityTimeout=_VISIBILITY_S,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages = answer.get("Messages", ())
        if not messages:
            return
        yield messages


def _once_each(letters: "Iterable[DeadLetter]") -> list[DeadLetter]:
    """A bisected batch and an SQS redelivery name the same request more than once."""
    return list({letter.request_id or id(letter): letter for letter in letters}.values())


def _letters(failure: FailureRecord, without: str) -> list[DeadLetter]:
    reason = failure.reason
    letters = [
        _unreadable(reason, carried.problem or "") if carried.body is None else _letter(carried.body, reason)
        for carried in failure.records
    ]
    return letters or [_unreadable(reason, without)]


def _letter(record: str | bytes, reason: str) -> DeadLetter:
    try:
        request = Request.from_json(record)
    except InvalidRequestError as error:
        if error.request_id is None:
            return _unreadable(reason, error.reason)
        return _known(error.request_id, error.measurement, f"{reason} ({error.reason})")
    return _known(request.request_id, request.measurement, reason)


def _known(request_id: str, measurement: Measurement | None, reason: str) -> DeadLetter:
    if measurement is None:
        return DeadLetter(request_id, None, None, reason)
    return DeadLetter(request_id, measurement.run_id, measurement.sequence, reason)


def _unreadable(reason: str, why: str) -> DeadLetter:
    return DeadLetter(None, None, None, f"{reason} ({why})")
