"""Other parameters of the same template: a FIFO queue, no enhanced fan-out, and a stream of one shard."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.end_to_end.conftest import Running, photo, running, until

pytestmark = pytest.mark.end_to_end

LIMIT = 1_000  # records a second and shard
SECONDS = 4


@pytest.fixture(scope="module")
def other() -> Iterator[Running]:
    parameters = {
        "SqsFifo": "true",
        "SqsMinimumPollers": "2",
        "KinesisFanOut": "false",
        "KinesisShardCount": "1",
        # What is put into the stream is there to be taken, not to be worked off.
        "KinesisBatchingWindow": "300",
    }
    given = [part for name, value in parameters.items() for part in ("--parameter", f"{name}={value}")]
    with running("--rekognition-median-ms", "30", *given) as up:
        yield up


def test_requests_go_through_the_fifo_queue_whether_they_name_a_group_or_not(other: Running) -> None:
    body = photo("chelsea.jpg")
    accepted = [other.post("sqs", {**body, **group}) for group in ({}, {"group": "camera-7"}, {"group": "camera-7"})]

    assert [answer.status_code for answer in accepted] == [202, 202, 202]
    for answer in accepted:
        assert other.result(answer.json()["request_id"])["status"] == "SUCCEEDED"
    until(lambda: other.state("sqs")["completed"] == 3, "three messages done")
    attributes = other.client("sqs").get_queue_attributes(
        QueueUrl=other.ready["outputs"]["QueueUrl"], AttributeNames=["FifoQueue", "ApproximateNumberOfMessages"]
    )["Attributes"]
    assert attributes == {"FifoQueue": "true", "ApproximateNumberOfMessages": "0"}


def test_without_fan_out_its_route_is_not_there_and_the_others_are(other: Running) -> None:
    # What API Gateway says to any path that it does not know.
    assert other.post("kinesis-efo", photo("chelsea.jpg")).status_code == 403
    assert other.post("kinesis", photo("chelsea.jpg")).status_code == 202
    assert not [name for name in other.ready["outputs"] if "Efo" in name]
    state = requests.get(f"{other.ready['control_url']}/state", timeout=60).json()["buffers"]
    assert "kinesis-efo" not in state
    assert {"sns", "sqs", "kinesis"} <= set(state)


def test_put_records_takes_a_thousand_a_second_and_throttles_each_entry_of_the_rest(other: Running) -> None:
    kinesis = other.client("kinesis")
    stream = other.ready["outputs"]["StreamName"]
    ended: Counter[str] = Counter()
    started = asked = time.monotonic()
    due = 0.0
    for turn in range(SECONDS * 6):
        # 500 records every sixth of a second are 3,000 a second.
        while (left := started + turn / 6 - time.monotonic()) > 0:
            time.sleep(left)
        records = [{"Data": b"x", "PartitionKey": str(key)} for key in range(500)]
        # Where the machine was busy for longer, a call of 500 cannot make up for it.
        due += min(500, LIMIT * (time.monotonic() - asked))
        asked = time.monotonic()
        answer = kinesis.put_records(StreamName=stream, Records=records)
        codes = Counter(entry.get("ErrorCode", "accepted") for entry in answer["Records"])
        assert answer["FailedRecordCount"] == 500 - codes["accepted"]
        ended += codes
    elapsed = time.monotonic() - started
    assert ended["accepted"] + ended["ProvisionedThroughputExceededException"] == SECONDS * 6 * 500
    # A full bucket at the start is one second's worth more.
    assert 0.9 * due <= ended["accepted"] <= LIMIT * (elapsed + 1)


def test_through_the_api_the_excess_is_429_and_none_of_it_is_counted_accepted(other: Running) -> None:
    # Eight Python clients exceed a shard's 1 MiB a second; its 1,000 records take a load generator (benchmarks/).
    body = {"image": {"bytes": "AAAA" * 200_000}}
    before = other.state("kinesis")["accepted"]
    with ThreadPoolExecutor(8) as clients:
        statuses = Counter(clients.map(lambda _: other.post("kinesis", body).status_code, range(40)))
    assert set(statuses) == {202, 429}
    assert other.state("kinesis")["accepted"] == before + statuses[202]
