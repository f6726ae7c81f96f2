"""The conversation with one WebSocket client: what it may send, and what it is answered at once.

Its messages and ours are described in docs/websocket.md. Results do not come this way: they are pushed (pusher.py).

An attach writes its watcher first and only then looks for the result; a worker stores its result first and only then
asks for a push, which looks for watchers. Whichever comes first, one of the two sees the other.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.body import BodyError, read_body
from pipeline.intake import IntakeError
from pipeline.request import BUFFERS
from pipeline.unicode_text import is_unicode
from pipeline.watchers import hash_of, is_owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.connections import Known
    from pipeline.intake import Taken
    from pipeline.ownership import Ownership

# Each attach leaves a watcher for three hours, whether its request exists or not. Ten thousand are more than a second's
# worth for all of a connection's two hours, and what they leave is about 2 MB.
MOST_ATTACHES: Final = 10_000

# The letters in which GET /v1/requests/{id} takes an id, and the length that a record may give it.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9=_+/.-]{1,1024}")
_LONGEST_SECRET: Final = 1_024
_LONGEST_CORRELATION_ID: Final = 128
# Of so many connections an environment remembers whose they are; less than 1 MB.
_REMEMBERED: Final = 1_000

_ACTIONS: Final = (
    'Send {"action": "recognise", "buffer": "sqs", "request": {"image": {"key": "cat.jpg"}}} or '
    '{"action": "attach", "request_id": "...", "secret": "..."}.'
)


class Intake(Protocol):
    """What the conversation needs of pipeline.intake.Intake."""

    def take(
        self,
        body: "Mapping[str, Any]",
        *,
        buffer: str,
        remaining_ms: float,
        accepted_at: float | None = None,
        connection_id: str | None = None,
        owner: str | None = None,
    ) -> "Taken":
        """Take a client's body, or raise IntakeError."""


class Connections(Protocol):
    """What the conversation needs of pipeline.connections.ConnectionsTable."""

    def add(self, connection_id: str, owner: str | None = None) -> None:
        """Store a new connection of an owner."""

    def read(self, connection_id: str) -> "Known | None":
        """Whose a connection is, None if it is gone."""

    def remove(self, connection_id: str) -> None:
        """Forget a connection."""

    def count_attach(self, connection_id: str, most: int) -> "Known | None":
        """Count one more attach, if it is one of the first `most`; None if it is not."""


class Watchers(Protocol):
    """What the conversation needs of pipeline.watchers.WatchersTable."""

    def add(self, request_id: str, connection_id: str, secret_hash: str, owner: str | None = None) -> None:
        """Let a connection of an owner wait for a request."""


class Ownerships(Protocol):
    """What the conversation needs of pipeline.ownership.Ownerships."""

    def read(self, request_id: str) -> "Ownership | None":
        """Whose a request is, and whether it is done."""


class Pushes(Protocol):
    """What the conversation needs of the push queue."""

    def send(self, request_id: str, *, attach: str) -> None:
        """Have a result pushed to those who wait for it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a client sent. `sent_at` is the gateway's requestTimeEpoch, ms; `binary` whether it was no text."""

    connection_id: str
    route: str
    text: str
    sent_at: float | None
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. `cause` is for the log: what a table or a queue said is nothing for a stranger."""

    message: dict[str, Any]
    cause: str | None = None


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, remedy: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = {"type": "error", "status": status, "message": message, "remedy": remedy} | more


class Conversation:
    """Answers clients, from one message at a time, as Lambda gives them to an environment."""

    def __init__(
        self,
        intake: Intake,
        ownerships: Ownerships,
        connections: Connections,
        watchers: Watchers,
        pushes: Pushes,
    ) -> None:
        self._intake = intake
        self._ownerships = ownerships
        self._connections = connections
        self._watchers = watchers
        self._pushes = pushes
        self._owners: OrderedDict[str, str | None] = OrderedDict()

    def open(self, connection_id: str, owner: str | None = None) -> None:
        """Take a new connection of an owner.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: it could not be stored; the gateway then refuses it.
        """
        self._connections.add(connection_id, owner)

    def close(self, connection_id: str) -> None:
        """Forget a connection. Its watchers go by their TTL, or with the first push that finds it gone."""
        self._owners.pop(connection_id, None)
        self._connections.remove(connection_id)

    def answer(self, message: Message, *, remaining_ms: float) -> Reply:
        """Do what a message asks and say what came of it; whatever a client sends, it is answered.

        `remaining_ms` is what Lambda leaves the function from now.
        """
        correlation: dict[str, str] = {}
        try:
            given = _read(message)
            correlation = _correlation(given)
            reply = self._answer(message, given, remaining_ms)
            return Reply(reply.message | correlation, reply.cause)
        except _RefusedError as error:
            return Reply(error.answer | correlation)
        except IntakeError as error:
            return Reply(_not_taken(error) | correlation, cause=error.cause)
        except (BotoCoreError, ClientError) as error:
            failed = _RefusedError(
                503, "The message could not be worked off.", "Send it again after a second.", retry_after_s=1
            )
            return Reply(failed.answer | correlation, cause=f"{type(error).__name__}: {error}")

    def _answer(self, message: Message, given: "Mapping[str, Any]", remaining_ms: float) -> Reply:
        if message.route == "recognise":
            return self._recognise(message, given, remaining_ms)
        if message.route == "attach":
            return self._attach(message, given)
        raise _RefusedError(404, "There is no such action.", _ACTIONS)

    def _recognise(self, message: Message, given: "Mapping[str, Any]", remaining_ms: float) -> Reply:
        buffer, body = given.get("buffer"), given.get("request")
        if not isinstance(buffer, str):
            raise _RefusedError(400, "buffer is missing or not a text.", f"Set buffer to one of {', '.join(BUFFERS)}.")
        if not isinstance(body, dict):
            raise _RefusedError(
                400,
                "request is missing or not an object.",
                "Set request to what POST /v1/handler/{buffer}/images takes as its body.",
            )
        taken = self._intake.take(
            body,
            buffer=buffer,
            remaining_ms=remaining_ms,
            accepted_at=message.sent_at,
            connection_id=message.connection_id,
            owner=self._owner(message.connection_id),
        )
        return Reply({"type": "accepted", "request_id": taken.request_id}, cause=taken.unnoted)

    def _attach(self, message: Message, given: "Mapping[str, Any]") -> Reply:
        request_id, secret = given.get("request_id"), given.get("secret")
        if not isinstance(request_id, str) or _REQUEST_ID.fullmatch(request_id) is None:
            raise _RefusedError(
                400,
                "request_id is missing or has not the form of one.",
                "Set it to the request_id that you were given.",
            )
        secret_hash = _hash(secret)
        connection = self._connections.count_attach(message.connection_id, MOST_ATTACHES)
        if connection is None:
            raise _RefusedError(
                429,
                f"This connection has attached to {MOST_ATTACHES:,} requests, which is all that one may.",
                "Open another connection.",
                request_id=request_id,
            )
        self._watchers.add(request_id, message.connection_id, secret_hash, connection.owner)
        ownership = self._ownerships.read(request_id)
        # What is another's is answered as what is not there: its id alone tells nobody that it is.
        if ownership is not None and ownership.owner == connection.owner:
            if not is_owner(secret_hash, ownership.attach):
                raise _RefusedError(
                    403,
                    "This request is not yours: it was made with the hash of another secret, or of none.",
                    "Send the secret whose SHA-256 was `attach` when the request was made, or poll for the result.",
                    request_id=request_id,
                )
            if ownership.stranded is not None:
                raise _RefusedError(
                    409,
                    f"This request is not on its way: {ownership.stranded}",
                    "Send it again; the same Idempotency-Key serves, and so does this attach.",
                    request_id=request_id,
                )
            if ownership.done:
                self._pushes.send(request_id, attach=secret_hash)
        return Reply({"type": "attached", "request_id": request_id})

    def _owner(self, connection_id: str) -> str | None:
        """Whose a connection is. It does not change, so it is asked for once.

        Raises:
            _RefusedError: the connection is gone, and nobody hears what it would be answered.
        """
        if connection_id not in self._owners:
            known = self._connections.read(connection_id)
            if known is None:
                raise _RefusedError(410, "This connection has ended.", "Open another, and send it again.")
            self._owners[connection_id] = known.owner
            while len(self._owners) > _REMEMBERED:
                self._owners.popitem(last=False)
        return self._owners[connection_id]


def _read(message: Message) -> "Mapping[str, Any]":
    if message.binary:
        raise _RefusedError(400, "The message is binary.", f"Send a text. {_ACTIONS}")
    try:
        given = read_body(message.text)
    except BodyError:
        raise _RefusedError(400, "The message is not JSON.", _ACTIONS) from None
    if not isinstance(given, dict):
        raise _RefusedError(400, "The message is not a JSON object.", _ACTIONS)
    return given


def _correlation(given: "Mapping[str, Any]") -> dict[str, str]:
    value = given.get("correlation_id")
    if value is None:
        return {}
    if not isinstance(value, str) or len(value) > _LONGEST_CORRELATION_ID or not is_unicode(value):
        raise _RefusedError(
            400,
            "correlation_id is not a text, or too long.",
            f"Set it to a text of at most {_LONGEST_CORRELATION_ID} characters, or leave it out.",
        )
    return {"correlation_id": value}


def _hash(secret: Any) -> str:
    if not isinstance(secret, str) or not 0 < len(secret) <= _LONGEST_SECRET or not is_unicode(secret):
        raise _RefusedError(
            400,
            "secret is missing, not a text, or too long.",
            f"Set it to the secret itself, not its hash: a text of at most {_LONGEST_SECRET:,} characters.",
        )
    return hash_of(secret)


def _not_taken(error: IntakeError) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if error.request_id is not None:
        more["request_id"] = error.request_id
    if error.retry_after_s is not None:
        more["retry_after_s"] = error.retry_after_s
    return _RefusedError(error.status, error.message, error.remedy, **more).answer
