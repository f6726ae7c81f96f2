"""An account of a few buffers behind the three services, with a clock that the test moves."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from delivery.kinesis_stream import KinesisStream
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_queue import SqsQueue
from local.fifo_queue import FifoQueue
from local.kinesis import Kinesis
from local.queue import Queue, QueueSettings
from local.sns import Sns
from local.sqs import Sqs
from local.standard_queue import StandardQueue
from local.stream import Stream
from local.topic import Subscription, Topic
from local.wire import WireRequest, WireResponse, WireService

ACCOUNT = "123456789012"
REGION = "eu-central-1"
STARTED_AT = 1_700_000_000.0


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = STARTED_AT

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def make_queue(
    name: str,
    clock: Callable[[], float],
    *,
    dead_letter_queue: Queue | None = None,
    message_id: Callable[[], str] | None = None,
    quotas: Quotas | None = None,
    **settings: Any,
) -> StandardQueue:
    """A queue whose machine has the same settings."""
    numbers = itertools.count(1)
    attributes = QueueSettings(**settings)
    machine = SqsQueue(
        quotas=quotas or Quotas(),
        visibility_timeout_s=attributes.visibility_timeout,
        max_receive_count=attributes.max_receive_count,
        retention_s=attributes.retention,
    )
    return StandardQueue(
        name,
        f"http://sqs.{REGION}.example/{ACCOUNT}/{name}",
        arn("sqs", name),
        machine,
        clock,
        message_id or (lambda: f"{name}-{next(numbers)}"),
        settings=attributes,
        dead_letter_queue=dead_letter_queue,
    )


def make_fifo_queue(
    name: str,
    clock: Callable[[], float],
    *,
    dead_letter_queue: Queue | None = None,
    quotas: Quotas | None = None,
    **settings: Any,
) -> FifoQueue:
    """A FIFO queue whose machine has the same settings."""
    numbers = itertools.count(1)
    quotas = quotas or Quotas()
    attributes = QueueSettings(**settings)
    machine = SqsFifoQueue(
        quotas=quotas,
        visibility_timeout_s=attributes.visibility_timeout,
        max_receive_count=attributes.max_receive_count,
        retention_s=attributes.retention,
        high_throughput=attributes.high_throughput,
    )
    return FifoQueue(
        name,
        f"http://sqs.{REGION}.example/{ACCOUNT}/{name}",
        arn("sqs", name),
        machine,
        clock,
        lambda: f"{name}-{next(numbers)}",
        quotas=quotas,
        settings=attributes,
        dead_letter_queue=dead_letter_queue,
    )


def make_stream(name: str, clock: Callable[[], float], shards: int = 1, quotas: Quotas | None = None) -> Stream:
    quotas = quotas or Quotas()
    return Stream(name, arn("kinesis", f"stream/{name}"), KinesisStream(shards, quotas), clock, quotas=quotas)


@dataclass
class World:
    """One account: a stream of one shard and one of four, a standard and a FIFO queue, each with a dead-letter queue, a
    FIFO queue that tells duplicates by their content, a topic.
    """

    clock: Clock = field(default_factory=Clock)
    quotas: Quotas = field(default_factory=Quotas)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.stream = make_stream("photos", self.clock, 1, self.quotas)
        self.wide = make_stream("wide", self.clock, 4, self.quotas)
        self.dead = make_queue("dead", self.clock)
        self.queue = make_queue(
            "photos", self.clock, quotas=self.quotas, dead_letter_queue=self.dead, max_receive_count=2
        )
        self.dead_fifo = make_fifo_queue("dead.fifo", self.clock)
        self.fifo = make_fifo_queue(
            "photos.fifo", self.clock, quotas=self.quotas, dead_letter_queue=self.dead_fifo, max_receive_count=2
        )
        self.content_fifo = make_fifo_queue("content.fifo", self.clock, content_based_deduplication=True)
        self.topic = Topic(
            arn("sns", "photos"),
            SnsTopic([], self.quotas),
            self.clock,
            lambda: f"published-{next(numbers)}",
            maximum_message_size=self.quotas.sns_message_bytes,
            subscriptions=[Subscription(f"{arn('sns', 'photos')}:1", "lambda", arn("lambda", "function:recognise"))],
        )
        self.services: dict[str, WireService] = {
            "kinesis": Kinesis([self.stream, self.wide], ACCOUNT, self.clock, lambda: "request-1"),
            "sqs": Sqs(
                [self.queue, self.dead, self.fifo, self.dead_fifo, self.content_fifo], self.clock, lambda: "request-1"
            ),
            "sns": Sns([self.topic], lambda: "request-1"),
        }

    def call(
        self, service: str, body: bytes, *, method: str = "POST", path: str = "/", query: str = "", **headers: str
    ) -> WireResponse:
        """One request in-process. Header names have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self.services[service].handle(WireRequest(method, path, query, named, body)))
