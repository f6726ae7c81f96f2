"""The events Lambda hands to a function, key for key as its developer guide shows them."""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from local.message_attribute import MessageAttribute
from local.queue import Received
from local.stream import StreamRecord, shard_id
from local.topic import TopicMessage

Event = dict[str, Any]


def kinesis_event(records: Iterable[StreamRecord], source_arn: str, role_arn: str) -> Event:
    """A batch of one shard's records (Lambda developer guide, with-kinesis). `role_arn` is the function's.

    `source_arn` is what its mapping reads by: the stream, or a consumer of it.
    """
    region = _region(source_arn)
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": record.partition_key,
                    "sequenceNumber": record.sequence_number,
                    "data": base64.b64encode(record.data).decode("ascii"),
                    "approximateArrivalTimestamp": round(record.arrived_at, 3),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard_id(record.shard)}:{record.sequence_number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": role_arn,
                "awsRegion": region,
                "eventSourceARN": source_arn,
            }
            for record in records
        ]
    }


def sqs_event(batch: Iterable[Received], queue_arn: str) -> Event:
    """A batch of messages (Lambda developer guide, with-sqs)."""
    region = _region(queue_arn)
    return {
        "Records": [
            {
                "messageId": received.message.message_id,
                "receiptHandle": received.receipt_handle,
                "body": received.message.sending.body,
                "attributes": system_attributes(received, queue_arn),
                "messageAttributes": {
                    name: _queue_attribute(attribute) for name, attribute in received.message.sending.attributes.items()
                },
                **_md5_of_attributes(received),
                "md5OfBody": received.message.md5_of_body,
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": region,
            }
            for received in batch
        ]
    }


def system_attributes(received: Received, queue_arn: str) -> dict[str, str]:
    """A message's system attributes (API:ReceiveMessage), all of them; numbers as texts, times in ms."""
    message = received.message
    attributes = {
        "ApproximateReceiveCount": str(received.count),
        "SentTimestamp": str(_ms(message.sent_at)),
        "SenderId": _account(queue_arn),
        "ApproximateFirstReceiveTimestamp": str(_ms(received.first_received_at)),
    }
    if message.sending.trace_header is not None:
        attributes["AWSTraceHeader"] = message.sending.trace_header
    if message.sending.group_id is not None:
        attributes["MessageGroupId"] = message.sending.group_id
    if message.sending.deduplication_id is not None:
        attributes["MessageDeduplicationId"] = message.sending.deduplication_id
    if message.sequence_number is not None:
        attributes["SequenceNumber"] = message.sequence_number
    if message.moved_from is not None:
        attributes["DeadLetterQueueSourceArn"] = message.moved_from
    return attributes


def sns_event(message: TopicMessage, subscription_arn: str) -> Event:
    """One message (Lambda developer guide, with-sns). Its signature is a stand-in: nothing here signs."""
    publication = message.publication
    region = _region(message.topic_arn)
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message.message_id,
                    "TopicArn": message.topic_arn,
                    "Subject": publication.subject,
                    "Message": publication.message,
                    "Timestamp": _iso(message.published_at),
                    "SignatureVersion": "1",
                    "Signature": "UNSIGNED",
                    "SigningCertUrl": f"https://sns.{region}.amazonaws.com/SimpleNotificationService.pem",
                    "UnsubscribeUrl": (
                        f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
                    ),
                    "MessageAttributes": {
                        name: {"Type": attribute.data_type, "Value": _text(attribute)}
                        for name, attribute in publication.attributes.items()
                    },
                },
            }
        ]
    }


def _queue_attribute(attribute: MessageAttribute) -> Event:
    value = "binaryValue" if isinstance(attribute.value, bytes) else "stringValue"
    return {
        value: _text(attribute),
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": attribute.data_type,
    }


def _md5_of_attributes(received: Received) -> dict[str, str]:
    md5 = received.message.md5_of_attributes
    return {} if md5 is None else {"md5OfMessageAttributes": md5}


def _text(attribute: MessageAttribute) -> str:
    value = attribute.value
    return value if isinstance(value, str) else base64.b64encode(value).decode("ascii")


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(_ms(seconds) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
