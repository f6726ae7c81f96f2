"""An event source: what a driver must know of a buffer, beside its machine."""

import json
from collections.abc import Mapping
from typing import Protocol

from delivery.protocol import Error, Facts, Invocation, Ok, Outcome, PartialFailure, Timeout
from local.execution_environment import Answer, Ending


class EventSource(Protocol):
    """Turns records into a function's event, its answer into an outcome, and lets go of records that ended."""

    def event(self, invocation: Invocation) -> bytes:
        """The event of an invocation, JSON."""

    def request_id(self, invocation: Invocation) -> str:
        """The request id the invocation carries."""

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        """What the answer means to the machine. Called once for each invocation."""

    async def end(self, facts: Facts) -> None:
        """Let go of the records that ended, and deliver those given up to where failures go."""


def outcome_of(answer: Answer) -> Outcome:
    """What an answer means where no list of failures is heeded."""
    if answer.ending is Ending.RETURNED:
        return Ok()
    if answer.ending is Ending.TIMED_OUT:
        return Timeout()
    return Error(lost=answer.lost)


def batch_outcome_of(answer: Answer, identifiers: Mapping[str, int]) -> Outcome:
    """What an answer means under ReportBatchItemFailures (docs: services-sqs-errorhandling, services-kinesis-
    batchfailurereporting): no list or an empty one is success; an identifier that is empty, null or of no record of the
    batch, or another key in its place, fails the whole batch.

    AWS does not say what an answer is worth that is no object. Here the batch fails: a record handled twice is better
    than one that is lost.

    Args:
        identifiers: the records' ids by what the function calls them.
    """
    if answer.ending is not Ending.RETURNED:
        return outcome_of(answer)
    try:
        response = json.loads(answer.payload)
    except (ValueError, RecursionError):
        return Error()
    if response is None:
        return Ok()
    if not isinstance(response, dict):
        return Error()
    failures = response.get("batchItemFailures")
    if failures is None:
        return Ok()
    if not isinstance(failures, list):
        return Error()
    failed = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in identifiers:
            return Error()
        failed.add(identifiers[identifier])
    return PartialFailure(frozenset(failed)) if failed else Ok()
