"""Enhanced fan-out on the wire: the Kinesis operations that register a stream's consumers, and tell of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from local.kinesis_token import TOKEN_LIFE, seal, unseal
from local.service_error import ServiceError
from local.stream import Stream
from local.stream_consumers import ConsumerExistsError, StreamConsumer


class ConsumerOperations:
    """The operations over an account's streams, by ARN."""

    def __init__(self, streams: Mapping[str, Stream], account: str, clock: Callable[[], float]) -> None:
        self._streams = streams
        self._account = account
        self._clock = clock

    @property
    def handlers(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]]:
        """What answers each operation."""
        return {
            "RegisterStreamConsumer": self._register,
            "DeregisterStreamConsumer": self._deregister,
            "DescribeStreamConsumer": self._describe,
            "ListStreamConsumers": self._list,
            "SubscribeToShard": self._subscribe,
        }

    async def _register(self, values: dict[str, Any]) -> dict[str, Any]:
        stream, name = self._stream(values["StreamARN"]), values["ConsumerName"]
        most = stream.quotas.kinesis_consumers
        if len(stream.consumers) >= most:
            raise ServiceError(
                "LimitExceededException",
                f"The stream {stream.arn} has {most} consumers, which is the most: deregister one first.",
            )
        try:
            consumer = stream.consumers.register(name)
        except ConsumerExistsError:
            raise ServiceError(
                "ResourceInUseException",
                f"Consumer {name} under stream {stream.arn} already exists for account {self._account}.",
            ) from None
        # AWS takes some seconds to make it; here whoever asks next finds it active.
        return {"Consumer": _told(consumer, status="CREATING")}

    async def _deregister(self, values: dict[str, Any]) -> None:
        stream, consumer = self._consumer(values)
        if consumer.arn in stream.mapped_consumers:
            raise ServiceError(
                "ResourceInUseException",
                f"An event source mapping reads by consumer {consumer.name}, and mappings are not deleted here.",
            )
        stream.consumers.deregister(consumer)

    async def _describe(self, values: dict[str, Any]) -> dict[str, Any]:
        stream, consumer = self._consumer(values)
        return {"ConsumerDescription": {**_told(consumer), "StreamARN": stream.arn}}

    async def _list(self, values: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(values["StreamARN"])
        first = self._first(stream, values.get("NextToken"))
        consumers = list(stream.consumers)
        end = first + values.get("MaxResults", 100)
        answer: dict[str, Any] = {"Consumers": [_told(consumer) for consumer in consumers[first:end]]}
        if end < len(consumers):
            answer["NextToken"] = seal(self._clock(), stream.name, end)
        return answer

    async def _subscribe(self, values: dict[str, Any]) -> NoReturn:  # noqa: ARG002 (each handler's signature)
        raise ServiceError(
            "UnknownOperationException",
            "SubscribeToShard is not served here: records are pushed to the functions of event source mappings only. "
            "Read a shard with GetShardIterator and GetRecords.",
        )

    def _first(self, stream: Stream, token: str | None) -> int:
        if token is None:
            return 0
        opened = unseal(token, 1)
        if opened is None or opened[0] != stream.name:
            raise ServiceError("InvalidArgumentException", "Invalid NextToken.")
        if self._clock() - opened[2] > TOKEN_LIFE:
            raise ServiceError("ExpiredNextTokenException", "The NextToken was given out more than 300 seconds ago.")
        return opened[1][0]

    def _stream(self, arn: str) -> Stream:
        stream = self._streams.get(arn)
        if stream is None:
            raise ServiceError(
                "ResourceNotFoundException", f"Stream {arn.rsplit('/', 1)[-1]} under account {self._account} not found."
            )
        return stream

    def _consumer(self, values: dict[str, Any]) -> tuple[Stream, StreamConsumer]:
        """The consumer that a request names: by its own ARN, or by its stream's and its name."""
        arn, stream_arn, name = values.get("ConsumerARN"), values.get("StreamARN"), values.get("ConsumerName")
        if arn is None and (stream_arn is None or name is None):
            raise ServiceError("InvalidArgumentException", "Give a ConsumerARN, or a StreamARN and a ConsumerName.")
        for stream in self._streams.values() if stream_arn is None else (self._stream(stream_arn),):
            consumer = stream.consumers.named(str(name)) if arn is None else stream.consumers.by_arn(arn)
            if consumer is not None and name in (None, consumer.name):
                return stream, consumer
        raise ServiceError(
            "ResourceNotFoundException", f"Consumer {name or arn} under account {self._account} not found."
        )


def _told(consumer: StreamConsumer, status: str = "ACTIVE") -> dict[str, Any]:
    return {
        "ConsumerName": consumer.name,
        "ConsumerARN": consumer.arn,
        "ConsumerStatus": status,
        "ConsumerCreationTimestamp": round(consumer.created_at, 3),
    }
