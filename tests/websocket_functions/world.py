"""What the two functions see of AWS, in memory: tables, the push queue, connections that live or are gone.

Every operation is one step: `before` is called first, so that a test can let something else happen in between.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from consumers.conversation import Conversation, Message, Reply
from consumers.pusher import Delivered, Pusher, Report
from pipeline.connections import Known
from pipeline.intake import Taken
from pipeline.notifications import Notification
from pipeline.ownership import Ownership
from pipeline.result import Label, Passage, Result, Status
from pipeline.results_table import StoredResult
from pipeline.watchers import hash_of, is_owner

RESULT = Result(
    request_id="id1",
    buffer="sqs",
    status=Status.SUCCEEDED,
    labels=(Label("Cat", 93.25, ("Animal",)),),
    reason=None,
    model_version="local",
    passage=Passage(1732400000123, 1732400001000.0, 1732400002500.0, 1, 1, 0.0, "env"),
    measurement=None,
    attach=hash_of("secret"),
)
PLENTY_MS = 25_000


def api_error(status: int, code: str = "Code") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")


class Inline(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (as an executor does)
            future.set_exception(error)
        return future


class Intake:
    """Takes every body, or fails by script."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def take(self, body: Any, **about: Any) -> Taken:
        if self.error is not None:
            raise self.error
        self.taken.append({"body": body, **about})
        return Taken(f"h-{len(self.taken)}", duplicate=False)


class World:
    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None
        self.now = 0.0
        self.results: dict[str, Result] = {}
        self.pending: dict[str, Ownership] = {}
        self.watchers: dict[tuple[str, str], str] = {}
        self.connections: dict[str, int] = {}
        # Whose a connection, and what waits by it, is; what is not in here is of nobody, as it all is without a demand.
        self.owners: dict[str, str] = {}
        self.watcher_owners: dict[tuple[str, str], str | None] = {}
        self.queue: list[str] = []
        self.gone: set[str] = set()
        self.pushed: dict[str, list[bytes]] = defaultdict(list)
        # What the next posts to a connection raise, one after the other.
        self.post_errors: dict[str, list[Exception]] = defaultdict(list)
        self.table_error: Exception | None = None
        self.intake = Intake()
        self.conversation = Conversation(
            self.intake, _Ownerships(self), _Connections(self), _Watchers(self), _Pushes(self)
        )
        self.pusher = Pusher(
            _Results(self),
            _Connections(self),
            _Watchers(self),
            _Posts(self),
            threads=Inline(),
            clock=lambda: self.now,
        )

    def step(self) -> None:
        self.before()
        if self.table_error is not None:
            raise self.table_error

    def send(self, route: str, text: str, connection_id: str = "c1") -> Reply:
        return self.conversation.answer(Message(connection_id, route, text, 1732400000123), remaining_ms=PLENTY_MS)

    def attach(self, connection_id: str = "c1", secret: str = "secret", request_id: str = "id1") -> dict[str, Any]:
        text = json.dumps({"action": "attach", "request_id": request_id, "secret": secret})
        return self.send("attach", text, connection_id).message

    def push(self, *bodies: str) -> Report:
        return self.pusher.work(
            [Delivered(str(number), body) for number, body in enumerate(bodies)], remaining_ms=PLENTY_MS
        )

    def pushed_to(self, connection_id: str) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.pushed[connection_id]]

    def store(self, request_id: str = "id1", **other: Any) -> None:
        self.results[request_id] = replace(RESULT, request_id=request_id, **other)


class _Part:
    def __init__(self, world: World) -> None:
        self.world = world


class _Results(_Part):
    def read(self, request_id: str) -> StoredResult | None:
        self.world.step()
        result = self.world.results.get(request_id)
        return None if result is None else StoredResult(result, 0.0, 1, 0)


class _Ownerships(_Part):
    def read(self, request_id: str) -> Ownership | None:
        self.world.step()
        result = self.world.results.get(request_id)
        if result is not None:
            return Ownership(result.attach, done=True, owner=result.owner)
        return self.world.pending.get(request_id)


class _Connections(_Part):
    def add(self, connection_id: str, owner: str | None = None) -> None:
        self.world.step()
        self.world.connections[connection_id] = 0
        if owner is not None:
            self.world.owners[connection_id] = owner

    def read(self, connection_id: str) -> Known | None:
        self.world.step()
        there = connection_id in self.world.connections
        return Known(self.world.owners.get(connection_id)) if there else None

    def remove(self, connection_id: str) -> None:
        self.world.step()
        self.world.connections.pop(connection_id, None)

    def count_attach(self, connection_id: str, most: int) -> Known | None:
        self.world.step()
        attached = self.world.connections.get(connection_id)
        if attached is None or attached >= most:
            return None
        self.world.connections[connection_id] = attached + 1
        return Known(self.world.owners.get(connection_id))


class _Watchers(_Part):
    def add(self, request_id: str, connection_id: str, secret_hash: str, owner: str | None = None) -> None:
        self.world.step()
        self.world.watchers[request_id, connection_id] = secret_hash
        self.world.watcher_owners[request_id, connection_id] = owner

    def owners(self, request_id: str, attach: str, owner: str | None = None) -> list[str]:
        self.world.step()
        return [
            connection_id
            for (of, connection_id), shown in self.world.watchers.items()
            if of == request_id
            and is_owner(shown, attach)
            and self.world.watcher_owners.get((of, connection_id)) == owner
        ]

    def remove(self, request_id: str, connection_id: str) -> None:
        self.world.step()
        self.world.watchers.pop((request_id, connection_id), None)


class _Pushes(_Part):
    def send(self, request_id: str, *, attach: str) -> None:
        self.world.step()
        message = Notification(request_id, attach=attach).push
        assert message is not None
        self.world.queue.append(message)


class _Posts(_Part):
    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803 (the client's own names)
        self.world.before()
        if ConnectionId in self.world.gone:
            raise api_error(410, "GoneException")
        if self.world.post_errors[ConnectionId]:
            raise self.world.post_errors[ConnectionId].pop(0)
        self.world.pushed[ConnectionId].append(Data)
