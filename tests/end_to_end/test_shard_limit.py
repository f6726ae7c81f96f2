"""A stream of one shard is offered three times what it takes."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.conftest import Running, running

pytestmark = pytest.mark.end_to_end

LIMIT = 1_000  # records a second and shard
SECONDS = 4


@pytest.fixture(scope="module")
def one_shard() -> Iterator[Running]:
    with running("--parameter", "KinesisShardCount=1", "--parameter", "KinesisBatchingWindow=300") as up:
        yield up


def test_put_records_takes_a_thousand_a_second_and_throttles_each_entry_of_the_rest(one_shard: Running) -> None:
    kinesis = one_shard.client("kinesis")
    stream = one_shard.ready["outputs"]["StreamName"]
    ended: Counter[str] = Counter()
    started = time.monotonic()
    for turn in range(SECONDS * 6):
        # 500 records every sixth of a second are 3,000 a second.
        while time.monotonic() < started + turn / 6:
            time.sleep(0.001)
        records = [{"Data": b"x", "PartitionKey": str(key)} for key in range(500)]
        answer = kinesis.put_records(StreamName=stream, Records=records)
        codes = Counter(entry.get("ErrorCode", "accepted") for entry in answer["Records"])
        assert answer["FailedRecordCount"] == 500 - codes["accepted"]
        ended += codes
    elapsed = time.monotonic() - started
    assert ended["accepted"] + ended["ProvisionedThroughputExceededException"] == SECONDS * 6 * 500
    # A full bucket at the start is one second's worth more.
    assert LIMIT * elapsed * 0.9 <= ended["accepted"] <= LIMIT * (elapsed + 1)


def test_through_the_api_the_excess_is_429_and_none_of_it_is_counted_accepted() -> None:
    # A limit that eight Python clients can exceed; that of AWS takes a load generator (benchmarks/).
    with running("--parameter", "KinesisShardCount=1", "--quota", "kinesis_shard_records_per_s=20") as few:
        body = {"image": {"key": "cat.jpg"}}
        with ThreadPoolExecutor(8) as clients:
            statuses = Counter(clients.map(lambda _: few.post("kinesis", body).status_code, range(200)))
        assert set(statuses) == {202, 429}
        assert few.state("kinesis")["accepted"] == statuses[202]
