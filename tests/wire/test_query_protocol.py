"""The query protocol as API Gateway's integrations speak it: a form in, XML or JSON out."""

import json
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest

from local.topic import Publication
from tests.wire.world import World

FORM = "application/x-www-form-urlencoded"
PATH = "/123456789012/photos"
SQS = "{http://queue.amazonaws.com/doc/2012-11-05/}"
SNS = "{http://sns.amazonaws.com/doc/2010-03-31/}"


def form(world: World, service: str, path: str = "/", accept: str = "", **fields: str) -> tuple[int, str]:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    body = urlencode(named, quote_via=quote).encode()
    response = world.call(service, body, path=path, content_type=FORM, accept=accept)
    assert response.headers["content-type"] == ("application/json" if accept else "text/xml")
    assert response.headers["x-amzn-requestid"] == "request-1"
    return response.status, response.body.decode()


def as_json(world: World, service: str, path: str = "/", **fields: str) -> tuple[int, dict[str, Any]]:
    status, text = form(world, service, path, "application/json", **fields)
    answer: dict[str, Any] = json.loads(text)
    return status, answer


TEXT = "Größe & + % = \"'<>\r\n\t \U0001f4f7"


def test_a_send_through_the_path_reaches_the_queue_and_answers_in_xml(world: World) -> None:
    status, text = form(world, "sqs", PATH, Action="SendMessage", MessageBody=TEXT, Version="2012-11-05")
    root = ElementTree.fromstring(text)
    assert (status, root.tag) == (200, f"{SQS}SendMessageResponse")
    assert root.findtext(f"{SQS}SendMessageResult/{SQS}MessageId") == "photos-1"
    assert root.findtext(f"{SQS}ResponseMetadata/{SQS}RequestId") == "request-1"
    assert world.queue.message(0).sending.body == TEXT


def test_a_send_answers_in_json_to_whom_accepts_it(world: World) -> None:
    status, answer = as_json(world, "sqs", PATH, Action="SendMessage", MessageBody="hello")
    assert status == 200
    assert answer == {
        "SendMessageResponse": {
            "ResponseMetadata": {"RequestId": "request-1"},
            "SendMessageResult": {
                "MD5OfMessageAttributes": None,
                "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
                "MD5OfMessageSystemAttributes": None,
                "MessageId": "photos-1",
                "SequenceNumber": None,
            },
        }
    }


def test_the_queue_may_be_named_by_its_url_and_the_action_in_the_query(world: World) -> None:
    query = urlencode({"Action": "SendMessage", "QueueUrl": world.queue.url, "MessageBody": "x"})
    assert world.call("sqs", b"", method="GET", query=query).status == 200
    assert world.queue.counts() == (1, 0, 0)


def test_a_received_message_survives_xml(world: World) -> None:
    attributes = {
        "MessageAttribute__1__Name": "kind",
        "MessageAttribute__1__Value__DataType": "String",
        "MessageAttribute__1__Value__StringValue": "<ä&>",
        "MessageAttribute__2__Name": "blob",
        "MessageAttribute__2__Value__DataType": "Binary",
        "MessageAttribute__2__Value__BinaryValue": "AP8=",
    }
    form(world, "sqs", PATH, Action="SendMessage", MessageBody=TEXT, **attributes)
    _, text = form(
        world,
        "sqs",
        PATH,
        Action="ReceiveMessage",
        AttributeName__1="All",
        MessageAttributeName__1="All",
        MaxNumberOfMessages="10",
    )
    (message,) = ElementTree.fromstring(text).findall(f"{SQS}ReceiveMessageResult/{SQS}Message")
    assert message.findtext(f"{SQS}Body") == TEXT
    system = {node.findtext(f"{SQS}Name"): node.findtext(f"{SQS}Value") for node in message.findall(f"{SQS}Attribute")}
    assert system["ApproximateReceiveCount"] == "1"
    own = {node.findtext(f"{SQS}Name"): node.find(f"{SQS}Value") for node in message.findall(f"{SQS}MessageAttribute")}
    assert own["kind"] is not None
    assert own["blob"] is not None
    assert own["kind"].findtext(f"{SQS}StringValue") == "<ä&>"
    assert own["blob"].findtext(f"{SQS}BinaryValue") == "AP8="


def test_a_received_message_in_json_has_the_names_sqs_gives_it(world: World) -> None:
    assert as_json(world, "sqs", PATH, Action="ReceiveMessage")[1]["ReceiveMessageResponse"][
        "ReceiveMessageResult"
    ] == {"messages": None}
    form(world, "sqs", PATH, Action="SendMessage", MessageBody="x")
    _, answer = as_json(world, "sqs", PATH, Action="ReceiveMessage", AttributeName__1="SentTimestamp")
    (message,) = answer["ReceiveMessageResponse"]["ReceiveMessageResult"]["messages"]
    assert (message["Body"], message["MessageAttributes"]) == ("x", None)
    assert message["Attributes"] == [{"Name": "SentTimestamp", "Value": "1700000000000"}]


def test_a_batch_of_a_form_fails_entry_by_entry(world: World) -> None:
    _, text = form(
        world,
        "sqs",
        PATH,
        Action="SendMessageBatch",
        SendMessageBatchRequestEntry__1__Id="a",
        SendMessageBatchRequestEntry__1__MessageBody="first",
        SendMessageBatchRequestEntry__2__Id="b",
        SendMessageBatchRequestEntry__2__MessageBody="\x00",
    )
    result = ElementTree.fromstring(text).find(f"{SQS}SendMessageBatchResult")
    assert result is not None
    assert [node.findtext(f"{SQS}Id") for node in result.findall(f"{SQS}SendMessageBatchResultEntry")] == ["a"]
    (failed,) = result.findall(f"{SQS}BatchResultErrorEntry")
    assert failed.findtext(f"{SQS}Code") == "InvalidMessageContents"
    assert failed.findtext(f"{SQS}SenderFault") == "true"


def test_queue_attributes_are_named_one_by_one(world: World) -> None:
    fields = {
        "Action": "GetQueueAttributes",
        "AttributeName__1": "VisibilityTimeout",
        "AttributeName__2": "DelaySeconds",
    }
    _, text = form(world, "sqs", PATH, **fields)
    attributes = ElementTree.fromstring(text).findall(f"{SQS}GetQueueAttributesResult/{SQS}Attribute")
    assert [(node.findtext(f"{SQS}Name"), node.findtext(f"{SQS}Value")) for node in attributes] == [
        ("VisibilityTimeout", "30"),
        ("DelaySeconds", "0"),
    ]


def test_an_answer_without_a_result_has_none(world: World) -> None:
    assert as_json(world, "sqs", PATH, Action="PurgeQueue") == (
        200,
        {"PurgeQueueResponse": {"ResponseMetadata": {"RequestId": "request-1"}}},
    )


def test_a_publish_answers_in_xml_and_in_json(world: World) -> None:
    _, text = form(world, "sns", "//", Action="Publish", TopicArn=world.topic.arn, Message=TEXT)
    assert ElementTree.fromstring(text).findtext(f"{SNS}PublishResult/{SNS}MessageId") == "published-1"
    _, answer = as_json(world, "sns", "//", Action="Publish", TopicArn=world.topic.arn, Message=TEXT)
    assert answer == {
        "PublishResponse": {
            "ResponseMetadata": {"RequestId": "request-1"},
            "PublishResult": {"MessageId": "published-2", "SequenceNumber": None},
        }
    }


@pytest.mark.parametrize(
    ("service", "path", "fields", "status", "code", "says"),
    [
        ("sqs", PATH, {}, 400, "MissingAction", "Action"),
        ("sqs", PATH, {"Action": "Fly<&>"}, 400, "InvalidAction", "The action Fly<&> is not valid for this endpoint."),
        ("sqs", PATH, {"Action": "CreateQueue"}, 400, "InvalidAction", "CreateQueue"),
        (
            "sqs",
            "/1/none",
            {"Action": "SendMessage", "MessageBody": "x"},
            400,
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        ),
        ("sqs", "/", {"Action": "PurgeQueue"}, 400, "AWS.SimpleQueueService.NonExistentQueue", "does not exist"),
        ("sqs", PATH, {"Action": "SendMessage"}, 400, "MissingParameter", "the parameter MessageBody."),
        (
            "sqs",
            PATH,
            {"Action": "SendMessage", "MessageBody": "x" * 1_048_577},
            400,
            "InvalidParameterValue",
            "Message must be shorter than 1048576 bytes.",
        ),
        ("sqs", PATH, {"Action": "SendMessage", "MessageBody": "\x02"}, 400, "InvalidMessageContents", "Invalid char"),
        (
            "sqs",
            PATH,
            {"Action": "ReceiveMessage", "MaxNumberOfMessages": "many"},
            400,
            "MalformedInput",
            "many is not a valid integer.",
        ),
        ("sqs", PATH, {"Action": "DeleteMessage", "ReceiptHandle": "\x01"}, 404, "ReceiptHandleIsInvalid", "receipt"),
        ("sns", "/", {"Action": "Publish", "Message": "x"}, 400, "InvalidParameter", "TopicArn or TargetArn"),
        ("sns", "/", {"Action": "Publish", "Message": "x", "TopicArn": "a:b:sns:d:e:f"}, 400, "InvalidParameter", ""),
        ("sns", "/", {"Action": "Publish", "TopicArn": "arn:aws:sns:r:1:none"}, 400, "ValidationError", "'message'"),
        ("sns", "/", {"Action": "CreateTopic", "Name": "x"}, 400, "InvalidAction", "CreateTopic"),
    ],
)
def test_an_error_reads_alike_in_xml_and_json(
    world: World, service: str, path: str, fields: dict[str, str], status: int, code: str, says: str
) -> None:
    found, text = form(world, service, path, **fields)
    root = ElementTree.fromstring(text)
    space = SQS if service == "sqs" else SNS
    assert (found, root.tag) == (status, f"{space}ErrorResponse")
    assert root.findtext(f"{space}Error/{space}Code") == code
    assert root.findtext(f"{space}Error/{space}Type") == "Sender"
    assert root.findtext(f"{space}RequestId") == "request-1"
    assert says in (root.findtext(f"{space}Error/{space}Message") or "")
    found, answer = as_json(world, service, path, **fields)
    assert found == status
    assert (answer["Error"]["Code"], answer["Error"]["Type"]) == (code, "Sender")
    assert says in answer["Error"]["Message"]
    assert answer["RequestId"] == "request-1"


def test_a_throttled_publish_is_429(world: World) -> None:
    world.topic.publish([Publication("x")] * 30_000)
    status, answer = as_json(world, "sns", Action="Publish", TopicArn=world.topic.arn, Message="x")
    assert (status, answer["Error"]["Code"]) == (429, "Throttled")


def test_the_entries_of_a_form_keep_the_order_of_their_numbers(world: World) -> None:
    fields = {}
    for number in range(10, 0, -1):
        fields[f"SendMessageBatchRequestEntry__{number}__Id"] = f"id-{number}"
        fields[f"SendMessageBatchRequestEntry__{number}__MessageBody"] = f"body-{number}"
    assert form(world, "sqs", PATH, Action="SendMessageBatch", **fields)[0] == 200
    assert [world.queue.message(id_).sending.body for id_ in range(10)] == [f"body-{n}" for n in range(1, 11)]
