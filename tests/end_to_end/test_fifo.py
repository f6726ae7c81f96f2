"""The stack with a FIFO queue, and without enhanced fan-out: parameters of the same template."""

from collections.abc import Iterator

import pytest
import requests

from tests.end_to_end.conftest import Running, photo, running, until

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def fifo() -> Iterator[Running]:
    parameters = {"SqsFifo": "true", "SqsMinimumPollers": "2", "KinesisFanOut": "false"}
    given = [part for name, value in parameters.items() for part in ("--parameter", f"{name}={value}")]
    with running("--rekognition-median-ms", "30", *given) as up:
        yield up


def test_requests_go_through_the_fifo_queue_whether_they_name_a_group_or_not(fifo: Running) -> None:
    body = photo("chelsea.jpg")
    accepted = [fifo.post("sqs", {**body, **group}) for group in ({}, {"group": "camera-7"}, {"group": "camera-7"})]

    assert [answer.status_code for answer in accepted] == [202, 202, 202]
    for answer in accepted:
        assert fifo.result(answer.json()["request_id"])["status"] == "SUCCEEDED"
    until(lambda: fifo.state("sqs")["completed"] == 3, "three messages done")
    attributes = fifo.client("sqs").get_queue_attributes(
        QueueUrl=fifo.ready["outputs"]["QueueUrl"], AttributeNames=["FifoQueue", "ApproximateNumberOfMessages"]
    )["Attributes"]
    assert attributes == {"FifoQueue": "true", "ApproximateNumberOfMessages": "0"}


def test_without_fan_out_its_route_is_not_there_and_the_others_are(fifo: Running) -> None:
    # What API Gateway says to any path that it does not know.
    assert fifo.post("kinesis-efo", photo("chelsea.jpg")).status_code == 403
    assert fifo.post("kinesis", photo("chelsea.jpg")).status_code == 202
    assert not [name for name in fifo.ready["outputs"] if "Efo" in name]
    state = requests.get(f"{fifo.ready['control_url']}/state", timeout=10).json()["buffers"]
    assert "kinesis-efo" not in state
    assert {"sns", "sqs", "kinesis"} <= set(state)
