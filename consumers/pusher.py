"""The pusher: sends results to the WebSocket connections that wait for them, through @connections.

A message of the push queue names a request whose result is stored. It is read once, and goes to the connection that
the request came by and to every connection that has shown its secret. A connection that has been sent it waits no
longer; one that is gone is forgotten, and its result stays in the table for polling.

At least once: what fails is delivered again whole, so that a connection that took a result may be sent it once more.
"""

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from consumers.batch import Unfinished, deadline_of, reason_of, work_through
from pipeline.client_config import few_retries
from pipeline.results_table import ItemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from botocore.session import Session
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

    from pipeline.result import Result
    from pipeline.results_table import StoredResult

# API:PostToConnection: the largest Data, in bytes.
LARGEST_PUSH: Final = 131_072

_CONNECT_TIMEOUT_S: Final = 2
_READ_TIMEOUT_S: Final = 3
_ATTEMPTS: Final = 3
_GONE: Final = 410


class Results(Protocol):
    """What the pusher needs of pipeline.results_table.ResultsTable."""

    def read(self, request_id: str) -> "StoredResult | None":
        """The result of a request."""


class Connections(Protocol):
    """What the pusher needs of pipeline.connections.ConnectionsTable."""

    def remove(self, connection_id: str) -> None:
        """Forget a connection."""


class Watchers(Protocol):
    """What the pusher needs of pipeline.watchers.WatchersTable."""

    def owners(self, request_id: str, attach: str, owner: str | None = None) -> list[str]:
        """The connections of its owner that wait for a request and have shown its secret."""

    def remove(self, request_id: str, connection_id: str) -> None:
        """Let a connection wait no longer."""


class Posts(Protocol):
    """What the pusher needs of the botocore client."""

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> Any:  # noqa: N803 (the client's own names)
        """Send to a connection."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message of the push queue. `token` names it to the queue."""

    token: str
    body: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A message to be delivered again, or given up, and why."""

    token: str
    request_id: str | None
    reason: str


@dataclass(slots=True)
class Report:
    """How a batch went: each message is notified or failed; `pushed` and `gone` count connections.

    A request that nobody waits for any more is notified: there is nobody left to be told.
    """

    messages: int = 0
    notified: int = 0
    pushed: int = 0
    gone: int = 0
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class _Delivery:
    request_id: str | None = None
    pushed: int = 0
    gone: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    connection_id: str
    watches: bool


class _NotPushableError(Exception):
    pass


def connections_client(session: "Session", endpoint: str, connections: int) -> "ApiGatewayManagementApiClient":
    """A client of a WebSocket stage's @connections, whose few retries end well inside a function's time."""
    config = few_retries(
        connections, attempts=_ATTEMPTS, connect_timeout_s=_CONNECT_TIMEOUT_S, read_timeout_s=_READ_TIMEOUT_S
    )
    client = session.create_client("apigatewaymanagementapi", endpoint_url=endpoint, config=config)
    return cast("ApiGatewayManagementApiClient", client)


def to_message(result: "Result") -> bytes:
    """The message that a client is pushed; without its labels if it would be too large with them."""
    document = {"type": "result"} | result.to_document()
    message = _json(document)
    if len(message) > LARGEST_PUSH:
        del document["labels"]
        message = _json(document | {"labels_omitted": True})
    return message


class Pusher:
    """Works through batches of the push queue's messages, one at a time. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        results: Results,
        connections: Connections,
        watchers: Watchers,
        posts: Posts,
        *,
        threads: "Executor",
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self._results = results
        self._connections = connections
        self._watchers = watchers
        self._posts = posts
        self._threads = threads
        self._clock = clock

    def work(self, delivered: "Sequence[Delivered]", *, remaining_ms: float) -> Report:
        """Push what can be pushed in the time; what could not is among the failures. Never raises for a message's sake.

        `remaining_ms` is what Lambda leaves from now.
        """
        deadline = deadline_of(remaining_ms, self._clock)
        deliveries = work_through(
            delivered,
            lambda message: self._deliver(message.body, deadline),
            threads=self._threads,
            deadline=deadline,
            clock=self._clock,
        )
        report = Report(messages=len(delivered))
        for message, delivery in zip(delivered, deliveries, strict=True):
            if isinstance(delivery, Unfinished):
                # What it still sends, its connection is sent again.
                delivery = _Delivery(reason=delivery.reason)
            _add(report, message, delivery)
        return report

    def _deliver(self, body: str, deadline: float) -> _Delivery:
        delivery = _Delivery()
        try:
            delivery.request_id, connection_id = _read(body)
            result = self._result(delivery.request_id)
            message = to_message(result)
            for target in self._targets(result, connection_id):
                if self._clock() >= deadline:
                    delivery.reason = "out of time"
                    break
                self._push(delivery, result.request_id, target, message)
        except (_NotPushableError, ItemError) as error:
            delivery.reason = str(error)
        except (BotoCoreError, ClientError) as error:
            delivery.reason = reason_of(error)
        return delivery

    def _push(self, delivery: _Delivery, request_id: str, target: _Target, message: bytes) -> None:
        try:
            self._posts.post_to_connection(ConnectionId=target.connection_id, Data=message)
        except (BotoCoreError, ClientError) as error:
            if not _is_gone(error):
                # The others have not to wait for this one.
                delivery.reason = reason_of(error)
                return
            self._connections.remove(target.connection_id)
            delivery.gone += 1
        else:
            delivery.pushed += 1
        if target.watches:
            self._watchers.remove(request_id, target.connection_id)

    def _result(self, request_id: str) -> "Result":
        stored = self._results.read(request_id)
        if stored is None:
            # Workers store before they send: it has expired, or somebody else sent this.
            raise _NotPushableError("there is no result of it")
        return stored.result

    def _targets(self, result: "Result", connection_id: str | None) -> "Iterator[_Target]":
        # The hash that stands with the result, not the message's: the first request of an id is the one that counts.
        owners: list[str] = []
        if result.attach is not None:
            owners = self._watchers.owners(result.request_id, result.attach, result.owner)
        if connection_id is not None and connection_id not in owners:
            yield _Target(connection_id, watches=False)
        for owner in owners:
            yield _Target(owner, watches=True)


def _read(body: str) -> tuple[str, str | None]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise _NotPushableError("the message is not JSON") from None
    if not isinstance(message, dict):
        raise _NotPushableError("the message is not a JSON object")
    request_id, connection_id = message.get("request_id"), message.get("connection_id")
    if not isinstance(request_id, str) or not request_id:
        raise _NotPushableError("request_id is missing or not a text")
    if connection_id is not None and (not isinstance(connection_id, str) or not connection_id):
        raise _NotPushableError("connection_id is not a text")
    return request_id, connection_id


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _is_gone(error: BotoCoreError | ClientError) -> bool:
    metadata: Any = error.response.get("ResponseMetadata", {}) if isinstance(error, ClientError) else {}
    return bool(metadata.get("HTTPStatusCode") == _GONE)


def _add(report: Report, message: Delivered, delivery: _Delivery) -> None:
    report.pushed += delivery.pushed
    report.gone += delivery.gone
    if delivery.reason is None:
        report.notified += 1
    else:
        report.failures.append(Failure(message.token, delivery.request_id, delivery.reason))
