"""Records that a failure record only names are read from the stream again, for as long as it keeps them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import AggRecord

from pipeline.failure_record import CarriedRecord, ShardRange
from producers.redrive.choice import Choice
from producers.redrive.listing import list_place
from producers.redrive.shard_reader import ShardReader
from tests.redrive.conftest import NOW, World, batch_info, invocation, record

SHARD = "shardId-000000000000"


@pytest.fixture
def world(make_world: Any) -> World:
    """A stream of one shard, so that all records of it are in their order."""
    made: World = make_world(KinesisShardCount="1")
    return made


def put(world: World, *records: bytes) -> list[str]:
    """Put records with the keys k0, k1, ...; answers with their sequence numbers."""
    answer = world.client("kinesis").put_records(
        StreamName=world.stack.stream_name,
        Records=[{"Data": data, "PartitionKey": f"k{number}"} for number, data in enumerate(records)],
    )
    return [each["SequenceNumber"] for each in answer["Records"]]


def requests(*names: str) -> list[bytes]:
    return [record(name).encode() for name in names]


def read(world: World, first: str, last: str, size: int | None = None, **more: str) -> tuple[list[CarriedRecord], Any]:
    stream = more.get("stream", world.stack.stream_name)
    reader = ShardReader(world.client("kinesis"), world.stack.stream_name, sleep=lambda _: None)
    return reader.read(ShardRange(f"arn:aws:kinesis:::stream/{stream}", more.get("shard", SHARD), first, last, size))


def names(carried: Sequence[CarriedRecord]) -> list[str]:
    return [json.loads(each.body or "")["request_id"] for each in carried]


def test_the_records_from_the_first_to_the_last_are_read_and_no_others(world: World) -> None:
    numbers = put(world, *requests("a", "b", "c", "d", "e"))

    carried, missing = read(world, numbers[1], numbers[3])

    assert names(carried) == ["b", "c", "d"]
    assert [each.partition_key for each in carried] == ["k1", "k2", "k3"]
    assert missing is None


def test_an_aggregate_in_the_range_is_taken_apart_with_the_keys_of_its_records(world: World) -> None:
    aggregate = AggRecord()
    aggregate.add_user_record(b"own-a", requests("a")[0])
    aggregate.add_user_record(b"own-b", requests("b")[0], str(2**127).encode())
    numbers = put(world, aggregate.get_contents()[2], *requests("c"))

    carried, missing = read(world, numbers[0], numbers[1])

    assert names(carried) == ["a", "b", "c"]
    assert [(each.partition_key, each.explicit_hash_key) for each in carried][1:] == [("own-b", 2**127), ("k1", None)]
    assert missing is None


def test_what_the_retention_has_taken_is_said_and_what_it_left_is_read(world: World) -> None:
    (first,) = put(world, *requests("a"))
    world.ahead = 23 * 3_600.0
    last = put(world, *requests("b", "c"))[1]
    world.ahead = 25 * 3_600.0

    carried, missing = read(world, first, last, 3)

    assert names(carried) == ["b", "c"]
    assert missing == (
        "past the stream's retention of 24 h, and not to be read any more: the first of 3 records of "
        f"{SHARD}, from {first} to {last}"
    )


@pytest.mark.parametrize("others", [0, 2], ids=["an empty shard", "a shard with younger records"])
def test_a_batch_that_is_past_the_retention_as_a_whole_says_so(world: World, others: int) -> None:
    numbers = put(world, *requests("a", "b"))
    world.ahead = 30 * 3_600.0
    put(world, *requests(*(f"young{number}" for number in range(others)))) if others else None

    carried, missing = read(world, numbers[0], numbers[1], 2)

    assert carried == []
    assert missing.startswith("past the stream's retention of 24 h, and not to be read any more: 2 records of shardId-")


REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("another stack's stream, or this one's before it was replaced", {"stream": "another"}, "lay in another stream"),
    ("a shard that is gone with a resharding", {"shard": "shardId-000000000007"}, "has no such records"),
    ("a number of another stream", {"first": "49" + "7" * 54}, "has no such records"),
    ("a last record that never was", {"last": "49" + "9" * 54}, "has no record 49999"),
]


@pytest.mark.parametrize(("more", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_range_that_is_not_the_streams_gives_nothing_and_says_why(
    world: World, more: dict[str, str], told: str
) -> None:
    numbers = put(world, *requests("a", "b"))

    carried, missing = read(world, **{"first": numbers[0], "last": numbers[1], **more})

    assert carried == []
    assert told in missing


class LongShard:
    """A client of a shard that has more than any batch holds."""

    exceptions = type("E", (), {"ResourceNotFoundException": KeyError, "InvalidArgumentException": ValueError})

    def __init__(self) -> None:
        self.pages = 0

    def get_shard_iterator(self, **_: Any) -> dict[str, str]:
        return {"ShardIterator": "1"}

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        self.pages += 1
        page = {"SequenceNumber": ShardIterator, "Data": bytes(9 * 1024 * 1024), "PartitionKey": "k"}
        return {"Records": [page], "NextShardIterator": str(int(ShardIterator) + 1), "MillisBehindLatest": 1}


def test_a_range_of_more_than_a_batch_is_not_read_to_the_end() -> None:
    client = LongShard()

    carried, missing = ShardReader(client, "s", sleep=lambda _: None).read(  # type: ignore[arg-type]
        ShardRange("arn:aws:kinesis:::stream/s", SHARD, "1", "9" * 40, None)
    )

    assert carried == []
    assert missing is not None
    assert "more than 64 MiB" in missing
    assert client.pages == 8


def test_batches_without_their_records_are_replayed_from_the_stream_a_thousand_requests(world: World) -> None:
    numbers: list[str] = []
    for start in range(0, 1_000, 250):
        numbers += put(world, *requests(*(f"id{number}" for number in range(start, start + 250))))
    bucket = world.stack.kinesis_failure_bucket
    letters = [
        json.dumps(
            invocation(
                "RecordAgeExceeded",
                0,
                KinesisBatchInfo=batch_info(world.stack.stream_name, numbers[start], numbers[start + 99], 100),
            )
        )
        for start in range(0, 1_000, 100)
    ]
    world.lay_objects(bucket, letters)
    world.answer("id5", "id500")

    replayed = world.replay("kinesis")

    assert (replayed.sent, replayed.done, replayed.removed) == (998, 2, 10)
    assert world.keys(bucket) == []
    again = world.records(world.stack.stream_name)[1_000:]
    assert {json.loads(each["Data"])["request_id"] for each in again} == {f"id{n}" for n in range(1_000)} - {
        "id5",
        "id500",
    }
    assert len(again) == 998


def test_a_batch_past_the_retention_is_shown_and_left_alone(world: World) -> None:
    numbers = put(world, *requests("a"))
    info = batch_info(world.stack.stream_name, numbers[0], numbers[0], 1)
    world.lay_objects(world.stack.kinesis_failure_bucket, [json.dumps(invocation(KinesisBatchInfo=info))])
    world.ahead = 25 * 3_600.0

    (foreign,) = list_place(world.place("kinesis"), Choice(NOW)).foreign
    replayed = world.replay("kinesis")

    assert "retention of 24 h, and not to be read any more: 1 record of shardId-" in foreign.problem
    assert (replayed.sent, replayed.removed, replayed.left_alone) == (0, 0, 1)
