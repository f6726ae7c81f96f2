"""A Kinesis stream as event source."""

import itertools
import json
import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

from delivery.protocol import End, Facts, Invocation, Ok, Outcome
from local.aggregate import user_key_of, user_records_of
from local.clock import Clock
from local.event_source import batch_outcome_of, outcome_of
from local.events import kinesis_event
from local.execution_environment import Answer, FunctionConfiguration
from local.failure_destination import Failure, FailureDestination, stream_record
from local.stream import Stream, StreamRecord, shard_id

_LOG = logging.getLogger(__name__)


class KinesisSource:
    """What a driver needs of a stream and its mapping. The records stay in the stream, whatever becomes of them.

    Those that were handed out are kept until they end, as Lambda keeps a batch that it has read: a stream's retention
    may be over before a batch is done with or given up.

    Args:
        source_arn: what the mapping reads by: the stream itself, or its consumer of enhanced fan-out. By a consumer,
            the function is given the user records of aggregates one by one, those of other shards left out; what is
            given up goes to the destination as it lies in the stream.
        mapping_id: the event source mapping's UUID, part of the key of what is put into a failure bucket.
        partial: whether the function's list of failed records is heeded.
        destination: where records go that are given up; None to lose them.
    """

    def __init__(
        self,
        stream: Stream,
        configuration: FunctionConfiguration,
        clock: Clock,
        *,
        source_arn: str,
        mapping_id: str,
        partial: bool,
        destination: FailureDestination | None,
    ) -> None:
        self._stream = stream
        self._configuration = configuration
        self._clock = clock
        self._source_arn = source_arn
        self._pushed = source_arn != stream.arn
        self._mapping_id = mapping_id
        self._partial = partial
        self._destination = destination
        self._identifiers: dict[int, dict[str, int]] = {}
        self._failures: dict[int, Failure] = {}
        self._handed_out: dict[int, StreamRecord] = {}

    def event(self, invocation: Invocation) -> bytes:
        """The batch's event."""
        records = [self._handed_out.get(id_) or self._stream.record(id_) for id_ in invocation.ids]
        self._handed_out.update((record.id, record) for record in records)
        self._identifiers[invocation.number] = {record.sequence_number: record.id for record in records}
        given = self._taken_apart(records) if self._pushed else records
        return json.dumps(self._event(given), separators=(",", ":")).encode()

    def request_id(self, invocation: Invocation) -> str:  # noqa: ARG002 (the protocol's signature)
        """A new one: a mapping invokes synchronously."""
        return str(uuid.uuid4())

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        """What the answer means; the failed records of a batch are named by sequence number."""
        identifiers = self._identifiers.pop(invocation.number, {})
        outcome = batch_outcome_of(answer, identifiers) if self._partial else outcome_of(answer)
        if not isinstance(outcome, Ok):
            self._failures.update(dict.fromkeys(invocation.ids, Failure.of(invocation, answer)))
        return outcome

    async def end(self, facts: Facts) -> None:
        """Send those given up to the destination, a record for each shard and reason."""
        failures = {id_: self._failures.pop(id_, None) for id_, _ in facts.dead}
        dead = [(record, end) for id_, end in facts.dead if (record := self._given_up(id_)) is not None]
        for id_ in itertools.chain(facts.done, (id_ for id_, _ in facts.expired)):
            self._failures.pop(id_, None)
            self._handed_out.pop(id_, None)
        if self._destination is None:
            return
        for end, records in _batches(dead):
            shard = shard_id(records[0].shard)
            letter = stream_record(
                records,
                self._event(records) if self._destination.takes_payload else None,
                end,
                failures[records[-1].id],
                self._configuration.arn,
                self._stream.arn,
                self._clock,
            )
            await self._destination.deliver(letter, f"aws/lambda/{self._mapping_id}/{shard}", self._clock())

    def _given_up(self, id_: int) -> StreamRecord | None:
        handed_out = self._handed_out.pop(id_, None)
        if handed_out is not None:
            return handed_out
        try:
            return self._stream.record(id_)
        except KeyError:
            _LOG.warning("a record of %s is gone: its retention was over before anybody had read it", self._stream.name)
            return None

    def _taken_apart(self, records: Iterable[StreamRecord]) -> Iterator[StreamRecord]:
        """Each user record as a record of its own, under the sequence number of its aggregate."""
        for record in records:
            inside = user_records_of(record.data)
            if not inside:
                yield record
                continue
            first, last = self._stream.machine.hash_key_range(record.shard)
            for user in inside:
                if first <= user_key_of(user) <= last:
                    yield replace(
                        record,
                        data=user.data,
                        partition_key=user.partition_key,
                        explicit_hash_key=user.explicit_hash_key,
                    )

    def _event(self, records: Iterable[StreamRecord]) -> dict[str, object]:
        return kinesis_event(records, self._source_arn, self._configuration.role_arn)


def _batches(dead: Iterable[tuple[StreamRecord, End]]) -> Iterator[tuple[End, list[StreamRecord]]]:
    """Those of one shard that ended alike, together."""
    for (_, end), group in itertools.groupby(dead, key=lambda entry: (entry[0].shard, entry[1])):
        yield end, [record for record, _ in group]
