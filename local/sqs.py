"""SQS on the wire: JSON as the SDKs speak it, and the query protocol as API Gateway's integrations do."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from delivery.protocol import Refusal
from local.api_model import ApiModel
from local.fifo_queue import FifoQueue
from local.json_protocol import JsonProtocol
from local.query_protocol import QueryProtocol
from local.queue import InvalidReceiptError, Queue, Sending, TogetherError
from local.service_error import ServiceError
from local.sqs_error import (
    batch_error,
    invalid,
    invalid_receipt,
    missing,
    namespace,
    no_queue,
    throttled,
    too_long,
    translate,
)
from local.sqs_message import attribute_filter, read_seconds, read_sending, size_of, write_received, write_sent
from local.wire import WireRequest, WireResponse

# API:SendMessageBatch, ReceiveMessage, ChangeMessageVisibility, PurgeQueue: what one call may ask for.
BATCH_ENTRIES = 10
RECEIVE_MESSAGES = 10
MAX_WAIT = 20
MAX_VISIBILITY = 43_200
PURGE_INTERVAL = 60.0

# What the query protocol calls the flattened lists and maps (SQS developer guide, "Making query API requests").
ELEMENT_NAMES = {
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageBodyAttributeMap": "MessageAttribute",
    "MessageBodySystemAttributeMap": "MessageSystemAttribute",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "MessageSystemAttributeMap": "Attribute",
    "QueueAttributeMap": "Attribute",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
}
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Sqs:
    """The SQS API over an account's queues. `clock` is the queues' own; `request_id` names each answer."""

    def __init__(self, queues: Iterable[Queue], clock: Callable[[], float], request_id: Callable[[], str]) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._clock = clock
        self._purged: dict[str, float] = {}
        handlers = {
            "SendMessage": self._send_message,
            "SendMessageBatch": self._send_message_batch,
            "ReceiveMessage": self._receive_message,
            "DeleteMessage": self._delete_message,
            "DeleteMessageBatch": self._delete_message_batch,
            "ChangeMessageVisibility": self._change_message_visibility,
            "ChangeMessageVisibilityBatch": self._change_message_visibility_batch,
            "GetQueueUrl": self._get_queue_url,
            "GetQueueAttributes": self._get_queue_attributes,
            "ListQueues": self._list_queues,
            "PurgeQueue": self._purge_queue,
        }
        model = ApiModel("sqs", check_enums=False)
        self._queue_attributes = model.enum("QueueAttributeName")
        self._system_attributes = model.enum("MessageSystemAttributeName")
        self._json = JsonProtocol(
            model, "1.0", handlers, translate, request_id, namespace=namespace, query_compatible=True
        )
        self._query = QueryProtocol(
            model,
            "http://queue.amazonaws.com/doc/2012-11-05/",
            handlers,
            translate,
            request_id,
            element_names=ELEMENT_NAMES,
            json_names={"Messages": "messages"},
            path_member="QueueUrl",
        )

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request, in the protocol it came in."""
        headers = request.headers
        if "x-amz-target" in headers or "x-amz-json" in headers.get("content-type", ""):
            return await self._json.handle(request)
        return await self._query.handle(request)

    async def _send_message(self, values: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(values)
        (answer,) = queue.send([read_sending(values, queue)])
        if isinstance(answer, Refusal):
            raise _refused(answer, queue)
        return write_sent(answer)

    async def _send_message_batch(self, values: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(values)
        entries = _batch(values)
        size = sum(size_of(entry) for entry in entries)
        if size > queue.settings.maximum_message_size:
            raise batch_error(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {queue.settings.maximum_message_size} bytes. "
                f"You have sent {size} bytes.",
            )

        sendings: dict[str, Sending] = {}
        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                sendings[entry["Id"]] = read_sending(entry, queue)
            except ServiceError as error:
                failed.append(_failure(entry["Id"], error))
        for id_, answer in zip(sendings, queue.send(list(sendings.values())), strict=True):
            if isinstance(answer, Refusal):
                failed.append(_failure(id_, _refused(answer, queue)))
            else:
                successful.append({"Id": id_, **write_sent(answer)})
        return {"Successful": successful, "Failed": failed}

    async def _receive_message(self, values: dict[str, Any]) -> dict[str, Any] | None:
        queue = self._queue(values)
        system = {*values.get("AttributeNames", []), *values.get("MessageSystemAttributeNames", [])}
        _check_names(system, self._system_attributes)
        most = values.get("MaxNumberOfMessages", 1)
        if not 1 <= most <= RECEIVE_MESSAGES:
            raise invalid(
                f"Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
                f"{RECEIVE_MESSAGES}, if provided."
            )
        if "ReceiveRequestAttemptId" in values:
            raise invalid(
                "ReceiveRequestAttemptId is not served here: leave it out, and let the visibility timeout bring back "
                "what an answer that was lost had in it."
            )
        received = await queue.receive(
            most,
            visibility_timeout=read_seconds(values, "VisibilityTimeout", MAX_VISIBILITY),
            wait=read_seconds(values, "WaitTimeSeconds", MAX_WAIT),
        )
        if not received and queue.full():
            raise ServiceError("OverLimit", "Too many messages in flight: delete some of those received.", status=403)
        if not received:
            return {}
        wanted = attribute_filter(values.get("MessageAttributeNames", []))
        return {"Messages": [write_received(message, queue, system, wanted) for message in received]}

    async def _delete_message(self, values: dict[str, Any]) -> None:
        queue = self._queue(values)
        try:
            queue.delete(values["ReceiptHandle"])
        except InvalidReceiptError as error:
            raise invalid_receipt(error) from None

    async def _delete_message_batch(self, values: dict[str, Any]) -> dict[str, Any]:
        self._queue(values)

        async def delete(entry: dict[str, Any]) -> None:
            await self._delete_message({**entry, "QueueUrl": values["QueueUrl"]})

        return await _each(_batch(values), delete)

    async def _change_message_visibility(self, values: dict[str, Any], together: int = 1) -> None:
        queue = self._queue(values)
        if "VisibilityTimeout" not in values:
            raise missing("VisibilityTimeout")
        seconds = read_seconds(values, "VisibilityTimeout", MAX_VISIBILITY) or 0
        try:
            changed = queue.change_visibility(values["ReceiptHandle"], seconds, together=together)
        except InvalidReceiptError as error:
            raise invalid_receipt(error) from None
        except TogetherError:
            raise invalid(
                "The message was received together with others of a FIFO queue, whose visibility is changed only "
                "together here: name all of them in one ChangeMessageVisibilityBatch, or receive with "
                "MaxNumberOfMessages=1."
            ) from None
        if not changed:
            raise invalid(
                f"Value {values['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: Message does not "
                "exist or is not available for visibility timeout change."
            )

    async def _change_message_visibility_batch(self, values: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(values)
        # What is hidden as one is changed as one, by the first that names it; the others have its answer.
        alike: dict[object, list[dict[str, Any]]] = {}
        for entry in _batch(values):
            alike.setdefault((_hidden_as(queue, entry), entry.get("VisibilityTimeout")), []).append(entry)

        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entries in alike.values():
            together = len({entry["ReceiptHandle"] for entry in entries})
            try:
                await self._change_message_visibility({**entries[0], "QueueUrl": values["QueueUrl"]}, together)
            except ServiceError as error:
                failed += (_failure(entry["Id"], error) for entry in entries)
            else:
                successful += ({"Id": entry["Id"]} for entry in entries)
        return {"Successful": successful, "Failed": failed}

    async def _get_queue_url(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": self._named(values["QueueName"]).url}

    async def _get_queue_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        attributes = _attributes(self._queue(values))
        names = values.get("AttributeNames", [])
        _check_names(names, self._queue_attributes)
        if "All" not in names:
            attributes = {name: value for name, value in attributes.items() if name in names}
        return {"Attributes": attributes} if attributes else {}

    async def _list_queues(self, values: dict[str, Any]) -> dict[str, Any]:
        most = values.get("MaxResults", 1_000)
        if not 1 <= most <= 1_000:
            raise invalid(
                f"Value {most} for parameter MaxResults is invalid. Reason: Must be between 1 and 1000, if provided."
            )
        after = values.get("NextToken", "")
        prefix = values.get("QueueNamePrefix", "")
        names = sorted(name for name in self._queues if name.startswith(prefix) and name > after)
        if not names:
            return {}
        answer: dict[str, Any] = {"QueueUrls": [self._queues[name].url for name in names[:most]]}
        # As on AWS, a token comes only to those that asked for pages.
        if "MaxResults" in values and len(names) > most:
            answer["NextToken"] = names[most - 1]
        return answer

    async def _purge_queue(self, values: dict[str, Any]) -> None:
        queue = self._queue(values)
        now = self._clock()
        if now - self._purged.get(queue.name, float("-inf")) < PURGE_INTERVAL:
            raise ServiceError(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
                status=403,
                query_code="AWS.SimpleQueueService.PurgeQueueInProgress",
            )
        self._purged[queue.name] = now
        queue.purge()

    def _queue(self, values: dict[str, Any]) -> Queue:
        # Only the path counts, as on AWS: clients reach one queue under several host names.
        return self._named(values["QueueUrl"].rstrip("/").rsplit("/", 1)[-1])

    def _named(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            raise no_queue()
        return queue


async def _each(
    entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]
) -> dict[str, Any]:
    """Do a batch's entries one by one: each succeeds or fails for itself."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            result = await act(entry)
        except ServiceError as error:
            failed.append(_failure(entry["Id"], error))
        else:
            successful.append({"Id": entry["Id"], **(result or {})})
    return {"Successful": successful, "Failed": failed}


def _hidden_as(queue: Queue, entry: dict[str, Any]) -> object:
    try:
        return queue.hidden_as(entry["ReceiptHandle"])
    except InvalidReceiptError:
        # None of the queue's, and alone with its error.
        return entry["Id"]


def _failure(id_: str, error: ServiceError) -> dict[str, Any]:
    return {"Id": id_, "SenderFault": error.sender_fault, "Code": error.query_code, "Message": error.message}


def _refused(refusal: Refusal, queue: Queue) -> ServiceError:
    return throttled() if refusal is Refusal.THROTTLED else too_long(queue)


def _batch(values: dict[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = values["Entries"]
    if not entries:
        raise batch_error("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > BATCH_ENTRIES:
        raise batch_error(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {BATCH_ENTRIES}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if _ENTRY_ID.fullmatch(entry["Id"]) is None:
            raise batch_error(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if entry["Id"] in seen:
            raise batch_error("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])
    return entries


def _check_names(names: Iterable[str], known: frozenset[str]) -> None:
    for name in names:
        if name not in known:
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _attributes(queue: Queue) -> dict[str, str]:
    visible, in_flight, delayed = queue.counts()
    settings = queue.settings
    attributes = {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.created_at)),
        "VisibilityTimeout": str(settings.visibility_timeout),
        "MaximumMessageSize": str(settings.maximum_message_size),
        "MessageRetentionPeriod": str(settings.retention),
        "DelaySeconds": str(settings.delay),
        "ReceiveMessageWaitTimeSeconds": str(settings.receive_wait),
        "SqsManagedSseEnabled": "false",
    }
    if isinstance(queue, FifoQueue):
        attributes |= {
            "FifoQueue": "true",
            "ContentBasedDeduplication": "true" if settings.content_based_deduplication else "false",
            "DeduplicationScope": "messageGroup" if settings.high_throughput else "queue",
            "FifoThroughputLimit": "perMessageGroupId" if settings.high_throughput else "perQueue",
        }
    if queue.dead_letter_queue is not None:
        attributes["RedrivePolicy"] = json.dumps(
            {
                "deadLetterTargetArn": queue.dead_letter_queue.arn,
                "maxReceiveCount": settings.max_receive_count,
            },
            separators=(",", ":"),
        )
    return attributes
