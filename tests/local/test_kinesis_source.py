"""A batch that is older than its stream's retention: it is tried and given up as any other, and nothing is lost."""

import base64
import json
from random import Random
from typing import Any

from delivery.environments import Account, Environments
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import End, Error, Facts, Invocation
from delivery.quotas import Quotas
from local.execution_environment import Answer, Ending
from local.kinesis_source import KinesisSource
from local.stream import Entry, Stream
from tests.local.sample_configuration import sample_configuration

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/photos"
QUOTAS = Quotas.with_overrides({"kinesis_retention_s": 60})


class Bucket:
    takes_payload = True

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    async def deliver(self, record: dict[str, Any], prefix: str, at: float) -> None:
        self.records.append(record)

    def bodies(self) -> list[bytes]:
        events = [json.loads(record["payload"]) for record in self.records]
        return [base64.b64decode(each["kinesis"]["data"]) for event in events for each in event["Records"]]


class Old:
    """A stream of one shard that keeps its records for a minute, with a mapping that retries once."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.bucket = Bucket()
        self.stream = Stream("photos", STREAM, KinesisStream(1, QUOTAS), lambda: self.now, QUOTAS)
        self.machine = KinesisMapping(
            self.stream.machine,
            capacity=Environments(Account(QUOTAS), QUOTAS),
            random=Random(1),
            quotas=QUOTAS,
            maximum_retry_attempts=1,
            on_failure=True,
        )
        self.source = KinesisSource(
            self.stream, sample_configuration("sample.ok"), lambda: self.now, source_arn=STREAM, mapping_id="m",
            partial=True, destination=self.bucket,
        )  # fmt: skip

    def put(self, *bodies: bytes) -> None:
        self.stream.put([Entry(body, "key") for body in bodies])

    def started(self) -> list[tuple[Invocation, Any]]:
        """What is started now, each invocation with its event."""
        return [(each, json.loads(self.source.event(each))) for each in self.machine.poll(self.now)]

    def fail(self, invocation: Invocation) -> None:
        self.source.outcome(invocation, Answer(Ending.RAISED, b"{}", "request"))
        self.machine.settle(self.now, invocation, Error())


async def test_a_batch_whose_retention_is_over_in_its_last_try_is_given_up_with_its_records() -> None:
    old = Old()
    old.put(b"one", b"two")
    old.now += 2.0
    ((first, _),) = old.started()
    old.fail(first)
    old.now += 5.0
    ((last, _),) = old.started()
    assert last.attempt == 2
    old.now += 100.0
    # What is put now has the shard forget what is older than a minute.
    old.put(b"three")
    old.fail(last)

    await old.source.end(old.machine.drain())

    assert old.bucket.bodies() == [b"one", b"two"]


async def test_a_record_that_was_never_read_is_gone_and_takes_no_other_with_it() -> None:
    old = Old()
    old.put(b"unread", b"read")
    (unread, read) = (old.stream.record(0), old.stream.record(1))
    old.source._handed_out[read.id] = read
    old.now += 100.0
    old.put(b"later")
    await old.source.end(Facts(dead=[(unread.id, End.RETENTION), (read.id, End.RETENTION)]))
    assert old.bucket.bodies() == [b"read"]
