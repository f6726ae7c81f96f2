import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pipeline.request import InlineImage, Request
from producers.sns import SnsProducer
from producers.submission import Submission


@pytest.fixture
def client(aws: None) -> Any:
    return boto3.client("sns")


def test_every_submission_is_a_notification_with_its_request(client: Any, submissions: list[Submission]) -> None:
    topic = client.create_topic(Name="t")["TopicArn"]
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    sent = SnsProducer(client, topic).send(submissions)

    received = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [Request.from_json(json.loads(message["Body"])["Message"]) for message in messages]
    assert sent.given_up == []
    assert sorted(sent.accepted) == sorted(request.request_id for request in received)
    assert {request.buffer for request in received} == {"sns"}
    assert {request.image for request in received} == {each.image for each in submissions}


def test_a_throttled_call_is_sent_again_whole(client: Any, submissions: list[Submission]) -> None:
    slept: list[float] = []
    with Stubber(client) as stub:
        stub.add_client_error("publish_batch", "Throttled", "Rate exceeded", 429)
        stub.add_response("publish_batch", {"Successful": [{"Id": "0"}, {"Id": "1"}], "Failed": []})

        sent = SnsProducer(client, "arn:t", sleep=slept.append).send(submissions[:2])
        stub.assert_no_pending_responses()

    assert (len(sent.accepted), sent.retried, len(slept)) == (2, 2, 1)


def test_a_calls_bytes_stay_under_the_topics_limit(client: Any) -> None:
    sizes: list[int] = []

    def publish_batch(**arguments: Any) -> dict[str, Any]:
        entries = arguments["PublishBatchRequestEntries"]
        sizes.append(sum(len(entry["Message"].encode()) for entry in entries))
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}

    client.publish_batch = publish_batch

    sent = SnsProducer(client, "arn:t").send([Submission(InlineImage(bytes(60_000)))] * 10)

    assert len(sent.accepted) == 10
    assert len(sizes) == 4
    assert max(sizes) <= 262_144
