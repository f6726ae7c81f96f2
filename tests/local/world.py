"""A small stack with the tests' own handlers, deployed with its real parts."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from delivery.quotas import Quotas
from local.clock import Clock, epoch_clock
from local.deployed_stack import DeployedStack, Surroundings
from local.physical_names import PhysicalNames
from local.queue import Sending
from local.stream import Entry, Put
from local.template import ResolvedStack, parse
from local.topic import Publication
from local.wire import WireRequest, WireResponse, WireService
from tests.local.sample_configuration import FUNCTIONS

# Waits of minutes are what these tests are not about.
QUICK = {
    "account_concurrency": 4,
    "async_first_retry_s": 0.01,
    "async_second_retry_s": 0.01,
    "kinesis_poll_interval_s": 0.01,
    "kinesis_retry_first_s": 0.01,
    "kinesis_retry_max_s": 0.01,
    "kinesis_shard_reads_per_s": 1000,
}

TEMPLATE = """
Parameters:
  Handler: {Type: String}
  Done: {Type: String}
  Marker: {Type: String, Default: nowhere}
  VisibilityTimeout: {Type: Number, Default: 5}
Resources:
  Stream: {Type: "AWS::Kinesis::Stream", Properties: {ShardCount: 1}}
  PushedStream: {Type: "AWS::Kinesis::Stream", Properties: {ShardCount: 1}}
  Consumer:
    Type: AWS::Kinesis::StreamConsumer
    Properties: {ConsumerName: recognition, StreamARN: !GetAtt PushedStream.Arn}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !Ref VisibilityTimeout
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 2}
  DeadLetters: {Type: "AWS::SQS::Queue"}
  Failures: {Type: "AWS::SQS::Queue"}
  Topic: {Type: "AWS::SNS::Topic"}
  Bucket: {Type: "AWS::S3::Bucket"}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: !Ref Handler
      Runtime: python3.13
      Role: arn:aws:iam::000000000000:role/test
      Timeout: 4
      Environment: {Variables: {DONE: !Ref Done, MARKER: !Ref Marker}}
  KinesisMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt Stream.Arn
      StartingPosition: TRIM_HORIZON
      BatchSize: 10
      MaximumRetryAttempts: 1
      BisectBatchOnFunctionError: "true"
      FunctionResponseTypes: [ReportBatchItemFailures]
      DestinationConfig: {OnFailure: {Destination: !GetAtt Bucket.Arn}}
  FanOutMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt Consumer.ConsumerARN
      StartingPosition: TRIM_HORIZON
      BatchSize: 10
      MaximumRetryAttempts: 1
      BisectBatchOnFunctionError: "true"
      FunctionResponseTypes: [ReportBatchItemFailures]
      DestinationConfig: {OnFailure: {Destination: !GetAtt Bucket.Arn}}
  SqsMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt Queue.Arn
      FunctionResponseTypes: [ReportBatchItemFailures]
  Invocation:
    Type: AWS::Lambda::EventInvokeConfig
    Properties:
      FunctionName: !Ref Function
      Qualifier: $LATEST
      MaximumRetryAttempts: 1
      DestinationConfig: {OnFailure: {Destination: !GetAtt Failures.Arn}}
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: lambda, Endpoint: !GetAtt Function.Arn}
"""


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.02)


def runs(process_id: int) -> bool:
    """Whether a process is there, and more than an exit status that nobody has fetched yet."""
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class NoStorage:
    """An S3 that nothing may reach."""

    async def handle(self, request: WireRequest) -> WireResponse:
        raise AssertionError(f"{request.method} {request.path} was not to come")


@dataclass
class World:
    """A deployed stack, and what its handlers have written into their file."""

    stack: DeployedStack
    resolved: ResolvedStack
    done_file: Path
    clock: Clock

    def put(self, *bodies: str, stream: str = "Stream") -> None:
        entries = [Entry(body.encode(), f"key-{body}") for body in bodies]
        (into,) = [each for each in self.stack.streams if each.name == f"forebay-{stream}"]
        assert all(isinstance(answer, Put) for answer in into.put(entries))

    def push(self, *bodies: str) -> None:
        self.put(*bodies, stream="PushedStream")

    def send(self, *bodies: str) -> None:
        self.queue("Queue").send([Sending(body) for body in bodies])

    def publish(self, *bodies: str) -> None:
        self.stack.topics[0].publish([Publication(body) for body in bodies])

    def enter(self, buffer: str, *bodies: str) -> None:
        {"kinesis": self.put, "kinesis-efo": self.push, "sqs": self.send, "sns": self.publish}[buffer](*bodies)

    def queue(self, logical_id: str) -> Any:
        name = f"forebay-{logical_id}"
        return next(queue for queue in self.stack.queues.values() if queue.name.removesuffix(".fifo") == name)

    def done(self) -> list[str]:
        return self.done_file.read_text().split() if self.done_file.exists() else []

    async def until_empty(self, buffer: str) -> Mapping[str, Any]:
        """Wait until nothing is left in a buffer; its last state."""
        driver = self.stack.drivers[buffer]
        await until(lambda: not driver.state()["backlog"])
        await driver.settled()
        return driver.state()


@asynccontextmanager
async def world(
    tmp_path: Path,
    handler: str,
    *,
    s3: WireService | None = None,
    quotas: Mapping[str, float] | None = None,
    endpoints: Mapping[str, str] | None = None,
    edit: Callable[[str], str] = lambda text: text,
    **parameters: str,
) -> AsyncIterator[World]:
    done_file = tmp_path / f"done-{uuid.uuid4()}"
    names = PhysicalNames(queue_base_url="http://127.0.0.1:1")
    resolved = parse(edit(TEMPLATE)).resolve({"Handler": handler, "Done": str(done_file), **parameters}, names)
    clock = epoch_clock()
    overridden = {**QUICK, **(quotas or {})}
    stack = DeployedStack.of(
        resolved,
        Surroundings(
            clock=clock,
            quotas=Quotas.with_overrides(overridden),
            overridden=overridden,
            region="us-east-1",
            task_root=FUNCTIONS,
            endpoints=endpoints or {},
            log_folder=None,
            s3=s3 or NoStorage(),
            seed=1,
        ),
    )
    try:
        yield World(stack, resolved, done_file, clock)
    finally:
        await stack.close()
