"""A stream of one shard is offered three times what it takes."""

import threading
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


def test_through_the_api_the_excess_is_429_and_none_of_it_is_counted_accepted(one_shard: Running) -> None:
    kinesis = one_shard.client("kinesis")
    stream = one_shard.ready["outputs"]["StreamName"]
    before = one_shard.state("kinesis")["accepted"]

    def offer(_: int) -> int:
        return one_shard.post("kinesis", {"image": {"key": "cat.jpg"}}).status_code

    over = threading.Event()

    def fill() -> int:
        records = [{"Data": b"x", "PartitionKey": str(key)} for key in range(500)]
        accepted = 0
        while not over.is_set():
            answer = kinesis.put_records(StreamName=stream, Records=records)
            accepted += len(records) - answer["FailedRecordCount"]
        return accepted

    with ThreadPoolExecutor(8) as clients:
        filled = clients.submit(fill)
        statuses = Counter(clients.map(offer, range(300)))
        over.set()
    assert set(statuses) == {202, 429}
    assert one_shard.state("kinesis")["accepted"] - before == statuses[202] + filled.result()
