"""An SQS queue as event source."""

import json
import uuid

from delivery.protocol import Facts, Invocation, Outcome
from delivery.sqs_source_mapping import SqsSourceMapping
from local.event_source import batch_outcome_of, outcome_of
from local.events import sqs_event
from local.execution_environment import Answer
from local.queue import Queue


class SqsSource:
    """What a driver needs of a queue and its mapping. `partial`: whether the function's list of failures is heeded."""

    def __init__(self, queue: Queue, mapping: SqsSourceMapping, *, partial: bool) -> None:
        self._queue = queue
        self._mapping = mapping
        self._partial = partial
        self._identifiers: dict[int, dict[str, int]] = {}

    def event(self, invocation: Invocation) -> bytes:
        """The batch's event."""
        batch = []
        for id_ in invocation.ids:
            lease = self._mapping.lease(invocation, id_)
            receipt_handle = self._queue.receipt_handle(id_, lease.number)
            batch.append(self._queue.received(id_, receipt_handle, lease.receive_count(id_)))
        self._identifiers[invocation.number] = {received.message.message_id: received.message.id for received in batch}
        return json.dumps(sqs_event(batch, self._queue.arn), separators=(",", ":")).encode()

    def request_id(self, invocation: Invocation) -> str:  # noqa: ARG002 (the protocol's signature)
        """A new one: a mapping invokes synchronously."""
        return str(uuid.uuid4())

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        """What the answer means; the failed messages of a batch are named by message id."""
        identifiers = self._identifiers.pop(invocation.number, {})
        return batch_outcome_of(answer, identifiers) if self._partial else outcome_of(answer)

    async def end(self, facts: Facts) -> None:
        """Delete what is done, move what is given up to the dead-letter queue."""
        self._queue.apply(facts)
