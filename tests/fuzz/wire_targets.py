"""What is read off the wire of calls to services: the query and JSON protocols, and DynamoDB's expressions."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree

from hypothesis import strategies as st

from delivery.token_bucket import TokenBucket
from local.recogniser.image_file import ImageFile
from local.rekognition.service import RekognitionService
from local.wire import WireRequest, WireResponse
from tests.dynamodb.world import make_db
from tests.fuzz.mutation import SCALARS, as_text, documents, dumped, mutated
from tests.fuzz.target import Target
from tests.wire.world import World

_MEMBERS: Final = [
    *("StreamName", "StreamARN", "PartitionKey", "Data", "ExplicitHashKey", "Records", "ShardIterator", "Limit"),
    *("ShardId", "ShardIteratorType", "StartingSequenceNumber", "Timestamp", "NextToken", "ShardFilter", "QueueUrl"),
    *("MessageBody", "Entries", "Id", "ReceiptHandle", "VisibilityTimeout", "MaxNumberOfMessages", "AttributeNames"),
    *("MessageAttributes", "DelaySeconds", "DataType", "StringValue", "BinaryValue", "MessageGroupId", "TopicArn"),
    *("MessageDeduplicationId", "ConsumerName", "ConsumerARN", "TableName", "Key", "Item", "S", "N", "B", "L", "M"),
    *("UpdateExpression", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues", "Image"),
    *("Bytes", "S3Object", "Bucket", "Name", "MaxLabels", "MinConfidence", "Features", "SS"),
]
_KINESIS: Final[Mapping[str, Mapping[str, Any]]] = {
    "PutRecord": {"StreamName": "photos", "PartitionKey": "k", "Data": "eA=="},
    "PutRecords": {"StreamName": "wide", "Records": [{"PartitionKey": "k", "Data": "eA==", "ExplicitHashKey": "0"}]},
    "GetShardIterator": {
        "StreamName": "photos", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": "49652146291845270837120",
    },
    "GetRecords": {"ShardIterator": "AAAA", "Limit": 1},
    "ListShards": {"StreamName": "wide", "ShardFilter": {"Type": "AT_TIMESTAMP", "Timestamp": 1}, "MaxResults": 2},
    "DescribeStreamSummary": {"StreamName": "photos"},
    "DescribeStreamConsumer": {"StreamARN": "arn", "ConsumerName": "c"},
}  # fmt: skip
_SQS: Final[Mapping[str, Mapping[str, Any]]] = {
    "SendMessage": {
        "QueueUrl": "http://127.0.0.1/1/photos", "MessageBody": "m", "DelaySeconds": 1,
        "MessageAttributes": {"a": {"DataType": "Number.x", "StringValue": "1"}},
    },
    "SendMessageBatch": {
        "QueueUrl": "http://127.0.0.1/1/photos.fifo",
        "Entries": [{"Id": "a", "MessageBody": "m", "MessageGroupId": "g", "MessageDeduplicationId": "d"}],
    },
    "ReceiveMessage": {"QueueUrl": "http://127.0.0.1/1/photos", "MaxNumberOfMessages": 10, "AttributeNames": ["All"]},
    "DeleteMessageBatch": {"QueueUrl": "http://127.0.0.1/1/photos", "Entries": [{"Id": "a", "ReceiptHandle": "r"}]},
    "ChangeMessageVisibility": {"QueueUrl": "http://127.0.0.1/1/photos", "ReceiptHandle": "r", "VisibilityTimeout": 0},
    "GetQueueAttributes": {"QueueUrl": "http://127.0.0.1/1/photos", "AttributeNames": ["All"]},
}  # fmt: skip
_KEY: Final = {"TableName": "results", "Key": {"request_id": {"S": "a"}}}
_EXPRESSION: Final = {"ExpressionAttributeNames": {"#s": "status"}, "ExpressionAttributeValues": {":n": {"N": "1"}}}
_DYNAMODB: Final[Mapping[str, Mapping[str, Any]]] = {
    "PutItem": {
        "TableName": "results",
        "Item": {"request_id": {"S": "a"}, "n": {"N": "1.50"}, "l": {"L": [{"BOOL": True}]}},
    },
    "GetItem": {**_KEY, "ProjectionExpression": "a, b[0].c", "ConsistentRead": True},
    "DeleteItem": {**_KEY, "ConditionExpression": "attribute_exists(#s) AND n BETWEEN :n AND :n", **_EXPRESSION},
    "UpdateItem": {
        **_KEY, "UpdateExpression": "SET #s = if_not_exists(#s, :n), l = list_append(l, :n) ADD n :n REMOVE x",
        "ReturnValues": "ALL_NEW", **_EXPRESSION,
    },
    "Query": {
        "TableName": "log", "KeyConditionExpression": "name = :n AND begins_with(at, :n)", "Limit": 1, **_EXPRESSION,
    },
    "Scan": {"TableName": "results", "FilterExpression": "contains(a, :n) OR NOT size(#s) IN (:n, :n)", **_EXPRESSION},
    "DescribeTable": {"TableName": "results"},
}  # fmt: skip
_GRAMMAR: Final = [
    *("SET", "ADD", "REMOVE", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN", "=", "<>", "<", ">=", "+", "-", ",", "("),
    *(")", "[", "]", "[0]", "[99999999999]", ".", "#s", "#", ":n", ":", "a", "b.c", "size(a)", "attribute_exists(a)"),
    *("attribute_type(a, :n)", "if_not_exists(a, :n)", "list_append(a, :n)", "begins_with(a, :n)", "contains(a, :n)"),
    "é",
]
_EXPRESSIONS: Final = st.lists(st.sampled_from(_GRAMMAR), max_size=12).map(" ".join)


def _calls(operations: Mapping[str, Mapping[str, Any]]) -> st.SearchStrategy[tuple[str, bytes]]:
    """An operation, and a body that is nearly one of its own, or of another's."""
    bodies = [dumped(body) for body in operations.values()]
    free = st.dictionaries(st.sampled_from(_MEMBERS), documents(_MEMBERS, SCALARS), max_size=8).map(dumped)
    return st.tuples(st.sampled_from(sorted(operations)), mutated(bodies, [b"WaitTimeSecond"]) | free)


def _is_json_answer(response: WireResponse) -> None:
    answer = json.loads(response.body) if response.body else {}
    assert response.status in (200, 400, 403, 404, 413), (response.status, response.body)
    if response.status != 200:
        assert "__type" in answer


def _kinesis(call: tuple[str, bytes]) -> None:
    operation, body = call
    _is_json_answer(World().call("kinesis", body, x_amz_target=f"Kinesis_20131202.{operation}"))


def _sqs(call: tuple[str, bytes]) -> None:
    operation, body = call
    _is_json_answer(World().call("sqs", body, x_amz_target=f"AmazonSQS.{operation}"))


def _dynamodb(call: tuple[str, bytes]) -> None:
    operation, body = call
    db = make_db()
    headers = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
    seed = dumped(_DYNAMODB["PutItem"])
    asyncio.run(db.handle(WireRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.PutItem"}, seed)))
    _is_json_answer(asyncio.run(db.handle(WireRequest("POST", "/", "", headers, body))))


def _expression(given: tuple[str, str]) -> None:
    operation, expression = given
    body = {name: expression if name.endswith("Expression") else value for name, value in _DYNAMODB[operation].items()}
    _dynamodb((operation, dumped(body)))


def _form(given: tuple[str, str, bytes, bool]) -> None:
    service, path, body, as_json = given
    response = World().call(service, body, path=path, accept="application/json" if as_json else "")
    assert response.status in (200, 400, 403, 404), response.body
    if as_json:
        assert ("Error" in json.loads(response.body)) == (response.status != 200)
    else:
        root = ElementTree.fromstring(response.body)
        assert root.tag.endswith("ErrorResponse") == (response.status != 200)


_FORMS: Final = [
    urlencode(form).encode()
    for form in (
        {
            "Action": "SendMessage", "MessageBody": "m", "MessageAttribute.1.Name": "a",
            "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "v",
        },
        {
            "Action": "SendMessageBatch", "SendMessageBatchRequestEntry.1.Id": "a",
            "SendMessageBatchRequestEntry.1.MessageBody": "m",
        },
        {"Action": "ReceiveMessage", "MaxNumberOfMessages": "1", "AttributeName.1": "All"},
        {"Action": "DeleteMessage", "ReceiptHandle": "r"},
        {"Action": "Publish", "TopicArn": World().topic.arn, "Message": "m", "MessageAttributes.entry.1.Name": "a"},
        {"Action": "PublishBatch", "TopicArn": World().topic.arn, "PublishBatchRequestEntries.member.1.Id": "a"},
        {"Action": "ListSubscriptionsByTopic", "TopicArn": World().topic.arn},
    )
]  # fmt: skip


class _Recognises:
    """Recognises nothing in whatever is an image file."""

    async def recognise(self, image: bytes) -> list[Any]:
        ImageFile.of(image)
        return []


async def _nothing_stored(_stored: object) -> bytes:
    raise LookupError


def _rekognition(body: bytes) -> None:
    service = RekognitionService(
        _Recognises(),
        TokenBucket(1e9, 1e9),
        lambda: 0.0,
        _nothing_stored,
        lambda: 0.0,  # type: ignore[arg-type]
    )
    headers = {"x-amz-target": "RekognitionService.DetectLabels"}
    _is_json_answer(asyncio.run(service.handle(WireRequest("POST", "/", "", headers, body))))


_IMAGE: Final = dumped({"Image": {"Bytes": "iVBORw0KGgo="}, "MaxLabels": 5, "Features": ["GENERAL_LABELS"]})
_STORED: Final = dumped({"Image": {"S3Object": {"Bucket": "images", "Name": "cat.jpg"}}})

TARGETS: Final = [
    Target("Kinesis", _calls(_KINESIS), _kinesis),
    Target("SQS", _calls(_SQS), _sqs),
    Target("DynamoDB", _calls(_DYNAMODB), _dynamodb),
    Target(
        "DynamoDB's expressions",
        st.tuples(
            st.sampled_from(["GetItem", "DeleteItem", "UpdateItem", "Query", "Scan"]),
            _EXPRESSIONS
            | mutated(
                [
                    value.encode()
                    for body in _DYNAMODB.values()
                    for name, value in body.items()
                    if name.endswith("Expression")
                ],
                [word.encode() for word in _GRAMMAR],
            ).map(as_text),
        ),
        _expression,
    ),
    Target(
        "query protocol",
        st.tuples(
            st.sampled_from(["sqs", "sns"]),
            st.sampled_from(["/", "/1/photos", "/1/photos.fifo"]),
            mutated(_FORMS, [b".1.", b".0.", b".member.", b"%00", b"&", b"="]),
            st.booleans(),
        ),
        _form,
    ),
    Target("Rekognition", mutated([_IMAGE, _STORED]) | documents(_MEMBERS).map(dumped), _rekognition),
]
