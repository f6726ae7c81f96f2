"""An account of a few buffers behind the three services, with a clock that the test moves."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from delivery.kinesis_stream import KinesisStream
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from delivery.sqs_queue import SqsQueue
from local.kinesis import Kinesis
from local.queue import Queue, QueueSettings
from local.sns import Sns
from local.sqs import Sqs
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
) -> Queue:
    """A queue whose machine has the same settings."""
    numbers = itertools.count(1)
    attributes = QueueSettings(**settings)
    machine = SqsQueue(
        quotas=quotas or Quotas(),
        visibility_timeout_s=attributes.visibility_timeout,
        max_receive_count=attributes.max_receive_count,
        retention_s=attributes.retention,
    )
    return Queue(
        name,
        f"http://sqs.{REGION}.example/{ACCOUNT}/{name}",
        arn("sqs", name),
        machine,
        clock,
        message_id or (lambda: f"{name}-{next(numbers)}"),
        settings=attributes,
        dead_letter_queue=dead_letter_queue,
    )


def make_stream(name: str, clock: Callable[[], float], shards: int = 1, quotas: Quotas | None = None) -> Stream:
    quotas = quotas or Quotas()
    return Stream(name, arn("kinesis", f"stream/{name}"), KinesisStream(shards, quotas), clock, quotas=quotas)


@dataclass
class World:
    """One account: a stream of one shard and one of four, a queue with a dead-letter queue, a topic."""

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
            "sqs": Sqs([self.queue, self.dead], self.clock, lambda: "request-1"),
            "sns": Sns([self.topic], lambda: "request-1"),
        }

    def call(
        self, service: str, body: bytes, *, method: str = "POST", path: str = "/", query: str = "", **headers: str
    ) -> WireResponse:
        """One request in-process. Header names have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self.services[service].handle(WireRequest(method, path, query, named, body)))
