"""Events key for key, and read by Powertools' own classes."""

import json
from typing import Any

from aws_lambda_powertools.utilities.data_classes import KinesisStreamEvent, SNSEvent, SQSEvent

from delivery.sns_topic import SnsTopic
from local.events import kinesis_event, sns_event, sqs_event
from local.message_attribute import MessageAttribute
from local.queue import Sending
from local.stream import Entry
from local.topic import Publication, Topic
from tests.wire.virtual_time import run
from tests.wire.world import STARTED_AT, Clock, World, arn, make_queue

ROLE = "arn:aws:iam::123456789012:role/recognise"
ATTRIBUTES = {
    "text": MessageAttribute("String", "ä"),
    "blob": MessageAttribute("Binary", b"\x00\xff"),
}


def test_a_kinesis_event(world: World) -> None:
    world.clock.now = STARTED_AT + 0.98765
    every_byte = bytes(range(256))
    world.wide.put([Entry(every_byte, "ké", 2**127)])
    record = world.wide.record(0)
    event = kinesis_event([record], world.wide.arn, ROLE)
    assert json.loads(json.dumps(event)) == {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "ké",
                    "sequenceNumber": record.sequence_number,
                    "data": event["Records"][0]["kinesis"]["data"],
                    "approximateArrivalTimestamp": STARTED_AT + 0.988,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000002:{record.sequence_number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": ROLE,
                "awsRegion": "eu-central-1",
                "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/wide",
            }
        ]
    }
    (read,) = KinesisStreamEvent(event).records
    assert read.kinesis.data_as_bytes() == every_byte
    assert read.kinesis.approximate_arrival_timestamp == STARTED_AT + 0.988


def test_an_sqs_event() -> None:
    clock = Clock()
    queue = make_queue("q", clock, visibility_timeout=10)
    queue.send([Sending("hello", ATTRIBUTES, trace_header="Root=1"), Sending("plain")])

    def received() -> list[Any]:
        return run(clock, queue.receive(10))

    clock.advance(1)
    received()
    clock.advance(11)
    batch = received()
    event = sqs_event(batch, queue.arn)
    assert json.loads(json.dumps(event))["Records"][0] == {
        "messageId": "q-1",
        "receiptHandle": batch[0].receipt_handle,
        "body": "hello",
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1700000000000",
            "SenderId": "123456789012",
            "ApproximateFirstReceiveTimestamp": "1700000001000",
            "AWSTraceHeader": "Root=1",
        },
        "messageAttributes": {
            "text": {"stringValue": "ä", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "blob": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfMessageAttributes": batch[0].message.md5_of_attributes,
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:q",
        "awsRegion": "eu-central-1",
    }
    first, second = SQSEvent(event).records
    assert first.attributes.approximate_receive_count == "2"
    assert first.message_attributes["blob"].binary_value == "AP8="
    assert second.md5_of_body
    assert "md5OfMessageAttributes" not in event["Records"][1]


def test_an_sns_event() -> None:
    clock = Clock(STARTED_AT + 0.007)
    world = World()
    topic = Topic(arn("sns", "t"), SnsTopic([], world.quotas), clock, lambda: "m-1", maximum_message_size=1_000)
    (message,) = topic.publish([Publication("hello", None, ATTRIBUTES)])
    assert not isinstance(message, str)
    event = sns_event(message, f"{topic.arn}:subscription")
    (record,) = json.loads(json.dumps(event))["Records"]
    assert record["EventSource"] == "aws:sns"
    assert record["EventVersion"] == "1.0"
    assert record["EventSubscriptionArn"] == f"{topic.arn}:subscription"
    unsigned = {
        name: value
        for name, value in record["Sns"].items()
        if name not in ("Signature", "SigningCertUrl", "UnsubscribeUrl")
    }
    assert unsigned == {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:t",
        "Subject": None,
        "Message": "hello",
        "Timestamp": "2023-11-14T22:13:20.007Z",
        "SignatureVersion": "1",
        "MessageAttributes": {
            "text": {"Type": "String", "Value": "ä"},
            "blob": {"Type": "Binary", "Value": "AP8="},
        },
    }
    assert SNSEvent(event).sns_message == "hello"
