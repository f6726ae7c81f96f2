"""The outcome of a buffer's turn, as the stack stored it: results from the table, dead letters from where they lie."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from loadtest._target import Row, TargetError
from pipeline import aws_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import boto3

    from pipeline.dead_letters import DeadLetter
    from pipeline.request import Buffer
    from pipeline.results_table import StoredResult
    from pipeline.stack import Stack


@dataclass(frozen=True, slots=True)
class Outcome:
    """Reads with boto3, which is loaded only when the load is over: it is large, and the generator has to be quick."""

    stack: "Stack"
    session: "Callable[[], boto3.Session]"
    endpoints: "Mapping[str, str]"

    @classmethod
    def by_environment(cls, stack: "Stack", environment: "Mapping[str, str]") -> "Outcome":
        """Of a stack that is reached by the variables of boto3's own names."""
        return cls(stack, partial(aws_environment.session, environment), aws_environment.endpoints(environment))

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """Rows of RESULT_COLUMNS, called by the way's name.

        Raises:
            TargetError: the table cannot be read.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        from pipeline.results_table import ItemError, ResultsTable

        try:
            client = self.session().client("dynamodb", endpoint_url=self.endpoints.get("dynamodb"))
            for stored in ResultsTable(client, self.stack.results_table).read_run(request_run_id):
                yield _row(way, stored)
        except (BotoCoreError, ClientError, ItemError) as error:
            raise TargetError(f"the results of {way} cannot be read: {error}") from None

    def dead_letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "Iterator[Row]":
        """Rows of DEAD_LETTER_COLUMNS, of letters laid down from `since` on.

        Raises:
            TargetError: the queue or the bucket cannot be read.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for letter in self._letters(buffer, request_run_id, since):
                yield (buffer, letter.sequence, letter.request_id, letter.reason)
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"the dead letters of {buffer} cannot be read: {error}") from None

    def _letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "list[DeadLetter]":
        from pipeline.dead_letters import drain_sns, drain_sqs, read_kinesis

        session = self.session()
        buckets = {
            "kinesis": self.stack.kinesis_failure_bucket,
            "kinesis-efo": self.stack.kinesis_efo_failure_bucket,
        }
        if buffer in buckets:
            bucket = buckets[buffer]
            assert bucket is not None, "open refuses a workload for a buffer that the stack lacks"
            s3 = session.client("s3", endpoint_url=self.endpoints.get("s3"))
            return read_kinesis(s3, bucket, request_run_id, since)
        sqs = session.client("sqs", endpoint_url=self.endpoints.get("sqs"))
        if buffer == "sqs":
            return drain_sqs(sqs, self.stack.sqs_dead_letter_queue_url, request_run_id)
        return drain_sns(sqs, self.stack.sns_failure_queue_url, request_run_id)


def _row(way: str, stored: "StoredResult") -> Row:
    result, passage, measurement = stored.result, stored.result.passage, stored.result.measurement
    assert measurement is not None, "the index by_run holds measured requests only"
    return (
        way,
        measurement.sequence,
        result.request_id,
        result.status.value,
        result.reason,
        measurement.intended_at,
        passage.accepted_at,
        passage.received_at,
        passage.recognised_at,
        stored.stored_at,
        passage.init_ms,
        passage.batch_size,
        passage.attempts,
        stored.deliveries,
        passage.environment,
        [{"name": label.name, "confidence": label.confidence} for label in result.labels],
    )
