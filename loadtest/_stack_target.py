"""A stack in an AWS account as target, found by its name with boto3's own credentials and Region."""

import time
from typing import TYPE_CHECKING, Any, Final, Literal

from loadtest._outcome import Outcome
from loadtest._target import BufferState, CallbackReceiver, Row, TargetError, check
from pipeline.stack import Stack, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import boto3

    from loadtest._workload import Workload
    from pipeline.request import Buffer

# Each look reads the run's part of the results' index, which costs read units.
_LOOK_S: Final = 5.0
_DEPTHS: Final = (
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
)  # fmt: skip


class StackTarget:
    """Tells what results there are, and for SQS the queue's depth and dead letters; the rest only CloudWatch knows."""

    kind: Literal["aws"] = "aws"
    options: "Mapping[str, Any] | None" = None
    callback_receiver: CallbackReceiver | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: Stack | None = None
        self._session: boto3.Session | None = None
        self._looked_at: dict[str, float] = {}
        self._last: dict[str, BufferState] = {}
        self.outputs: Mapping[str, str] = {}

    @property
    def api_url(self) -> str:
        """The stage's URL."""
        return self._open_stack().api_url.rstrip("/")

    def open(self, workload: "Workload") -> None:
        """Read the stack's outputs.

        Raises:
            TargetError: there is no such stack, it is not one of ours or lacks what the workload needs, or the account
                cannot be reached.
        """
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._session = boto3.Session()
            stacks = self._session.client("cloudformation").describe_stacks(StackName=self._name)["Stacks"]
            self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", ())}
            self._stack = Stack.from_outputs(self.outputs)
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"the stack {self._name} cannot be read: {error}") from None
        except StackError as error:
            raise TargetError(f"{self._name}: {error}") from None
        check(self._stack, workload, self)

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """The results table knows."""

    def renew(self) -> bool:
        """A stack keeps what it holds."""
        return False

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:
        """How it stands with a buffer, looked at every few seconds.

        Raises:
            TargetError: AWS did not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if time.monotonic() - self._looked_at.get(request_run_id, -_LOOK_S) >= _LOOK_S:
            self._looked_at[request_run_id] = time.monotonic()
            try:
                self._last[request_run_id] = self._look(buffer, request_run_id)
            except (BotoCoreError, ClientError) as error:
                raise TargetError(f"the state of {buffer or 'the results'} cannot be read: {error}") from None
        return self._last.get(request_run_id, BufferState())

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """The stored results."""
        return self._outcome().results(way, request_run_id)

    def dead_letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "Iterator[Row]":
        """The requests that were given up."""
        return self._outcome().dead_letters(buffer, request_run_id, since)

    def close(self) -> None:
        """Nothing was started."""

    def _look(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:
        stack, session = self._open_stack(), self._session
        assert session is not None
        pages = (
            session.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=stack.results_table,
                IndexName=stack.results_by_run_index,
                Select="COUNT",
                KeyConditionExpression="run_id = :run",
                ExpressionAttributeValues={":run": {"S": request_run_id}},
            )
        )
        completed = sum(page["Count"] for page in pages)
        if buffer is None or buffer in ("kinesis", "kinesis-efo"):
            return BufferState(completed=completed)
        dead_letters = stack.sqs_dead_letter_queue_url if buffer == "sqs" else stack.sns_failure_queue_url
        return BufferState(
            completed=completed,
            dead_lettered=self._depth(dead_letters),
            backlog=self._depth(stack.queue_url) if buffer == "sqs" else None,
        )

    def _depth(self, queue_url: str) -> int:
        assert self._session is not None
        answer = self._session.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(_DEPTHS))
        return sum(int(answer["Attributes"].get(name, 0)) for name in _DEPTHS)

    def _open_stack(self) -> Stack:
        assert self._stack is not None, "open comes first"
        return self._stack

    def _outcome(self) -> Outcome:
        session = self._session
        assert session is not None
        return Outcome(self._open_stack(), lambda: session, {})
