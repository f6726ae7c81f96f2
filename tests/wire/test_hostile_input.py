"""Whatever comes in, an answer in the service's own form goes out, and nothing is raised."""

import json
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.world import World

KINESIS_OPERATIONS = [
    "PutRecord",
    "PutRecords",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "ListStreams",
    "DescribeStream",
    "DescribeStreamSummary",
]
SQS_OPERATIONS = [
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "GetQueueUrl",
    "GetQueueAttributes",
    "ListQueues",
    "PurgeQueue",
]
SNS_OPERATIONS = ["Publish", "PublishBatch", "GetTopicAttributes", "ListTopics", "ListSubscriptionsByTopic"]
MEMBERS = [
    *("StreamName", "StreamARN", "PartitionKey", "Data", "ExplicitHashKey", "Records", "ShardIterator", "Limit"),
    *("ShardId", "ShardIteratorType", "StartingSequenceNumber", "Timestamp", "NextToken", "MaxResults", "ShardFilter"),
    *("QueueUrl", "MessageBody", "Entries", "Id", "ReceiptHandle", "VisibilityTimeout", "MaxNumberOfMessages"),
    *("MessageAttributes", "MessageSystemAttributes", "AttributeNames", "MessageAttributeNames", "DelaySeconds"),
    *("DataType", "StringValue", "BinaryValue", "QueueName", "QueueNamePrefix", "ExclusiveStartShardId", "Type"),
]
GOOD = ["photos", "wide", "k", "eA==", "String", "All", "LATEST", "AT_TIMESTAMP", "shardId-000000000000", "0", "a"]
texts = st.sampled_from(GOOD) | st.text(max_size=20) | st.sampled_from(["\ud800", "\x00", "eA=", "x" * 300, "1" * 60])
scalars = texts | st.none() | st.booleans() | st.integers(-2, 12) | st.integers() | st.floats(allow_nan=False)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS) | texts, inner, max_size=5),
    max_leaves=20,
)
bodies = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=8)


def assert_json_error_or_answer(response: Any) -> None:
    answer = json.loads(response.body) if response.body else {}
    if response.status != 200:
        assert response.status in (400, 403, 404)
        assert isinstance(answer["message"], str)
        assert answer["__type"].rsplit("#", 1)[-1] == response.headers["x-amzn-errortype"]


@given(operation=st.sampled_from(KINESIS_OPERATIONS), body=bodies)
def test_kinesis_answers_any_json(operation: str, body: dict[str, Any]) -> None:
    body.setdefault("StreamName", "photos")
    response = World().call("kinesis", json.dumps(body).encode(), x_amz_target=f"Kinesis_20131202.{operation}")
    assert_json_error_or_answer(response)


@given(operation=st.sampled_from(SQS_OPERATIONS), body=bodies)
def test_sqs_answers_any_json(operation: str, body: dict[str, Any]) -> None:
    body.setdefault("QueueUrl", "http://127.0.0.1/1/photos")
    body.pop("WaitTimeSeconds", None)
    response = World().call("sqs", json.dumps(body).encode(), x_amz_target=f"AmazonSQS.{operation}")
    assert_json_error_or_answer(response)
    if response.status != 200:
        assert response.headers["x-amzn-query-error"].endswith(";Sender")


@given(service=st.sampled_from(["kinesis", "sqs"]), body=st.binary(max_size=60), target=st.text(max_size=20))
def test_any_bytes_to_any_target_are_answered(service: str, body: bytes, target: str) -> None:
    for name in (target, "Kinesis_20131202.PutRecord", "AmazonSQS.SendMessage"):
        assert_json_error_or_answer(World().call(service, body, x_amz_target=name))


parts = st.sampled_from(
    [
        *("Entries", "member", "entry", "1", "2", "00", "-1", "", "Name", "Value", "key", "Id", "Message", "DataType"),
        *("SendMessageBatchRequestEntry", "PublishBatchRequestEntries", "MessageAttribute", "MessageAttributes"),
        *("StringValue", "BinaryValue"),
    ]
)
names = st.lists(parts, min_size=1, max_size=5).map(".".join) | st.sampled_from(MEMBERS) | st.text(max_size=10)
plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(GOOD)


@given(
    service=st.sampled_from(["sqs", "sns"]),
    action=st.sampled_from([*SQS_OPERATIONS, *SNS_OPERATIONS, "CreateQueue", "Nothing"]),
    fields=st.dictionaries(names.filter(lambda name: name.isprintable()), plain, max_size=8),
    accept=st.sampled_from(["", "application/json"]),
)
def test_any_form_is_answered(service: str, action: str, fields: dict[str, str], accept: str) -> None:
    world = World()
    fields = {"TopicArn": world.topic.arn, "Action": action} | {
        name: value for name, value in fields.items() if name != "WaitTimeSeconds"
    }
    body = urlencode(fields, quote_via=quote).encode()
    path = "/1/photos" if service == "sqs" else "/"
    response = world.call(service, body, path=path, accept=accept)
    if accept:
        answer = json.loads(response.body)
        assert ("Error" in answer) == (response.status != 200)
    else:
        root = ElementTree.fromstring(response.body)
        assert root.tag.endswith("ErrorResponse") == (response.status != 200)


@given(service=st.sampled_from(["sqs", "sns"]), body=st.binary(max_size=80))
def test_any_bytes_as_a_form_are_answered(service: str, body: bytes) -> None:
    response = World().call(service, body, path="/1/photos")
    assert response.status in (200, 400)
    ElementTree.fromstring(response.body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "SerializationException"),
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b"null", "SerializationException"),
        (b"\xff\xfe", "SerializationException"),
        (b'{"StreamName": NaN}', "SerializationException"),
        (b'{"StreamName": ' + b"1" * 5_000 + b"}", "SerializationException"),
        (b"[" * 100_000, "SerializationException"),
        (b'{"StreamName": 7}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": ["k"], "Data": ""}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": "\\ud800", "Data": ""}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": "k", "Data": "eA="}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": "k", "Data": "e A=="}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": "k", "Data": "\\u00e9"}', "SerializationException"),
        (b'{"StreamName": "photos", "PartitionKey": "k", "Data": {"a": 1}}', "SerializationException"),
        (b'{"Records": ' + b"[" + b"{}," * 100_000 + b"{}]}", "ValidationException"),
        (b"{}", "ValidationException"),
    ],
    ids=[
        "empty",
        "cut off",
        "a list",
        "null",
        "not UTF-8",
        "NaN",
        "a number too large",
        "nested too deep",
        "a number for a name",
        "a list for a key",
        "half a surrogate pair",
        "base64 cut off",
        "base64 with a space",
        "base64 with an umlaut",
        "an object for bytes",
        "100,001 records",
        "nothing",
    ],
)
def test_what_kinesis_cannot_read_is_named(world: World, body: bytes, code: str) -> None:
    for operation in ("PutRecord", "PutRecords"):
        response = world.call("kinesis", body, x_amz_target=f"Kinesis_20131202.{operation}")
        assert_json_error_or_answer(response)
        if operation == "PutRecord" and b"Records" not in body:
            assert response.headers["x-amzn-errortype"] == code
    assert world.stream.latest() == 0


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "", 404),
        ("POST", "Kinesis_20131202.", 404),
        ("POST", "Kinesis_20131202.Nothing", 400),
        ("POST", "DynamoDB_20120810.PutItem", 400),
        ("GET", "Kinesis_20131202.PutRecord", 400),
    ],
)
def test_a_target_kinesis_does_not_have_is_unknown(world: World, method: str, target: str, status: int) -> None:
    response = world.call("kinesis", b"{}", method=method, x_amz_target=target)
    assert (response.status, response.headers["x-amzn-errortype"]) == (status, "UnknownOperationException")


def test_a_form_of_too_many_fields_is_refused(world: World) -> None:
    response = world.call("sns", b"a=1&" * 10_000)
    assert response.status == 400
    assert b"MalformedInput" in response.body
