import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_kinesis_agg.aggregator import AggRecord
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dead_letters import DeadLetter, drain_sns, drain_sqs, from_kinesis, from_sns, from_sqs, read_kinesis
from pipeline.request import InlineImage, Measurement, Request


def record(request_id: str, run_id: str | None = "r1", sequence: int = 7) -> str:
    measurement = None if run_id is None else Measurement(run_id, sequence, 1732400000100.5)
    return Request(request_id, 1732400000123, "sqs", InlineImage(b"x"), measurement).to_json()


def invocation(**more: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": "2026-11-23T23:00:00.000Z",
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        **more,
    }


def sns_failure(*messages: Any, **more: Any) -> str:
    records = [{"EventSource": "aws:sns", "Sns": {"MessageId": "m", "Message": message}} for message in messages]
    return json.dumps(invocation(requestPayload={"Records": records}, **more))


def kinesis_failure(*data: bytes, as_text: bool = True) -> str:
    records = [
        {"kinesis": {"sequenceNumber": str(n), "data": base64.b64encode(each).decode()}} for n, each in enumerate(data)
    ]
    event = {"Records": records}
    failure = invocation(payload=json.dumps(event) if as_text else event, KinesisBatchInfo={"shardId": "shardId-0"})
    failure["requestContext"]["condition"] = "RetryAttemptsExhausted"
    return json.dumps(failure)


def test_a_message_of_the_sqs_dead_letter_queue_is_the_record_itself() -> None:
    assert from_sqs(record("id1"), 6) == DeadLetter("id1", "r1", 7, "MaxReceiveCountExceeded after 6 receives")
    assert from_sqs(record("id1", None)) == DeadLetter("id1", None, None, "MaxReceiveCountExceeded")


def test_a_record_that_was_no_request_keeps_what_can_be_read() -> None:
    broken = json.dumps({**json.loads(record("id1")), "buffer": "fax"})

    assert from_sqs(broken) == DeadLetter(
        "id1", "r1", 7, "MaxReceiveCountExceeded (buffer is not one of sns, sqs, kinesis, kinesis-efo)"
    )


def test_a_failed_push_holds_its_event_and_the_functions_error() -> None:
    error = {"errorMessage": "out of time: ThrottlingException: Slow down", "errorType": "NotDoneError"}

    assert from_sns(sns_failure(record("id1"), responsePayload=error)) == [
        DeadLetter("id1", "r1", 7, "RetriesExhausted: out of time: ThrottlingException: Slow down")
    ]


def test_a_push_too_old_was_never_answered() -> None:
    failure = json.loads(sns_failure(record("id1")))
    failure["requestContext"]["condition"] = "EventAgeExceeded"

    assert from_sns(json.dumps(failure)) == [DeadLetter("id1", "r1", 7, "EventAgeExceeded")]


def test_a_payload_that_lambda_left_out_is_a_letter_without_id() -> None:
    assert from_sns(json.dumps(invocation())) == [
        DeadLetter(None, None, None, "RetriesExhausted (its record holds no SNS event)")
    ]


@pytest.mark.parametrize("as_text", [True, False], ids=["payload as text", "payload as object"])
def test_a_failed_stream_batch_is_a_letter_a_record_aggregates_taken_apart(as_text: bool) -> None:
    aggregate = AggRecord()
    aggregate.add_user_record(b"k", record("id2").encode())
    aggregate.add_user_record(b"k", record("id3", None).encode())
    whole = aggregate.get_contents()[2]

    letters = from_kinesis(kinesis_failure(record("id1").encode(), whole, whole[:-1], as_text=as_text))

    assert letters == [
        DeadLetter("id1", "r1", 7, "RetryAttemptsExhausted"),
        DeadLetter("id2", "r1", 7, "RetryAttemptsExhausted"),
        DeadLetter("id3", None, None, "RetryAttemptsExhausted"),
        DeadLetter(None, None, None, "RetryAttemptsExhausted (the aggregate's checksum does not match what it holds)"),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from("requestContext condition requestPayload payload Records Sns Message kinesis data".split()),
            children,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(json_values.map(json.dumps) | st.text(max_size=20))
def test_whatever_lies_there_is_a_letter_and_no_crash(body: str) -> None:
    assert from_sqs(body).request_id is None
    assert all(letter.request_id is None for letter in [*from_sns(body), *from_kinesis(body)])
    assert from_sns(body)
    assert from_kinesis(body)


@pytest.fixture
def queue(aws: None) -> tuple[Any, str]:
    client = boto3.client("sqs")
    return client, client.create_queue(QueueName="dead")["QueueUrl"]


def test_a_runs_letters_are_taken_off_the_queue_and_those_of_others_stay(queue: tuple[Any, str]) -> None:
    client, url = queue
    for number in range(25):
        client.send_message(QueueUrl=url, MessageBody=record(f"own{number}", "r1", number))
    for body in (record("other", "r2"), record("nobody", None), "no record at all"):
        client.send_message(QueueUrl=url, MessageBody=body)

    letters = drain_sqs(client, url, "r1")

    assert {(letter.request_id, letter.sequence) for letter in letters} == {(f"own{n}", n) for n in range(25)}
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    left = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
    assert left == 3


def test_a_request_twice_on_the_queue_is_one_letter(queue: tuple[Any, str]) -> None:
    client, url = queue
    for _ in range(3):
        client.send_message(QueueUrl=url, MessageBody=sns_failure(record("id1")))

    assert drain_sns(client, url, "r1") == [DeadLetter("id1", "r1", 7, "RetriesExhausted")]
    assert drain_sns(client, url, "r1") == []


def test_the_failure_bucket_is_read_from_a_time_on_and_left_as_it_is(aws: None) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="failed")
    folder = "aws/lambda/uuid/shardId-0/2026/11/23/"
    client.put_object(Bucket="failed", Key=folder + "1", Body=kinesis_failure(record("id1").encode()))
    client.put_object(
        Bucket="failed", Key=folder + "2", Body=kinesis_failure(record("id1").encode(), record("id2", "r2").encode())
    )
    client.put_object(Bucket="failed", Key="of another kind", Body=b"x")
    earlier = datetime.now(UTC) - timedelta(minutes=1)

    assert read_kinesis(client, "failed", "r1", earlier) == [DeadLetter("id1", "r1", 7, "RetryAttemptsExhausted")]
    assert [letter.request_id for letter in read_kinesis(client, "failed", "r2", earlier)] == ["id2"]
    assert read_kinesis(client, "failed", "r1", datetime.now(UTC) + timedelta(minutes=1)) == []
    assert client.list_objects_v2(Bucket="failed")["KeyCount"] == 3
