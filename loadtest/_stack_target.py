"""A stack in an AWS account as target, found by its name with boto3's own credentials and Region."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from loadtest._authentication import Showing
from loadtest._cloudwatch_monitoring import CloudWatchMonitoring
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
_IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"
_DEPTHS: Final = ("ApproximateNumberOfMessages", _IN_FLIGHT, "ApproximateNumberOfMessagesDelayed")
# A service that throttles is asked again, but not for so long that the load's own state is not looked at.
_ATTEMPTS: Final = 4
_TIMEOUT_S: Final = 10
# What boto3 says of the user's own settings is what is wrong, not what to do. By its classes, which are slow to import.
_CURES: Final = {
    "NoRegionError": "set AWS_DEFAULT_REGION, or a region in the profile",
    "ProfileNotFound": "set AWS_PROFILE to one of those that `aws configure list-profiles` shows",
    "NoCredentialsError": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


class StackTarget:
    """Tells of this moment what results there are, how deep SQS's queue is and what is dead; of some minutes ago, what
    CloudWatch says of throttles, concurrency and ages.

    A queue's depth is its own word, not CloudWatch's of the same name: whether a turn has drained is asked of it.
    """

    kind: Literal["aws"] = "aws"
    options: "Mapping[str, Any] | None" = None
    callback_receiver: CallbackReceiver | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: Stack | None = None
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}
        self._looked_at: dict[str, float] = {}
        self._last: dict[str, BufferState] = {}
        self.outputs: Mapping[str, str] = {}
        self.monitoring: CloudWatchMonitoring | None = None

    @property
    def api_url(self) -> str:
        """The stage's URL."""
        return self._open_stack().api_url.rstrip("/")

    @property
    def showing(self) -> Showing:
        """What the stack says that it asks; who asks is whoever boto3 finds credentials of."""
        stack = self._open_stack()
        return Showing(stack.authentication, api_key_id=stack.api_key_id)

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
            self._clients.clear()
            stacks = self._client("cloudformation").describe_stacks(StackName=self._name)["Stacks"]
            self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", ())}
            parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stacks[0].get("Parameters", ())}
            self.options = {"parameters": parameters}
            self._stack = Stack.from_outputs(self.outputs)
        except (BotoCoreError, ClientError) as error:
            said = str(error).rstrip(".")
            cure = _CURES.get(type(error).__name__)
            raise TargetError(f"the stack {self._name} cannot be read: {said}{f'; {cure}' if cure else ''}") from None
        except StackError as error:
            raise TargetError(f"{self._name}: {error}") from None
        check(self._stack, workload, self)
        self.showing.to(self.api_url)
        self.monitoring = CloudWatchMonitoring(self._client("cloudwatch"), self._stack)
        self.monitoring.check()

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """The results table knows."""

    def renew(self) -> bool:
        """A stack keeps what it holds."""
        return False

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:
        """How it stands with a buffer, looked at every few seconds.

        Raises:
            TargetError: AWS did not answer, or the credentials may not ask.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if time.monotonic() - self._looked_at.get(request_run_id, -_LOOK_S) >= _LOOK_S:
            self._looked_at[request_run_id] = time.monotonic()
            try:
                self._last[request_run_id] = self._look(buffer, request_run_id)
            except (BotoCoreError, ClientError) as error:
                raise TargetError(f"the state of {buffer or 'the results'} cannot be read: {error}") from None
        assert self.monitoring is not None, "open comes first"
        told = self.monitoring.look(buffer, request_run_id)
        return replace(
            self._last.get(request_run_id, BufferState()),
            throttles=told.throttles,
            concurrency=told.concurrency,
            oldest_age_s=told.oldest_age_s,
            metrics_age_s=told.age_s,
        )

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """The stored results."""
        return self._outcome().results(way, request_run_id)

    def dead_letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "Iterator[Row]":
        """The requests that were given up."""
        return self._outcome().dead_letters(buffer, request_run_id, since)

    def close(self) -> None:
        """Nothing was started."""

    def _look(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:
        stack = self._open_stack()
        pages = (
            self._client("dynamodb")
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
        dead = sum(self._depths(dead_letters).values())
        if buffer == "sns":
            return BufferState(completed=completed, dead_lettered=dead)
        depths = self._depths(stack.queue_url)
        return BufferState(
            completed=completed, dead_lettered=dead, backlog=sum(depths.values()), in_flight=depths[_IN_FLIGHT]
        )

    def _depths(self, queue_url: str) -> dict[str, int]:
        told = self._client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(_DEPTHS))["Attributes"]
        return {name: int(told.get(name, 0)) for name in _DEPTHS}

    def _client(self, service: str) -> Any:
        """One for each service: to make one takes longer than a request may be late."""
        from botocore.config import Config

        if service not in self._clients:
            assert self._session is not None
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                service,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    connect_timeout=_TIMEOUT_S,
                    read_timeout=_TIMEOUT_S,
                ),
            )
        return self._clients[service]

    def _open_stack(self) -> Stack:
        assert self._stack is not None, "open comes first"
        return self._stack

    def _outcome(self) -> Outcome:
        session = self._session
        assert session is not None
        return Outcome(self._open_stack(), lambda: session, {})
