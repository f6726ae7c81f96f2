"""SNS on the wire: the query protocol, as the SDKs and API Gateway's integrations speak it."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from delivery.protocol import Refusal
from local.api_model import ApiModel
from local.message_attribute import InvalidAttributeError, read_attributes
from local.query_protocol import QueryProtocol
from local.service_error import MalformedError, MissingError, ServiceError, UnreadableError, validation_message
from local.topic import Publication, Topic, TopicMessage
from local.wire import WireRequest, WireResponse

# API:PublishBatch.
BATCH_ENTRIES = 10
# API:Publish: what a subject may be.
_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_PAGE = 100


class Sns:
    """The SNS API over an account's topics. `request_id` names each answer."""

    def __init__(self, topics: Iterable[Topic], request_id: Callable[[], str]) -> None:
        self._topics = {topic.arn: topic for topic in topics}
        self._protocol = QueryProtocol(
            ApiModel("sns"),
            "http://sns.amazonaws.com/doc/2010-03-31/",
            {
                "Publish": self._publish,
                "PublishBatch": self._publish_batch,
                "GetTopicAttributes": self._get_topic_attributes,
                "ListTopics": self._list_topics,
                "ListSubscriptionsByTopic": self._list_subscriptions_by_topic,
            },
            _translate,
            request_id,
        )

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        return await self._protocol.handle(request)

    async def _publish(self, values: dict[str, Any]) -> dict[str, Any]:
        if "PhoneNumber" in values:
            raise _invalid("PhoneNumber Reason: no message is sent to a phone here: give a TopicArn")
        arn = values.get("TopicArn") or values.get("TargetArn")
        if not arn:
            raise _invalid("TopicArn or TargetArn Reason: no value for required parameter")
        topic = self._topic(arn)
        (answer,) = topic.publish([_publication(values, topic)])
        if isinstance(answer, TopicMessage):
            return {"MessageId": answer.message_id}
        raise _refusal(answer)

    async def _publish_batch(self, values: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(values["TopicArn"])
        entries = _batch(values["PublishBatchRequestEntries"])
        publications: dict[str, Publication] = {}
        failed: list[dict[str, Any]] = []
        for entry in entries:
            try:
                publications[entry["Id"]] = _publication(entry, topic)
            except ServiceError as error:
                failed.append(_failure(entry["Id"], error))
        size = sum(publication.size for publication in publications.values())
        if size > topic.maximum_message_size:
            raise ServiceError(
                "BatchRequestTooLong",
                f"The length of all the messages put together is more than the limit of {topic.maximum_message_size}.",
            )
        successful: list[dict[str, Any]] = []
        for id_, answer in zip(publications, topic.publish(list(publications.values())), strict=True):
            if isinstance(answer, TopicMessage):
                successful.append({"Id": id_, "MessageId": answer.message_id})
            else:
                failed.append(_failure(id_, _refusal(answer)))
        return {"Successful": successful, "Failed": failed}

    async def _get_topic_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(values["TopicArn"])
        return {
            "Attributes": {
                "Owner": _owner(topic),
                "SubscriptionsPending": "0",
                "TopicArn": topic.arn,
                "SubscriptionsConfirmed": str(len(topic.subscriptions)),
                "DisplayName": "",
                "SubscriptionsDeleted": "0",
                "MaximumMessageSize": str(topic.maximum_message_size),
            }
        }

    async def _list_topics(self, values: dict[str, Any]) -> dict[str, Any]:
        first, end = _page(values, len(self._topics))
        answer: dict[str, Any] = {"Topics": [{"TopicArn": arn} for arn in sorted(self._topics)[first:end]]}
        if end < len(self._topics):
            answer["NextToken"] = str(end)
        return answer

    async def _list_subscriptions_by_topic(self, values: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(values["TopicArn"])
        first, end = _page(values, len(topic.subscriptions))
        answer: dict[str, Any] = {
            "Subscriptions": [
                {
                    "SubscriptionArn": subscription.arn,
                    "Owner": _owner(topic),
                    "Protocol": subscription.protocol,
                    "Endpoint": subscription.endpoint,
                    "TopicArn": topic.arn,
                }
                for subscription in topic.subscriptions[first:end]
            ]
        }
        if end < len(topic.subscriptions):
            answer["NextToken"] = str(end)
        return answer

    def _topic(self, arn: str) -> Topic:
        topic = self._topics.get(arn)
        if topic is not None:
            return topic
        parts = arn.split(":")
        if len(parts) < 6:
            raise _invalid(f"TopicArn Reason: An ARN must have at least 6 elements, not {len(parts)}")
        if parts[0] != "arn" or parts[2] != "sns":
            raise _invalid("TopicArn")
        raise ServiceError("NotFound", "Topic does not exist", status=404)


def _publication(values: dict[str, Any], topic: Topic) -> Publication:
    message: str = values["Message"]
    if not message:
        raise _invalid("Empty message")
    if "MessageDeduplicationId" in values:
        raise _invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid "
            "for this topic type"
        )
    subject = values.get("Subject")
    if subject is not None and _SUBJECT.fullmatch(subject) is None:
        raise _invalid("Subject")
    try:
        attributes = read_attributes(values.get("MessageAttributes", {}))
    except InvalidAttributeError as error:
        raise ServiceError("ParameterValueInvalid", str(error)) from None
    publication = Publication(_structured(message, values.get("MessageStructure")), subject, attributes)
    if max(publication.size, len(message.encode())) > topic.maximum_message_size:
        raise _invalid("Message too long")
    return publication


def _structured(message: str, structure: str | None) -> str:
    """The text a function gets: a message of the structure `json` holds one for each protocol."""
    if structure is None:
        return message
    if structure != "json":
        raise _invalid("MessageStructure")
    try:
        by_protocol = json.loads(message)
    except (ValueError, RecursionError):
        raise _invalid("Message Structure - JSON message body failed to parse") from None
    texts = by_protocol if isinstance(by_protocol, dict) else {}
    text = texts.get("lambda", texts.get("default"))
    if not isinstance(text, str) or "default" not in texts:
        raise _invalid("Message Structure - No default entry in JSON message body")
    return text


def _batch(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not entries:
        raise ServiceError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > BATCH_ENTRIES:
        raise ServiceError(
            "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible (more than 10)."
        )
    seen: set[str] = set()
    for entry in entries:
        if _ENTRY_ID.fullmatch(entry["Id"]) is None:
            raise ServiceError(
                "InvalidBatchEntryId",
                "The Id of a batch entry is not valid: 1 to 80 letters, digits, hyphens or underscores.",
            )
        if entry["Id"] in seen:
            raise ServiceError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
        seen.add(entry["Id"])
    return entries


def _failure(id_: str, error: ServiceError) -> dict[str, Any]:
    return {"Id": id_, "Code": error.code, "Message": error.message, "SenderFault": error.sender_fault}


def _refusal(refusal: Refusal) -> ServiceError:
    if refusal is Refusal.TOO_LARGE:
        return _invalid("Message too long")
    return ServiceError("Throttled", "Rate exceeded", status=429)


def _invalid(what: str) -> ServiceError:
    return ServiceError("InvalidParameter", f"Invalid parameter: {what}")


def _owner(topic: Topic) -> str:
    return topic.arn.split(":")[4]


def _page(values: dict[str, Any], count: int) -> tuple[int, int]:
    token = values.get("NextToken", "0")
    if not token.isascii() or not token.isdigit() or len(token) > 9:
        raise _invalid("NextToken")
    first = int(token)
    return first, min(count, first + _PAGE)


def _translate(error: UnreadableError) -> ServiceError:
    if isinstance(error, MalformedError):
        return ServiceError("MalformedInput", str(error))
    if isinstance(error, MissingError) and error.name == "TopicArn":
        return _invalid("TopicArn Reason: no value for required parameter")
    return ServiceError("ValidationError", validation_message(error))
