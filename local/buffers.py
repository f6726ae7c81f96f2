"""The buffers of a stack: its streams, queues and topics, with the machines that decide for them."""

import dataclasses
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Delivery
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_queue import SqsQueue
from local.clock import Clock
from local.fifo_queue import FifoQueue
from local.gateway.configuration import truth
from local.queue import Queue, QueueSettings
from local.recorder import UNRECORDED, Recorder
from local.resource_properties import NotServedError, document, read
from local.standard_queue import StandardQueue
from local.stream import Stream
from local.template import Resource
from local.topic import Subscription, Topic

_ENCRYPTION_AND_TAGS: Final = (
    "StreamEncryption", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "Tags",
)  # fmt: skip
_HOUR_S: Final = 3600.0
# Of a redrive policy that does not say (API:CreateQueue).
_MAX_RECEIVE_COUNT: Final = 10


def message_id() -> str:
    """A new message's id."""
    return str(uuid.uuid4())


def stream_of(
    resource: Resource,
    quotas: Quotas,
    overridden: Collection[str],
    clock: Clock,
    recorder: Recorder = UNRECORDED,
) -> Stream:
    """The stream of an `AWS::Kinesis::Stream`. A quota that was overridden by hand goes before the template.

    Raises:
        NotServedError: it is on demand, or has a property that is not served.
    """
    heeded = ("Name", "ShardCount", "RetentionPeriodHours", "StreamModeDetails", "MaxRecordSizeInKiB")
    properties = read(resource, heeded=heeded, harmless=_ENCRYPTION_AND_TAGS)
    if properties.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED") != "PROVISIONED":
        raise NotServedError(resource.logical_id, "only PROVISIONED streams are served here; set ShardCount")
    own: dict[str, Any] = {}
    if "RetentionPeriodHours" in properties:
        own["kinesis_retention_s"] = int(properties["RetentionPeriodHours"]) * _HOUR_S
    if "MaxRecordSizeInKiB" in properties:
        own["kinesis_record_bytes"] = int(properties["MaxRecordSizeInKiB"]) * 1024
    quotas = dataclasses.replace(quotas, **{name: value for name, value in own.items() if name not in overridden})
    machine = recorder.make(resource.logical_id, KinesisStream, int(properties.get("ShardCount", 1)), quotas)
    return Stream(resource.ref, resource.attributes["Arn"], machine, clock, quotas)


def register_consumer(resource: Resource, streams: Iterable[Stream]) -> None:
    """Register the consumer of an `AWS::Kinesis::StreamConsumer` with its stream.

    Raises:
        NotServedError: its stream is not in the template.
    """
    properties = read(resource, heeded=("ConsumerName", "StreamARN"), harmless=("Tags",))
    for stream in streams:
        if stream.arn == properties.get("StreamARN"):
            stream.consumers.register(str(properties["ConsumerName"]), resource.ref)
            return
    raise NotServedError(resource.logical_id, f"its stream {properties.get('StreamARN')} is not in the template")


def queues_of(
    resources: Sequence[Resource], quotas: Quotas, clock: Clock, recorder: Recorder = UNRECORDED
) -> dict[str, Queue]:
    """The queues of all `AWS::SQS::Queue`, by ARN.

    Raises:
        NotServedError: one names a dead-letter queue that is not in the template or not of its own kind, or has a
            property that is not served.
    """
    by_arn = {resource.attributes["Arn"]: resource for resource in resources}
    queues: dict[str, Queue] = {}

    def queue(arn: str, asked_by: str, above: tuple[str, ...]) -> Queue:
        if arn in above or arn not in by_arn:
            raise NotServedError(asked_by, f"its dead-letter queue {arn} is no other queue of the template")
        if arn not in queues:
            redrive = by_arn[arn].properties.get("RedrivePolicy")
            target = document(redrive).get("deadLetterTargetArn") if redrive else None
            dead_letters = queue(str(target), by_arn[arn].logical_id, (*above, arn)) if target else None
            if dead_letters is not None and isinstance(dead_letters, FifoQueue) != _is_fifo(by_arn[arn]):
                raise NotServedError(
                    by_arn[arn].logical_id, "the dead-letter queue of a FIFO queue is FIFO, that of another is not"
                )
            queues[arn] = _queue(by_arn[arn], dead_letters, quotas, clock, recorder)
        return queues[arn]

    for arn, resource in by_arn.items():
        queue(arn, resource.logical_id, ())
    return queues


def _queue(
    resource: Resource, dead_letter_queue: Queue | None, quotas: Quotas, clock: Clock, recorder: Recorder
) -> Queue:
    heeded = (
        "QueueName", "VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds",
        "MaximumMessageSize", "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication",
        "DeduplicationScope", "FifoThroughputLimit",
    )  # fmt: skip
    properties = read(resource, heeded=heeded, harmless=_ENCRYPTION_AND_TAGS)
    defaults = QueueSettings()
    redrive = document(properties["RedrivePolicy"]) if "RedrivePolicy" in properties else {}
    settings = QueueSettings(
        visibility_timeout=int(properties.get("VisibilityTimeout", defaults.visibility_timeout)),
        retention=int(properties.get("MessageRetentionPeriod", defaults.retention)),
        delay=int(properties.get("DelaySeconds", defaults.delay)),
        receive_wait=int(properties.get("ReceiveMessageWaitTimeSeconds", defaults.receive_wait)),
        maximum_message_size=int(properties.get("MaximumMessageSize", defaults.maximum_message_size)),
        max_receive_count=int(redrive.get("maxReceiveCount", _MAX_RECEIVE_COUNT)) if redrive else None,
        content_based_deduplication=truth(properties.get("ContentBasedDeduplication")),
        high_throughput=_high_throughput(resource),
    )
    of_either_kind: dict[str, Any] = {
        "quotas": quotas,
        "visibility_timeout_s": settings.visibility_timeout,
        "max_receive_count": settings.max_receive_count,
        "retention_s": settings.retention,
    }
    name, url, arn = resource.attributes["QueueName"], resource.ref, resource.attributes["Arn"]
    if not _is_fifo(resource):
        machine = recorder.make(resource.logical_id, SqsQueue, **of_either_kind)
        return StandardQueue(
            name, url, arn, machine, clock, message_id, settings=settings, dead_letter_queue=dead_letter_queue
        )
    if settings.delay:
        raise NotServedError(resource.logical_id, "a FIFO queue's DelaySeconds is not served here; leave it out")
    fifo = recorder.make(resource.logical_id, SqsFifoQueue, **of_either_kind, high_throughput=settings.high_throughput)
    return FifoQueue(
        name, url, arn, fifo, clock, message_id, quotas=quotas, settings=settings, dead_letter_queue=dead_letter_queue
    )


def _is_fifo(resource: Resource) -> bool:
    return truth(resource.properties.get("FifoQueue"))


def _high_throughput(resource: Resource) -> bool:
    """Whether a FIFO queue tells duplicates, and counts calls, by the message group; here only both or neither."""
    properties = resource.properties
    scope = properties.get("DeduplicationScope", "queue")
    limit = properties.get("FifoThroughputLimit", "perQueue")
    if (scope == "messageGroup") != (limit == "perMessageGroupId"):
        raise NotServedError(
            resource.logical_id, "DeduplicationScope messageGroup and FifoThroughputLimit perMessageGroupId go together"
        )
    return bool(scope == "messageGroup")


def topic_of(
    resource: Resource,
    subscriptions: Iterable[Subscription],
    deliveries: Sequence[Delivery],
    quotas: Quotas,
    overridden: Collection[str],
    clock: Clock,
    recorder: Recorder = UNRECORDED,
) -> Topic:
    """The topic of an `AWS::SNS::Topic`, in front of its subscribers' deliveries."""
    heeded = ("TopicName", "MaximumMessageSize")
    properties = read(resource, heeded=heeded, harmless=(*_ENCRYPTION_AND_TAGS, "DisplayName"))
    if "MaximumMessageSize" in properties and "sns_message_bytes" not in overridden:
        quotas = dataclasses.replace(quotas, sns_message_bytes=int(properties["MaximumMessageSize"]))
    return Topic(
        resource.ref,
        recorder.make(resource.logical_id, SnsTopic, deliveries, quotas),
        clock,
        message_id,
        maximum_message_size=quotas.sns_message_bytes,
        subscriptions=list(subscriptions),
    )


def subscription_of(resource: Resource, function_arns: Mapping[str, object]) -> Subscription:
    """The subscription of an `AWS::SNS::Subscription`.

    Raises:
        NotServedError: its endpoint is no function of the template.
    """
    properties = read(resource, heeded=("TopicArn", "Protocol", "Endpoint"))
    if properties.get("Protocol") != "lambda" or properties.get("Endpoint") not in function_arns:
        raise NotServedError(resource.logical_id, "a topic delivers to a function of this template, or to nobody")
    return Subscription(resource.ref, "lambda", str(properties["Endpoint"]))
