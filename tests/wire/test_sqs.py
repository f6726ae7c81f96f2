"""SQS through boto3: what senders and receivers see."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from delivery.quotas import Quotas
from tests.wire.world import STARTED_AT, World

BODIES = {
    "plain": "hello",
    "JSON": '{"a": "b", "c": [1, 2]}',
    "what a form would take apart": "a=1&b=2+3%20%2B#?\n\r\t\"'<>",
    "beyond ASCII": "Größe \U0001f4f7 漢字",
}


def code_of(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def receive(client: Any, world: World, most: int = 10, **more: Any) -> list[dict[str, Any]]:
    answer = client.receive_message(QueueUrl=world.queue.url, MaxNumberOfMessages=most, **more)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return sorted(message["Body"] for message in messages)


def counts(client: Any, world: World) -> tuple[int, int, int]:
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    found = client.get_queue_attributes(QueueUrl=world.queue.url, AttributeNames=names)["Attributes"]
    visible, in_flight, delayed = (int(found[name]) for name in names)
    return visible, in_flight, delayed


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_comes_back_as_it_was_sent(sqs: Any, world: World, body: str) -> None:
    sent = sqs.send_message(QueueUrl=world.queue.url, MessageBody=body)
    (message,) = receive(sqs, world)
    assert message["Body"] == body
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()


def test_attributes_come_back_as_they_were_sent(sqs: Any, world: World) -> None:
    attributes = {
        "text": {"DataType": "String", "StringValue": "ä"},
        "count": {"DataType": "Number.int", "StringValue": "-1.5e3"},
        "blob": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
    }
    sent = sqs.send_message(
        QueueUrl=world.queue.url,
        MessageBody="x",
        MessageAttributes=attributes,
        MessageGroupId="tenant-1",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}},
    )
    assert sent["MD5OfMessageAttributes"]
    assert sent["MD5OfMessageSystemAttributes"]
    world.clock.advance(2)
    (message,) = receive(sqs, world, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"] == {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": str(int(STARTED_AT * 1000)),
        "ApproximateFirstReceiveTimestamp": str(int((STARTED_AT + 2) * 1000)),
        "SenderId": "123456789012",
        "AWSTraceHeader": "Root=1-2-3",
        "MessageGroupId": "tenant-1",
    }


@pytest.mark.parametrize(
    ("names", "given"),
    [([], set()), (["text"], {"text"}), (["te.*"], {"text", "test"}), ([".*"], {"text", "test", "blob"})],
    ids=["none", "by name", "by prefix", "all"],
)
def test_only_the_attributes_asked_for_are_given(sqs: Any, world: World, names: list[str], given: set[str]) -> None:
    attributes = {name: {"DataType": "String", "StringValue": "x"} for name in ("text", "test", "blob")}
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x", MessageAttributes=attributes)
    (message,) = receive(sqs, world, MessageAttributeNames=names, AttributeNames=["SentTimestamp"])
    assert set(message.get("MessageAttributes", {})) == given
    assert set(message["Attributes"]) == {"SentTimestamp"}


def test_a_received_message_is_hidden_until_its_visibility_timeout(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x")
    assert counts(sqs, world) == (1, 0, 0)
    assert bodies(receive(sqs, world)) == ["x"]
    assert counts(sqs, world) == (0, 1, 0)
    world.clock.advance(29.9)
    assert receive(sqs, world) == []
    world.clock.advance(0.2)
    (again,) = receive(sqs, world, MessageSystemAttributeNames=["ApproximateReceiveCount"])
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_deleted_message_is_gone_for_good(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x")
    (message,) = receive(sqs, world)
    sqs.delete_message(QueueUrl=world.queue.url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_message(QueueUrl=world.queue.url, ReceiptHandle=message["ReceiptHandle"])
    world.clock.advance(60)
    assert receive(sqs, world) == []
    assert counts(sqs, world) == (0, 0, 0)


def test_a_message_given_up_lies_in_the_dead_letter_queue_as_it_was(sqs: Any, world: World) -> None:
    attributes = {"a": {"DataType": "String", "StringValue": "1"}}
    sent = sqs.send_message(QueueUrl=world.queue.url, MessageBody="poison", MessageAttributes=attributes)
    for _ in range(3):
        receive(sqs, world)
        world.clock.advance(31)
    assert counts(sqs, world) == (0, 0, 0)
    (dead,) = sqs.receive_message(
        QueueUrl=world.dead.url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert (dead["MessageId"], dead["Body"], dead["MessageAttributes"]) == (sent["MessageId"], "poison", attributes)
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == world.queue.arn
    assert dead["Attributes"]["SentTimestamp"] == str(int(STARTED_AT * 1000))


def test_changing_the_visibility_hides_longer_or_gives_back_at_once(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x")
    (message,) = receive(sqs, world)
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=world.queue.url, ReceiptHandle=handle, VisibilityTimeout=100)
    world.clock.advance(99)
    assert receive(sqs, world) == []
    sqs.change_message_visibility(QueueUrl=world.queue.url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert bodies(receive(sqs, world)) == ["x"]


def test_a_delayed_message_is_seen_after_its_delay(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x", DelaySeconds=10)
    assert counts(sqs, world) == (0, 0, 1)
    world.clock.advance(9)
    assert receive(sqs, world) == []
    world.clock.advance(1)
    assert bodies(receive(sqs, world)) == ["x"]


def test_a_batch_fails_entry_by_entry(sqs: Any, world: World) -> None:
    answer = sqs.send_message_batch(
        QueueUrl=world.queue.url,
        Entries=[
            {"Id": "good", "MessageBody": "a"},
            {"Id": "bad", "MessageBody": "\x00"},
            {"Id": "late", "MessageBody": "b", "DelaySeconds": 901},
            {"Id": "fine", "MessageBody": "c"},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "fine"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("bad", "InvalidMessageContents", True),
        ("late", "InvalidParameterValue", True),
    ]
    messages = receive(sqs, world)
    assert bodies(messages) == ["a", "c"]
    handles = [messages[0]["ReceiptHandle"], "forged", messages[1]["ReceiptHandle"]]
    entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=world.queue.url, Entries=[{**entry, "VisibilityTimeout": 5} for entry in entries]
    )
    deleted = sqs.delete_message_batch(QueueUrl=world.queue.url, Entries=entries)
    for answer in (changed, deleted):
        assert [entry["Id"] for entry in answer["Successful"]] == ["0", "2"]
        assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("1", "ReceiptHandleIsInvalid")]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            [{"Id": str(n), "MessageBody": "x"} for n in range(11)],
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "MessageBody": "x"}], "AWS.SimpleQueueService.InvalidBatchEntryId"),
        ([{"Id": n, "MessageBody": "x" * 600_000} for n in "ab"], "AWS.SimpleQueueService.BatchRequestTooLong"),
        ([{"Id": "a"}], "MissingParameter"),
    ],
    ids=["none", "eleven", "an id twice", "a bad id", "over 1 MiB together", "no body"],
)
def test_a_bad_batch_is_refused_whole(sqs: Any, world: World, entries: list[dict[str, Any]], code: str) -> None:
    answer = code_of(lambda: sqs.send_message_batch(QueueUrl=world.queue.url, Entries=entries))
    assert (answer[0], answer[2]) == (code, 400)
    assert counts(sqs, world) == (0, 0, 0)


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"QueueUrl": "http://127.0.0.1/1/none"}, "AWS.SimpleQueueService.NonExistentQueue", "does not exist"),
        ({"MessageBody": ""}, "MissingParameter", "The request must contain the parameter MessageBody."),
        (
            {"MessageBody": "x" * (1 << 20) + "y"},
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ),
        ({"MessageBody": "é" * (1 << 19) + "y"}, "InvalidParameterValue", "must be shorter than 1048576 bytes"),
        ({"MessageBody": "a\x0b"}, "InvalidMessageContents", "Invalid characters found"),
        ({"MessageBody": "\ufffe"}, "InvalidMessageContents", "Invalid characters found"),
        ({"MessageBody": "ä\uffff"}, "InvalidMessageContents", "Invalid characters found"),
        ({"MessageBody": "a\x00b"}, "InvalidMessageContents", "Invalid characters found"),
        ({"MessageBody": "\x1f"}, "InvalidMessageContents", "Invalid characters found"),
        (
            {"MessageAttributes": {"a": {"DataType": "String", "StringValue": "\x01"}}},
            "InvalidMessageContents",
            "Invalid characters found",
        ),
        ({"DelaySeconds": -1}, "InvalidParameterValue", "Must be between 0 and 900"),
        ({"MessageDeduplicationId": "d"}, "InvalidParameterValue", "not valid for this queue type"),
        ({"MessageGroupId": "g" * 129}, "InvalidParameterValue", "MessageGroupId"),
        (
            {"MessageAttributes": {str(n): {"DataType": "String", "StringValue": "x"} for n in range(11)}},
            "InvalidParameterValue",
            "Number of message attributes [11] exceeds the allowed maximum [10].",
        ),
        ({"MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}}, "InvalidParameterValue", "type pref"),
        ({"MessageAttributes": {"a": {"DataType": "String"}}}, "InvalidParameterValue", "must contain non-empty"),
        ({"MessageAttributes": {"a..b": {"DataType": "String", "StringValue": "x"}}}, "InvalidParameterValue", "name"),
        ({"MessageAttributes": {"AWS.b": {"DataType": "String", "StringValue": "x"}}}, "InvalidParameterValue", "AWS."),
        ({"MessageAttributes": {"a": {"DataType": "Number", "StringValue": "x"}}}, "InvalidParameterValue", "number"),
    ],
    ids=[
        "unknown queue",
        "empty",
        "one byte over 1 MiB",
        "one byte over 1 MiB in UTF-8",
        "vertical tab",
        "U+FFFE",
        "U+FFFF",
        "NUL",
        "unit separator",
        "control character in an attribute",
        "negative delay",
        "deduplication of a FIFO queue",
        "group too long",
        "eleven attributes",
        "attribute of no type",
        "attribute without value",
        "attribute's name",
        "reserved name",
        "not a number",
    ],
)
def test_a_bad_message_is_refused_as_aws_does(
    sqs: Any, world: World, more: dict[str, Any], code: str, says: str
) -> None:
    request = {"QueueUrl": world.queue.url, "MessageBody": "x", **more}
    answer = code_of(lambda: sqs.send_message(**request))
    assert (answer[0], answer[2]) == (code, 400)
    assert says in answer[1]
    assert counts(sqs, world) == (0, 0, 0)


def test_a_message_of_exactly_a_mebibyte_is_taken(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x" * (1 << 20))
    assert counts(sqs, world) == (1, 0, 0)


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (lambda sqs, url: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11), "InvalidParameterValue", 400),
        (lambda sqs, url: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=0), "InvalidParameterValue", 400),
        (lambda sqs, url: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21), "InvalidParameterValue", 400),
        (lambda sqs, url: sqs.receive_message(QueueUrl=url, VisibilityTimeout=43_201), "InvalidParameterValue", 400),
        (lambda sqs, url: sqs.delete_message(QueueUrl=url, ReceiptHandle="forged"), "ReceiptHandleIsInvalid", 404),
        (lambda sqs, url: sqs.delete_message(QueueUrl=url), "MissingParameter", 400),
        (
            lambda sqs, url: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="x", VisibilityTimeout=-1),
            "InvalidParameterValue",
            400,
        ),
        (lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["No"]), "InvalidAttributeName", 400),
        (lambda sqs, url: sqs.get_queue_url(QueueName="none"), "AWS.SimpleQueueService.NonExistentQueue", 400),
        (lambda sqs, url: sqs.list_queues(MaxResults=1_001), "InvalidParameterValue", 400),
        (lambda sqs, url: sqs.create_queue(QueueName="new"), "UnknownOperationException", 400),
    ],
    ids=[
        "over ten messages",
        "no message",
        "wait over 20 s",
        "hidden over 12 h",
        "forged receipt",
        "no receipt",
        "negative visibility",
        "unknown attribute",
        "unknown queue",
        "page too large",
        "not served",
    ],
)
def test_a_bad_call_is_refused_as_aws_does(
    sqs: Any, world: World, call: Callable[[Any, str], Any], code: str, status: int
) -> None:
    answer = code_of(lambda: call(sqs, world.queue.url))
    assert (answer[0], answer[2]) == (code, status)


def test_the_visibility_of_a_message_back_in_the_queue_cannot_be_changed(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x")
    (message,) = receive(sqs, world)
    world.clock.advance(31)
    code, text, _ = code_of(
        lambda: sqs.change_message_visibility(
            QueueUrl=world.queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5
        )
    )
    assert code == "InvalidParameterValue"
    assert "not available for visibility timeout change" in text


def test_a_purged_queue_is_empty_and_purged_once_a_minute(sqs: Any, world: World) -> None:
    for body in "abc":
        sqs.send_message(QueueUrl=world.queue.url, MessageBody=body)
    receive(sqs, world, 1)
    sqs.purge_queue(QueueUrl=world.queue.url)
    assert counts(sqs, world) == (0, 0, 0)
    answer = code_of(lambda: sqs.purge_queue(QueueUrl=world.queue.url))
    assert (answer[0], answer[2]) == ("AWS.SimpleQueueService.PurgeQueueInProgress", 403)
    world.clock.advance(61)
    sqs.purge_queue(QueueUrl=world.queue.url)


def test_queues_describe_themselves(sqs: Any, world: World) -> None:
    assert sqs.get_queue_url(QueueName="photos")["QueueUrl"] == world.queue.url
    urls = [queue.url for queue in (world.content_fifo, world.dead, world.dead_fifo, world.queue, world.fifo)]
    assert sqs.list_queues()["QueueUrls"] == urls
    assert sqs.list_queues(QueueNamePrefix="ph")["QueueUrls"] == [world.queue.url, world.fifo.url]
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="zz")
    pages = list(sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1}))
    assert [page["QueueUrls"] for page in pages] == [[url] for url in urls]
    attributes = sqs.get_queue_attributes(QueueUrl=world.queue.url, AttributeNames=["All"])["Attributes"]
    assert attributes["RedrivePolicy"] == (
        '{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:123456789012:dead","maxReceiveCount":2}'
    )
    assert attributes["VisibilityTimeout"] == "30"
    assert attributes["QueueArn"] == world.queue.arn
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=world.dead.url, AttributeNames=["RedrivePolicy"])
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=world.dead.url)


@pytest.mark.parametrize("world", [World(quotas=Quotas.with_overrides({"sqs_in_flight_max": 2}))])
def test_too_many_messages_in_flight_are_over_the_limit(sqs: Any, world: World) -> None:
    for body in "abc":
        sqs.send_message(QueueUrl=world.queue.url, MessageBody=body)
    assert bodies(receive(sqs, world)) == ["a", "b"]
    answer = code_of(lambda: receive(sqs, world))
    assert (answer[0], answer[2]) == ("OverLimit", 403)
