"""The places of a stack: where each buffer's and notification queue's dead letters lie, and how they go back."""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.callbacks_table import CallbacksTable
from pipeline.failure_record import CarriedRecord, from_async
from producers.batch import Entry
from producers.kinesis import kinesis_sender
from producers.redrive.answered import Answered
from producers.redrive.failure_bucket import FailureBucket
from producers.redrive.letter import DeadRequest, Letter, excerpt, read_notice, read_requests, shown
from producers.redrive.letter_queue import LetterQueue, QueuedMessage, maximum_receives
from producers.redrive.place import PLACES, Place, PlaceName
from producers.redrive.shard_reader import ShardReader
from producers.shards import Shards
from producers.sns import sns_sender
from producers.sqs import sqs_sender

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from producers.redrive.target import Target

TITLES: Final = {
    "sns": "SNS failure queue",
    "sqs": "SQS dead-letter queue",
    "kinesis": "Kinesis failure bucket",
    "kinesis-efo": "Kinesis enhanced fan-out failure bucket",
    "callback": "Callback dead-letter queue",
    "push": "Push dead-letter queue",
}
_RECEIVED: Final = "MaxReceiveCountExceeded"
_GIVEN_UP: Final = "GivenUp"
_HAVE_RESULTS: Final = "with their result by now"
# API:PutRecords: characters of a partition key.
_LONGEST_KEY: Final = 256


def names_of(target: "Target") -> tuple[PlaceName, ...]:
    """The places that a stack has."""
    return tuple(name for name in PLACES if name != "kinesis-efo" or target.stack.kinesis_efo_stream_name)


def open_place(name: PlaceName, target: "Target") -> Place:
    """One place.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the stack's resources cannot be asked.
    """
    return _OPENERS[name](target)


def _sqs(target: "Target") -> Place:
    client, stack = target.client("sqs"), target.stack
    tries = maximum_receives(client, stack.queue_url)

    def read(message: QueuedMessage) -> Letter:
        requests, problems = read_requests([CarriedRecord(message.body)])
        return Letter(
            name=message.message_id,
            handle=message.receipt_handle,
            requests=[_of_message(request, message) for request in requests],
            condition=_RECEIVED,
            tries=tries,
            receives=message.receives,
            problems=problems,
        )

    fifo = stack.queue_url.endswith(".fifo")
    return Place(
        name="sqs",
        title=TITLES["sqs"],
        letterbox=LetterQueue(client, stack.sqs_dead_letter_queue_url, read),
        entry=_fifo_message if fifo else _message,
        sender=sqs_sender(client, stack.queue_url),
        done=_answered(target),
        done_because=_HAVE_RESULTS,
        untold=_uncalled(target),
    )


def _sns(target: "Target") -> Place:
    client, stack = target.client("sqs"), target.stack
    return Place(
        name="sns",
        title=TITLES["sns"],
        letterbox=LetterQueue(client, stack.sns_failure_queue_url, _read_event),
        entry=_publication,
        sender=sns_sender(target.client("sns"), stack.topic_arn),
        done=_answered(target),
        done_because=_HAVE_RESULTS,
        untold=_uncalled(target),
    )


def _kinesis(target: "Target") -> Place:
    stack = target.stack
    return _stream(target, "kinesis", stack.stream_name, stack.kinesis_failure_bucket)


def _kinesis_efo(target: "Target") -> Place:
    stack = target.stack
    assert stack.kinesis_efo_stream_name is not None, "names_of says which places there are"
    assert stack.kinesis_efo_failure_bucket is not None, "the stream and its bucket come together"
    return _stream(target, "kinesis-efo", stack.kinesis_efo_stream_name, stack.kinesis_efo_failure_bucket)


def _stream(target: "Target", name: PlaceName, stream_name: str, bucket: str) -> Place:
    client = target.client("kinesis")
    return Place(
        name=name,
        title=TITLES[name],
        letterbox=FailureBucket(target.client("s3"), bucket, ShardReader(client, stream_name)),
        entry=_stream_record,
        sender=kinesis_sender(client, stream_name, Shards.of_stream(client, stream_name)),
        done=_answered(target),
        done_because=_HAVE_RESULTS,
        untold=_uncalled(target),
    )


def _callback(target: "Target") -> Place:
    stack, dynamodb = target.stack, target.client("dynamodb")
    callbacks = CallbacksTable(dynamodb, stack.callbacks_table)

    def reopen(request_ids: "Collection[str]") -> None:
        # One that was given up is settled: its function does nothing more for it until this says so.
        for request_id in request_ids:
            callbacks.reopen(request_id)

    place = _notifications(
        target,
        "callback",
        stack.callback_queue_url,
        stack.callback_dead_letter_queue_url,
        Answered(dynamodb, stack.callbacks_table, "acknowledged_at"),
        "acknowledged by now",
    )
    return replace(place, prepare=reopen)


def _push(target: "Target") -> Place:
    stack = target.stack
    # A connection that was sent its result waits no longer: whoever pushes again finds nobody, or is in time.
    return _notifications(
        target, "push", stack.push_queue_url, stack.push_dead_letter_queue_url, lambda _: (), "pushed by now"
    )


def _notifications(
    target: "Target",
    name: PlaceName,
    queue_url: str,
    dead_letter_queue_url: str,
    done: "Callable[[Collection[str]], Collection[str]]",
    done_because: str,
) -> Place:
    client = target.client("sqs")
    tries = maximum_receives(client, queue_url)

    def read(message: QueuedMessage) -> Letter:
        notice = read_notice(message.body)
        # A function gives up by a message of its own; the redrive policy moves the one that there was.
        by_function = notice.reason is not None
        return Letter(
            name=message.message_id,
            handle=message.receipt_handle,
            requests=() if notice.request is None else (notice.request,),
            condition=_GIVEN_UP if by_function else _RECEIVED,
            error=notice.reason,
            tries=notice.attempts if by_function else tries,
            receives=message.receives,
            given_up_at=message.sent_at if by_function else None,
            problems=() if notice.problem is None else (notice.problem,),
        )

    return Place(
        name=name,
        title=TITLES[name],
        letterbox=LetterQueue(client, dead_letter_queue_url, read),
        entry=_message,
        sender=sqs_sender(client, queue_url),
        done=done,
        done_because=done_because,
    )


def _read_event(message: QueuedMessage) -> Letter:
    failure = from_async(message.body)
    requests: list[DeadRequest] = []
    if failure.condition is None:
        problems = [shown(f"it is no record of Lambda's: {excerpt(message.body)}")]
    else:
        requests, problems = read_requests(failure.records)
        if not failure.records:
            problems.append("Lambda left its event out, and keeps it nowhere else")
    return Letter(
        name=message.message_id,
        handle=message.receipt_handle,
        requests=requests,
        condition=failure.condition,
        error=failure.error,
        tries=failure.tries,
        receives=message.receives,
        given_up_at=failure.given_up_at,
        problems=problems,
    )


def _answered(target: "Target") -> Answered:
    return Answered(target.client("dynamodb"), target.stack.results_table, "status")


def _uncalled(target: "Target") -> "Callable[[Collection[DeadRequest]], Collection[str]]":
    """Which requests asked for a callback of which nothing is known.

    A result is stored before its callback is sent for. A record whose sending failed at every try is given up with its
    result stored; delivered once more, it is counted and its callback sent for.
    """
    begun = Answered(target.client("dynamodb"), target.stack.callbacks_table, "attempts")

    def uncalled(requests: "Collection[DeadRequest]") -> "Collection[str]":
        asked = {request.request_id for request in requests if request.called_back}
        return asked - begun(asked)

    return uncalled


def _message(request: DeadRequest) -> Entry:
    text = _text(request)
    return Entry((request.request_id,), len(text.encode()), {"MessageBody": text})


def _fifo_message(request: DeadRequest) -> Entry:
    # Not the request's own deduplication id: sent again within five minutes it would be taken for a copy of the first,
    # answered as if it were in the queue, and not be. With the letter's id the same letter is taken once, and the next
    # letter of the same request is another.
    digest = hashlib.sha256(f"{request.deduplication}\n{request.request_id}".encode()).hexdigest()
    plain = _message(request)
    group = request.group or request.request_id
    return replace(plain, content={**plain.content, "MessageGroupId": group, "MessageDeduplicationId": digest})


def _publication(request: DeadRequest) -> Entry:
    text = _text(request)
    return Entry((request.request_id,), len(text.encode()), {"Message": text})


def _stream_record(request: DeadRequest) -> Entry:
    # Single records, those of an aggregate too: each goes where its own key leads, as enhanced fan-out demands.
    data = request.record.encode() if isinstance(request.record, str) else request.record
    key = (request.partition_key or request.request_id)[:_LONGEST_KEY]
    content: dict[str, Any] = {"Data": data, "PartitionKey": key}
    if request.explicit_hash_key is not None:
        content["ExplicitHashKey"] = str(request.explicit_hash_key)
    return Entry((request.request_id,), len(data) + len(key.encode()), content)


def _text(request: DeadRequest) -> str:
    return request.record if isinstance(request.record, str) else request.record.decode()


def _of_message(request: DeadRequest, message: QueuedMessage) -> DeadRequest:
    return replace(
        request,
        accepted_at=message.sent_at if request.accepted_at is None else request.accepted_at,
        group=message.group,
        deduplication=message.message_id,
    )


_OPENERS: "Final[Mapping[PlaceName, Callable[[Target], Place]]]" = {
    "sns": _sns,
    "sqs": _sqs,
    "kinesis": _kinesis,
    "kinesis-efo": _kinesis_efo,
    "callback": _callback,
    "push": _push,
}
