"""The buffers as botocore reaches them, stubbed; tests/consumers puts records into those of moto."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.session import Session
from botocore.stub import Stubber

from delivery.quotas import Quotas
from pipeline.on_demand import OnDemand
from pipeline.outlet import (
    KINESIS_BYTES,
    SNS_BYTES,
    SQS_BYTES,
    KinesisOutlet,
    Outlet,
    PublishError,
    Record,
    Refusal,
    SnsOutlet,
    SqsOutlet,
    kinesis_client,
    sns_client,
    sqs_client,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
RECORD = Record("h-abc", "camera-7", '{"request_id":"h-abc"}')


def session() -> Session:
    session = Session()
    session.set_credentials("a", "b")
    session.set_config_variable("region", "us-east-1")
    return session


def ready(client: Any) -> "OnDemand[Any]":
    return OnDemand(lambda: client)


def outlet_of(kind: str, client: Any) -> Outlet:
    outlets: dict[str, Callable[[], Outlet]] = {
        "sns": lambda: SnsOutlet(ready(client), TOPIC),
        "sqs": lambda: SqsOutlet(ready(client), QUEUE, fifo=False),
        "sqs-fifo": lambda: SqsOutlet(ready(client), f"{QUEUE}.fifo", fifo=True),
        "kinesis": lambda: KinesisOutlet(ready(client), "stream"),
    }
    return outlets[kind]()


CLIENTS: dict[str, Callable[[Session], Any]] = {
    "sns": sns_client,
    "sqs": sqs_client,
    "sqs-fifo": sqs_client,
    "kinesis": kinesis_client,
}
OPERATIONS = {"sns": "publish", "sqs": "send_message", "sqs-fifo": "send_message", "kinesis": "put_record"}


@pytest.mark.parametrize(
    ("kind", "parameters", "proof"),
    [
        ("sns", {"TopicArn": TOPIC, "Message": RECORD.text}, {"MessageId": "m"}),
        ("sqs", {"QueueUrl": QUEUE, "MessageBody": RECORD.text}, {"MessageId": "m"}),
        (
            "sqs-fifo",
            {
                "QueueUrl": f"{QUEUE}.fifo",
                "MessageBody": RECORD.text,
                "MessageGroupId": "camera-7",
                "MessageDeduplicationId": "h-abc",
            },
            {"MessageId": "m"},
        ),
        (
            "kinesis",
            {"StreamName": "stream", "PartitionKey": "camera-7", "Data": RECORD.text.encode()},
            {"SequenceNumber": "1", "ShardId": "shardId-000000000000"},
        ),
    ],
)
def test_a_record_is_put_in_as_the_proxied_route_does(
    kind: str, parameters: dict[str, Any], proof: dict[str, str]
) -> None:
    client = CLIENTS[kind](session())
    with Stubber(client) as stub:
        stub.add_response(OPERATIONS[kind], proof, parameters)
        outlet_of(kind, client).publish(RECORD)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("kind", ["sns", "sqs"])
def test_an_answer_without_a_proof_is_none(kind: str) -> None:
    client = CLIENTS[kind](session())
    with Stubber(client) as stub:
        stub.add_response(OPERATIONS[kind], {})
        with pytest.raises(PublishError, match="MessageId") as error:
            outlet_of(kind, client).publish(RECORD)

    assert error.value.refusal is Refusal.FAILED


# By AWS's own names and texts, as far as a client of botocore meets them; after its retries.
REFUSALS = [
    ("sns", "Throttled", "Rate exceeded", Refusal.AT_ITS_LIMIT),
    ("sns", "ThrottledException", "Rate exceeded", Refusal.AT_ITS_LIMIT),
    ("sns", "KMSThrottling", "Rate exceeded", Refusal.AT_ITS_LIMIT),
    ("sns", "InvalidParameter", "Invalid parameter: Message too long", Refusal.TOO_LARGE),
    ("sns", "InvalidParameter", "Invalid parameter: TopicArn", Refusal.FAILED),
    ("sns", "NotFound", "Topic does not exist", Refusal.FAILED),
    ("sqs", "RequestThrottled", "Request is throttled.", Refusal.AT_ITS_LIMIT),
    ("sqs", "OverLimit", "too many", Refusal.AT_ITS_LIMIT),
    (
        "sqs",
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        Refusal.TOO_LARGE,
    ),
    ("sqs", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", Refusal.FAILED),
    ("sqs", "AccessDenied", "not authorized to perform sqs:SendMessage", Refusal.FAILED),
    ("sqs-fifo", "ThrottlingException", "Rate exceeded", Refusal.AT_ITS_LIMIT),
    ("kinesis", "ProvisionedThroughputExceededException", "Rate exceeded for shard", Refusal.AT_ITS_LIMIT),
    ("kinesis", "LimitExceededException", "Rate exceeded", Refusal.AT_ITS_LIMIT),
    (
        "kinesis",
        "ValidationException",
        "1 validation error detected: Member must have length less than or equal to 1048576",
        Refusal.TOO_LARGE,
    ),
    ("kinesis", "InvalidArgumentException", "Record size exceeds the limit", Refusal.TOO_LARGE),
    ("kinesis", "ResourceNotFoundException", "Stream not found", Refusal.FAILED),
    ("kinesis", "InternalFailure", "", Refusal.FAILED),
]


@pytest.mark.parametrize(("kind", "code", "message", "refusal"), REFUSALS)
def test_why_a_buffer_does_not_take_a_record_is_told_apart(
    kind: str, code: str, message: str, refusal: Refusal
) -> None:
    client = CLIENTS[kind](session())
    with Stubber(client) as stub:
        stub.add_client_error(OPERATIONS[kind], code, message, 400)
        with pytest.raises(PublishError) as error:
            outlet_of(kind, client).publish(RECORD)

    assert (error.value.refusal, error.value.code) == (refusal, code)
    assert message in str(error.value)


def test_a_buffer_out_of_reach_has_failed() -> None:
    class Silent:
        def publish(self, **_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://sns")

    with pytest.raises(PublishError) as error:
        outlet_of("sns", Silent()).publish(RECORD)

    assert (error.value.refusal, error.value.code) == (Refusal.FAILED, "ConnectTimeoutError")


@pytest.mark.parametrize(
    ("kind", "most", "group"),
    [
        ("sns", SNS_BYTES, "g"),
        ("sqs", SQS_BYTES, "g"),
        ("sqs-fifo", SQS_BYTES, "g"),
        ("kinesis", KINESIS_BYTES - len("camera-7"), "camera-7"),
    ],
)
def test_a_record_fits_to_the_last_byte(kind: str, most: int, group: str) -> None:
    outlet = outlet_of(kind, None)

    assert outlet.fits(Record("h-abc", group, "x" * most))
    assert not outlet.fits(Record("h-abc", group, "x" * (most + 1)))
    # Bytes are counted, not characters.
    assert not outlet.fits(Record("h-abc", group, "\u00e4" + "x" * (most - 1)))


def test_the_sizes_are_those_of_the_delivery_rules() -> None:
    quotas = Quotas()

    assert (
        quotas.sns_message_bytes,
        quotas.sqs_message_bytes,
        quotas.kinesis_record_bytes,
    ) == (SNS_BYTES, SQS_BYTES, KINESIS_BYTES)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_gives_up_while_its_own_client_still_waits(kind: str) -> None:
    config = CLIENTS[kind](session()).meta.config

    assert config.retries["total_max_attempts"] == 2
    # A pause of 1 s at the most between the two tries.
    assert 2 * (config.connect_timeout + config.read_timeout) + 1 < 29
