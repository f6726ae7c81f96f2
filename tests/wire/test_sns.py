"""SNS through boto3: what publishers see."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from delivery.quotas import Quotas
from tests.wire.world import World


def code_of(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def world() -> World:
    return World(quotas=Quotas.with_overrides({"sns_messages_per_s": 5}))


@pytest.fixture
def taken(world: World) -> list[int]:
    """The ids of what the topic takes in, and keeps because somebody listens."""
    ids: list[int] = []
    world.topic.subscribe(lambda offer: ids.extend(offer.ids))
    return ids


def test_a_published_message_is_there_for_its_subscriber(sns: Any, world: World, taken: list[int]) -> None:
    text = "Größe \U0001f4f7 & + % \"'<>\n\x01"
    answer = sns.publish(
        TopicArn=world.topic.arn,
        Message=text,
        Subject="Hello",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "ä"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    message = world.topic.message(taken[0])
    assert answer["MessageId"] == message.message_id == "published-1"
    assert message.publication.message == text
    assert message.publication.subject == "Hello"
    assert message.publication.attributes["kind"].value == "ä"
    assert message.publication.attributes["blob"].value == b"\x00\xff"
    world.topic.discard(taken)
    with pytest.raises(KeyError):
        world.topic.message(taken[0])


def test_a_message_nobody_listens_to_is_not_kept(sns: Any, world: World) -> None:
    sns.publish(TopicArn=world.topic.arn, Message="x")
    with pytest.raises(KeyError):
        world.topic.message(0)


def test_a_structured_message_is_the_text_for_lambda(sns: Any, world: World, taken: list[int]) -> None:
    for message in ({"default": "d"}, {"default": "d", "lambda": "l"}):
        sns.publish(TopicArn=world.topic.arn, Message=json.dumps(message), MessageStructure="json")
    assert [world.topic.message(id_).publication.message for id_ in taken] == ["d", "l"]


def test_a_batch_fails_entry_by_entry(sns: Any, world: World, taken: list[int]) -> None:
    answer = sns.publish_batch(
        TopicArn=world.topic.arn,
        PublishBatchRequestEntries=[
            {"Id": "a", "Message": "1"},
            {"Id": "b", "Message": ""},
            {"Id": "c", "Message": "2", "Subject": "line\nbreak"},
            {"Id": "d", "Message": "3", "MessageAttributes": {"k": {"DataType": "Number", "StringValue": "7"}}},
        ],
    )
    assert [(entry["Id"], entry["MessageId"]) for entry in answer["Successful"]] == [
        ("a", "published-1"),
        ("d", "published-2"),
    ]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("b", "InvalidParameter", True),
        ("c", "InvalidParameter", True),
    ]
    assert [world.topic.message(id_).publication.message for id_ in taken] == ["1", "3"]


def test_publishing_over_the_quota_is_throttled_with_429(sns: Any, world: World) -> None:
    for _ in range(5):
        sns.publish(TopicArn=world.topic.arn, Message="x")
    code, message, status = code_of(lambda: sns.publish(TopicArn=world.topic.arn, Message="x"))
    assert (code, message, status) == ("Throttled", "Rate exceeded", 429)
    world.clock.advance(1)
    sns.publish(TopicArn=world.topic.arn, Message="x")


def test_a_batch_over_the_quota_is_throttled_entry_by_entry(sns: Any, world: World) -> None:
    entries = [{"Id": str(number), "Message": "x"} for number in range(8)]
    answer = sns.publish_batch(TopicArn=world.topic.arn, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "1", "2", "3", "4"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("5", "Throttled"),
        ("6", "Throttled"),
        ("7", "Throttled"),
    ]


@pytest.mark.parametrize(
    ("more", "code", "says", "status"),
    [
        ({"TopicArn": "arn:aws:sns:eu-central-1:123456789012:none"}, "NotFound", "Topic does not exist", 404),
        ({"TopicArn": "photos"}, "InvalidParameter", "An ARN must have at least 6 elements, not 1", 400),
        ({"TopicArn": None}, "InvalidParameter", "TopicArn or TargetArn Reason: no value for required", 400),
        ({"Message": ""}, "InvalidParameter", "Empty message", 400),
        ({"Message": None}, "ValidationError", "Value null at 'message' failed to satisfy constraint", 400),
        ({"Message": "x" * 262_145}, "InvalidParameter", "Invalid parameter: Message too long", 400),
        ({"Message": "é" * 131_073}, "InvalidParameter", "Message too long", 400),
        ({"Subject": "s" * 101}, "InvalidParameter", "Subject", 400),
        ({"MessageStructure": "json", "Message": "{"}, "InvalidParameter", "JSON message body failed to parse", 400),
        ({"MessageStructure": "json", "Message": "{}"}, "InvalidParameter", "No default entry in JSON", 400),
        ({"MessageStructure": "xml"}, "InvalidParameter", "MessageStructure", 400),
        ({"MessageDeduplicationId": "d"}, "InvalidParameter", "not valid for this topic type", 400),
        ({"MessageAttributes": {"a": {"DataType": "X", "StringValue": "x"}}}, "ParameterValueInvalid", "type", 400),
        ({"PhoneNumber": "+4912345678", "TopicArn": None}, "InvalidParameter", "PhoneNumber", 400),
    ],
    ids=[
        "unknown topic",
        "no ARN",
        "no topic",
        "empty",
        "no message",
        "one byte over 256 KiB",
        "over 256 KiB in UTF-8",
        "subject too long",
        "no JSON",
        "no default",
        "no such structure",
        "deduplication of a FIFO topic",
        "attribute of no type",
        "a phone",
    ],
)
def test_a_bad_publish_is_refused_as_aws_does(
    sns: Any, world: World, more: dict[str, Any], code: str, says: str, status: int, taken: list[int]
) -> None:
    request = {"TopicArn": world.topic.arn, "Message": "x", **more}
    answer = code_of(lambda: sns.publish(**{name: value for name, value in request.items() if value is not None}))
    assert (answer[0], answer[2]) == (code, status)
    assert says in answer[1]
    assert taken == []


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([{"Id": str(number), "Message": "x"} for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "Message": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "x"}], "InvalidBatchEntryId"),
        ([{"Id": name, "Message": "x" * 200_000} for name in "ab"], "BatchRequestTooLong"),
    ],
    ids=["eleven", "an id twice", "a bad id", "over 256 KiB together"],
)
def test_a_bad_batch_is_refused_whole(
    sns: Any, world: World, entries: list[dict[str, Any]], code: str, taken: list[int]
) -> None:
    answer = code_of(lambda: sns.publish_batch(TopicArn=world.topic.arn, PublishBatchRequestEntries=entries))
    assert (answer[0], answer[2]) == (code, 400)
    assert taken == []


def test_topics_describe_themselves(sns: Any, world: World) -> None:
    assert sns.list_topics()["Topics"] == [{"TopicArn": world.topic.arn}]
    attributes = sns.get_topic_attributes(TopicArn=world.topic.arn)["Attributes"]
    assert attributes["TopicArn"] == world.topic.arn
    assert attributes["SubscriptionsConfirmed"] == "1"
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=world.topic.arn)["Subscriptions"]
    assert subscription["Protocol"] == "lambda"
    assert subscription["Endpoint"].endswith("function:recognise")


def test_what_is_not_served_says_so(sns: Any) -> None:
    code, message, status = code_of(lambda: sns.create_topic(Name="new"))
    assert (code, status) == ("InvalidAction", 400)
    assert "CreateTopic" in message
