"""Lambda's own queue of asynchronous invocations as event source: what SNS pushes, or a caller of Invoke."""

import json
import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from delivery.protocol import Facts, Invocation, Outcome
from local.clock import Clock
from local.event_source import outcome_of
from local.events import sns_event
from local.execution_environment import Answer, Ending, FunctionConfiguration
from local.failure_destination import Failure, FailureDestination, async_record
from local.topic import Topic


class EventStore(Protocol):
    """Keeps events until they end."""

    def event(self, id_: int) -> Any:
        """The event of an id, as an object."""

    def discard(self, ids: Iterable[int]) -> None:
        """Let go of events."""


class TopicEvents:
    """A topic's messages, each as the event that its subscriber is sent. The topic is attached once it is made."""

    def __init__(self, subscription_arn: str) -> None:
        self._subscription_arn = subscription_arn
        self._topic: Topic | None = None

    def attach(self, topic: Topic) -> None:
        """Say whose messages they are."""
        self._topic = topic

    def event(self, id_: int) -> Any:
        """The SNS event of one message."""
        assert self._topic is not None
        return sns_event(self._topic.message(id_), self._subscription_arn)

    def discard(self, ids: Iterable[int]) -> None:
        """Let go of messages."""
        assert self._topic is not None
        self._topic.discard(ids)


class AsyncSource:
    """What a driver needs of a function's asynchronous queue. An event keeps its request id over all its retries."""

    def __init__(
        self,
        events: EventStore,
        configuration: FunctionConfiguration,
        clock: Clock,
        *,
        destination: FailureDestination | None,
    ) -> None:
        self._events = events
        self._configuration = configuration
        self._clock = clock
        self._destination = destination
        self._failures: dict[int, Failure] = {}

    def event(self, invocation: Invocation) -> bytes:
        """The one event of an invocation."""
        (id_,) = invocation.ids
        return json.dumps(self._events.event(id_), separators=(",", ":")).encode()

    def request_id(self, invocation: Invocation) -> str:
        """That of the first try."""
        (id_,) = invocation.ids
        failure = self._failures.get(id_)
        return str(uuid.uuid4()) if failure is None else failure.request_id

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        """What the answer means; what the function returns does not matter."""
        if answer.ending is not Ending.RETURNED:
            (id_,) = invocation.ids
            self._failures[id_] = Failure.of(invocation, answer)
        return outcome_of(answer)

    async def end(self, facts: Facts) -> None:
        """Send events given up to the destination, and let go of all that ended."""
        for id_, end in facts.dead:
            failure = self._failures.get(id_)
            if self._destination is not None:
                request_id = str(uuid.uuid4()) if failure is None else failure.request_id
                record = async_record(
                    self._events.event(id_), request_id, end, failure, self._configuration.arn, self._clock
                )
                prefix = f"aws/lambda/async/{self._configuration.name}"
                await self._destination.deliver(record, prefix, self._clock())
        ended = [*facts.done, *(id_ for id_, _ in facts.dead), *(id_ for id_, _ in facts.expired)]
        for id_ in ended:
            self._failures.pop(id_, None)
        self._events.discard(ended)
