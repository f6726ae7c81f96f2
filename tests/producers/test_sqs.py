from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from pipeline.request import InlineImage, Request
from producers.sqs import SqsProducer
from producers.submission import Submission


@pytest.fixture
def client(aws: None) -> Any:
    return boto3.client("sqs")


def test_every_submission_is_a_message_with_its_request(client: Any, submissions: list[Submission]) -> None:
    url = client.create_queue(QueueName="q")["QueueUrl"]

    sent = SqsProducer(client, url).send(submissions)

    received = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        received += [Request.from_json(message["Body"]) for message in messages]
    assert sent.given_up == []
    assert sorted(sent.accepted) == sorted(request.request_id for request in received)
    assert {request.buffer for request in received} == {"sqs"}
    assert sorted((r.measurement.sequence, r.image) for r in received if r.measurement) == [
        (n, each.image) for n, each in enumerate(submissions)
    ]


def test_entries_refused_inside_a_200_are_sent_again_and_the_senders_faults_are_not(
    client: Any, submissions: list[Submission]
) -> None:
    slept: list[float] = []
    with Stubber(client) as stub:
        stub.add_response(
            "send_message_batch",
            {
                "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}],
                "Failed": [
                    {"Id": "1", "Code": "InternalError", "Message": "oops", "SenderFault": False},
                    {"Id": "2", "Code": "InvalidMessageContents", "Message": "no", "SenderFault": True},
                    {"Id": "3", "Code": "RequestThrottled", "Message": "slow", "SenderFault": True},
                ],
            },
            {"QueueUrl": "https://q", "Entries": ANY},
        )
        stub.add_response(
            "send_message_batch",
            {"Successful": [{"Id": str(n), "MessageId": "m", "MD5OfMessageBody": "x"} for n in range(3)], "Failed": []},
        )

        sent = SqsProducer(client, "https://q", sleep=slept.append).send(submissions[:5])
        stub.assert_no_pending_responses()

    # The fifth is in neither list of the first answer: it was not accepted either.
    assert (len(sent.accepted), sent.retried) == (4, 3)
    assert [given.reason for given in sent.given_up] == ["InvalidMessageContents: no"]
    assert len(slept) == 1


def test_a_message_over_the_queues_limit_is_given_up_before_the_call(client: Any) -> None:
    with Stubber(client):
        sent = SqsProducer(client, "https://q", max_bytes=1_000).send([Submission(InlineImage(bytes(1_000)))])

    assert sent.accepted == []
    assert sent.given_up[0].reason.endswith("at most 1,000 are taken")


def test_on_a_fifo_queue_each_request_is_a_group_of_its_own_and_is_taken_once(
    client: Any, submissions: list[Submission]
) -> None:
    url = client.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]

    sent = SqsProducer(client, url).send(submissions)

    received = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId", "MessageDeduplicationId"]
    )["Messages"]
    assert sent.given_up == []
    for message in received:
        request_id = Request.from_json(message["Body"]).request_id
        assert message["Attributes"]["MessageGroupId"] == request_id
        assert message["Attributes"]["MessageDeduplicationId"] == request_id
