"""Aggregates in a stream of two shards: what a function is given by enhanced fan-out, and by polling."""

import base64
import json
from random import Random
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import AggRecord

from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import HASH_KEYS, KinesisStream
from delivery.kinesis_stream_mapping import StreamMapping
from delivery.quotas import Quotas
from local.kinesis_source import KinesisSource
from local.stream import Entry, Put, Stream
from tests.local.sample_configuration import sample_configuration

LOW, HIGH = 0, HASH_KEYS - 1
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/photos"
CONSUMER = f"{STREAM}/consumer/recognition:1"
QUOTAS = Quotas()


class Delivered:
    """One mapping on the stream, and what its function is given."""

    def __init__(self, kind: type[StreamMapping], source_arn: str) -> None:
        self.now = 1_000.0
        self.stream = Stream("photos", STREAM, KinesisStream(2, QUOTAS), lambda: self.now, QUOTAS)
        if source_arn == CONSUMER:
            self.stream.mapped_consumers.add(CONSUMER)
        self.machine = kind(
            self.stream.machine,
            capacity=Environments(Account(QUOTAS), QUOTAS),
            random=Random(1),
            quotas=QUOTAS,
        )
        self.source = KinesisSource(
            self.stream, sample_configuration("sample.ok"), lambda: self.now, source_arn=source_arn, mapping_id="m",
            partial=True, destination=None,
        )  # fmt: skip

    def given(self, *entries: Entry) -> list[dict[str, Any]]:
        """Put entries; the records of the events that follow."""
        assert all(isinstance(answer, Put) for answer in self.stream.put(entries))
        self.now += 2.0
        events = [json.loads(self.source.event(invocation)) for invocation in self.machine.poll(self.now)]
        return [record["kinesis"] for event in events for record in event["Records"]]


def aggregate(*records: tuple[str, bytes, int]) -> Entry:
    """User records of a partition key, data and hash key each, in a record of the low shard."""
    made = AggRecord()
    for key, data, hash_key in records:
        made.add_user_record(key, data, str(hash_key))
    return Entry(made.get_contents()[2], "outer", LOW)


def data(records: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(record["data"]) for record in records]


def test_a_pushed_aggregate_comes_apart_without_the_user_records_of_other_shards() -> None:
    delivered = Delivered(KinesisFanOutMapping, CONSUMER)
    records = delivered.given(
        aggregate(("a", b"1", LOW), ("b", b"2", HIGH), ("c", b"3", HIGH), ("d", b"4", 1)), Entry(b"plain", "p", LOW)
    )
    assert data(records) == [b"1", b"4", b"plain"]
    assert [record["partitionKey"] for record in records] == ["a", "d", "p"]
    assert records[0]["sequenceNumber"] == records[1]["sequenceNumber"] != records[2]["sequenceNumber"]
    assert delivered.machine.drain().dropped == 2


def test_a_polled_aggregate_comes_whole() -> None:
    delivered = Delivered(KinesisMapping, STREAM)
    entry = aggregate(("a", b"1", LOW), ("b", b"2", HIGH))
    assert data(delivered.given(entry)) == [entry.data]
    assert delivered.machine.drain().dropped == 0


def test_by_its_partition_key_alone_a_user_record_belongs_where_that_lies() -> None:
    delivered = Delivered(KinesisFanOutMapping, CONSUMER)
    made = AggRecord()
    # MD5 of "a" begins with 0c, that of "b" with 92: the lower and the upper half.
    made.add_user_record("a", b"low")
    made.add_user_record("b", b"high")
    assert data(delivered.given(Entry(made.get_contents()[2], "outer", LOW))) == [b"low"]
    assert delivered.machine.drain().dropped == 1


@pytest.mark.parametrize("cut", [1, 5])
def test_a_damaged_aggregate_is_passed_on_as_it_is(cut: int) -> None:
    delivered = Delivered(KinesisFanOutMapping, CONSUMER)
    damaged = Entry(aggregate(("a", b"1", HIGH)).data[:-cut], "outer", LOW)
    assert data(delivered.given(damaged)) == [damaged.data]
    assert delivered.machine.drain().dropped == 0
