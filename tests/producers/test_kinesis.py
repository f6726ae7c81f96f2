import base64
import itertools
import json
from typing import Any

import boto3
import pytest
from aws_kinesis_agg.deaggregator import deaggregate_records
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import deaggregate
from pipeline.request import InlineImage, Request, StoredImage
from producers.kinesis import KinesisProducer
from producers.shards import Shards
from producers.submission import Submission

TOP = 2**128 - 1
ONE_SHARD = Shards([(0, TOP)])
TWO_SHARDS = Shards([(0, TOP // 2), (TOP // 2 + 1, TOP)])
MIB = 1_048_576


class Stream:
    """PutRecords as Kinesis checks it; refuses by a script of positions a call. Its clock is moved by sleeping."""

    def __init__(self, *refusals: set[int]) -> None:
        self.refusals = list(refusals)
        self.calls: list[tuple[float, list[dict[str, Any]]]] = []
        self.taken: list[dict[str, Any]] = []
        self.now = 50.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert StreamName == "s"
        sizes = [len(record["Data"]) + len(record["PartitionKey"].encode()) for record in Records]
        assert 1 <= len(Records) <= 500
        assert sum(sizes) <= 10 * MIB
        assert max(sizes) <= MIB
        assert all(1 <= len(record["PartitionKey"]) <= 256 for record in Records)
        assert all(set(record) == {"Data", "PartitionKey"} for record in Records)
        refused = self.refusals.pop(0) if self.refusals else set()
        self.calls.append((self.now, Records))
        self.taken += [record for position, record in enumerate(Records) if position not in refused]
        throttle = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"}
        return {
            "FailedRecordCount": len(refused),
            "Records": [
                throttle if position in refused else {"SequenceNumber": "1", "ShardId": "shardId-0"}
                for position in range(len(Records))
            ],
        }

    def requests(self) -> list[Request]:
        return [Request.from_json(body) for record in self.taken for body in deaggregate(record["Data"])]


def producer(stream: Stream, shards: Shards = ONE_SHARD, **options: Any) -> KinesisProducer:
    numbers = itertools.count()
    return KinesisProducer(
        stream,  # type: ignore[arg-type]
        "s",
        shards=shards,
        clock=lambda: stream.now,
        sleep=stream.sleep,
        uniform=lambda: 0.5,
        new_key=lambda: f"key{next(numbers)}",
        **options,
    )


def images(*sizes: int) -> list[Submission]:
    return [Submission(InlineImage(bytes([n % 256]) * size)) for n, size in enumerate(sizes)]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("requests_per_record", [1, 10], ids=["single", "aggregated"])
def test_what_is_sent_to_a_stream_is_read_from_it(submissions: list[Submission], requests_per_record: int) -> None:
    client = boto3.client("kinesis")
    client.create_stream(StreamName="s", ShardCount=2)

    sent = KinesisProducer(client, "s", requests_per_record=requests_per_record).send(submissions)

    records = []
    for shard in client.list_shards(StreamName="s")["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName="s", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        of_shard = client.get_records(ShardIterator=iterator)["Records"]
        assert of_shard, "every shard gets its turn"
        records += of_shard
    requests = [Request.from_json(body) for record in records for body in deaggregate(record["Data"])]
    assert len(records) == (25 if requests_per_record == 1 else 3)
    assert sent.given_up == []
    assert sorted(sent.accepted) == sorted(request.request_id for request in requests)
    assert {request.image for request in requests} == {each.image for each in submissions}
    assert {request.buffer for request in requests} == {"kinesis"}


@given(st.lists(st.integers(1, 400_000), max_size=12), st.integers(1, 6))
def test_aggregates_of_any_sizes_keep_the_limits_and_come_apart_in_order(
    sizes: list[int], requests_per_record: int
) -> None:
    stream = Stream()

    sent = producer(stream, requests_per_record=requests_per_record).send(images(*sizes))

    assert sent.given_up == []
    assert [request.request_id for request in stream.requests()] == sent.accepted
    assert [len(r.image.data) for r in stream.requests() if isinstance(r.image, InlineImage)] == sizes
    assert all(len(deaggregate(record["Data"])) <= requests_per_record for record in stream.taken)


def test_an_aggregate_is_filled_because_its_one_key_is_counted_once() -> None:
    stream = Stream()
    small = [Submission(StoredImage("b", "k" * 20))] * 12_000

    producer(stream, requests_per_record=20_000).send(small)

    assert len(stream.requests()) == 12_000
    first = stream.taken[0]
    assert len(first["Data"]) + len(first["PartitionKey"]) > 0.99 * MIB


def test_every_request_of_an_aggregate_has_the_aggregates_own_key() -> None:
    stream = Stream()
    producer(stream, TWO_SHARDS, requests_per_record=5).send(images(*[100] * 20))

    for record in stream.taken:
        kinesis = {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "data": base64.b64encode(record["Data"]),
        }
        inner = deaggregate_records([{"kinesis": kinesis}])
        assert {each["kinesis"]["partitionKey"] for each in inner} == {record["PartitionKey"]}


def test_shards_take_turns() -> None:
    stream = Stream()
    producer(stream, TWO_SHARDS, requests_per_record=1).send(images(*[100] * 10))

    shards = [TWO_SHARDS.shard_of(record["PartitionKey"]) for record in stream.taken]
    assert shards == [1, 0] * 5


@pytest.mark.parametrize("requests_per_record", [1, 100], ids=["single", "aggregated"])
def test_an_image_no_record_holds_is_given_up_and_the_others_are_sent(requests_per_record: int) -> None:
    stream = Stream()

    sent = producer(stream, requests_per_record=requests_per_record).send(images(100, 800_000, 100))

    assert len(sent.accepted) == 2
    assert len(sent.given_up) == 1
    assert "too large" in sent.given_up[0].reason


def test_an_image_too_large_for_an_aggregate_that_fits_by_itself_goes_alone() -> None:
    stream = Stream()
    around = len(json.dumps({"request": {"image": {"bytes": ""}}}))
    # Base64 of this many bytes, with the record around it, is just under 1 MiB less the key.
    largest = (MIB - 200 - around) * 3 // 4

    sent = producer(stream).send(images(100, largest, 100))

    assert sent.given_up == []
    assert len(stream.requests()) == 3


def test_refused_records_are_sent_again_and_counted_by_request() -> None:
    stream = Stream({0, 2})

    sent = producer(stream, requests_per_record=5).send(images(*[100] * 15))

    assert [len(records) for _, records in stream.calls] == [3, 2]
    assert sent.retried == 10
    assert sorted(sent.accepted) == sorted(request.request_id for request in stream.requests())
    assert len(sent.accepted) == 15


@pytest.mark.parametrize(
    ("count", "size", "seconds"),
    [
        pytest.param(5_000, 10, 4.0, id="1,000 records a second, after the first thousand"),
        pytest.param(40, 196_000, 9.0, id="1 MiB a second, after the first"),
    ],
)
def test_one_shard_is_sent_no_more_than_it_takes(count: int, size: int, seconds: float) -> None:
    stream = Stream()

    producer(stream, requests_per_record=1).send(images(*[size] * count))

    assert stream.calls[-1][0] - stream.calls[0][0] == pytest.approx(seconds, rel=0.1)


def test_two_shards_take_twice_as_much() -> None:
    alone, together = Stream(), Stream()
    producer(alone, requests_per_record=1).send(images(*[10] * 6_000))
    producer(together, TWO_SHARDS, requests_per_record=1).send(images(*[10] * 6_000))

    assert alone.now - 50 == pytest.approx(5.0, rel=0.1)
    assert together.now - 50 == pytest.approx(2.0, rel=0.1)


def test_nothing_to_send_calls_nobody() -> None:
    stream = Stream()

    assert producer(stream).send([]).accepted == []
    assert stream.calls == []
