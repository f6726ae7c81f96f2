"""A stream's registered consumers: who reads it by enhanced fan-out, each under an ARN of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class ConsumerExistsError(ValueError):
    """A consumer of that name is registered already."""


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """One consumer. `created_at` is in seconds since the epoch."""

    name: str
    arn: str
    created_at: float


class StreamConsumers:
    """The consumers of the stream with this ARN, in the order they were registered in."""

    def __init__(self, stream_arn: str, clock: Callable[[], float]) -> None:
        self._stream_arn = stream_arn
        self._clock = clock
        self._by_name: dict[str, StreamConsumer] = {}

    def __iter__(self) -> Iterator[StreamConsumer]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def register(self, name: str, arn: str | None = None) -> StreamConsumer:
        """Register a consumer; `arn` if it is known already, as CloudFormation's is.

        Raises:
            ConsumerExistsError: the stream has one of that name.
        """
        if name in self._by_name:
            raise ConsumerExistsError(name)
        now = self._clock()
        consumer = StreamConsumer(name, arn or f"{self._stream_arn}/consumer/{name}:{int(now)}", now)
        self._by_name[name] = consumer
        return consumer

    def deregister(self, consumer: StreamConsumer) -> None:
        """Let go of a consumer."""
        del self._by_name[consumer.name]

    def named(self, name: str) -> StreamConsumer | None:
        """The consumer of that name."""
        return self._by_name.get(name)

    def by_arn(self, arn: str) -> StreamConsumer | None:
        """The consumer with that ARN."""
        return next((consumer for consumer in self if consumer.arn == arn), None)
