"""Senders: how one request of a turn goes out and is answered. A buffer's turn has a raw one, as its rate is high."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from geventhttpclient.response import HTTPParseError

from loadtest._connections import Connections
from pipeline.request import Measurement, StoredImage
from pipeline.result import Status
from producers.api_error import ApiError
from producers.authentication import Route

if TYPE_CHECKING:
    from loadtest._turn import Turn
    from producers.answer import Ticket
    from producers.client import Client

# API Gateway answers within 29 s, its longest integration timeout, unless it is asked for more.
TIMEOUT_S: Final = 30.0
LONGEST_ERROR: Final = 200
_ACCEPTED: Final = 202
_OK: Final = 200
_REDIRECTED: Final = 300
_REFUSED: Final = 422


class RejectedError(Exception):
    """An answer that is no acceptance, for Locust's own list of failures."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a request was answered. `status` is the HTTP status, 0 without an answer; `error` says what was wrong.

    `failure` is what Locust is told, `ticket` what a client waits for its result with. Over a WebSocket, `accepted` is
    told as 202, and an error by the status that it names.
    """

    status: int
    request_id: str | None
    error: str | None
    length: int = 0
    failure: Exception | None = None
    accepted: bool = False
    ticket: "Ticket | None" = None


class Sender(Protocol):
    """Sends the requests of a turn."""

    def send(self, index: int) -> Answered:
        """Send one arrival's request, and return once it is answered or has failed."""

    def close(self) -> None:
        """The turn is over."""


class Rejections:
    """One error for each status, so that Locust counts them as one failure and not as many."""

    def __init__(self) -> None:
        self._errors: dict[int, RejectedError] = {}

    def of(self, status: int) -> RejectedError:
        """The error of a status."""
        if status not in self._errors:
            self._errors[status] = RejectedError(f"HTTP {status}")
        return self._errors[status]


class RawSender:
    """POSTs to a buffer's route, with as little work a request as there can be.

    To a path of any HTTP server the same: there every 2xx accepts, and no id is to be expected.
    """

    def __init__(self, turn: "Turn", *, timeout_s: float = TIMEOUT_S) -> None:
        self._turn = turn
        self._rejections = Rejections()
        self._any_server = turn.way.route is not None
        # The stage in an API's URL is the first part of the path.
        url, headers = turn.api_url.rstrip("/") + turn.path, {"Content-Type": "application/json"}
        self._route = Route(turn.showing.to(turn.api_url), "POST", url, headers)
        self._connections = Connections(url, {**headers, "Host": self._route.host}, timeout_s=timeout_s)
        run_id = json.dumps(turn.request_run_id).encode()
        self._heads = [image.head + run_id + b',"sequence":' for image in turn.images]
        self._begun = [hashlib.sha256(head) for head in self._heads] if self._route.signs else []

    def send(self, index: int) -> Answered:
        """Send one arrival's request."""
        schedule = self._turn.schedule
        body = self._heads[schedule.images[index]] + b'%d,"intended_at":%.3f}' % (
            schedule.sequences[index],
            self._turn.intended_ms(index),
        )
        body += b"}" if schedule.groups is None else b',"group":"g%d"}' % schedule.groups[index]
        try:
            status, answer, length = self._connections.post(body, self._shown(body, schedule.images[index]))
        except (OSError, HTTPParseError) as caught:
            return Answered(0, None, f"{type(caught).__name__}: {caught}"[:LONGEST_ERROR], failure=caught)
        if self._any_server and _OK <= status < _REDIRECTED:
            return Answered(status, None, None, length, accepted=True)
        if status != _ACCEPTED:
            said = answer[:LONGEST_ERROR].decode("utf-8", "replace") or f"HTTP {status}"
            return Answered(status, None, said, length, self._rejections.of(status))
        request_id = _request_id(answer)
        error = None if request_id is not None else "answered 202 without a request_id"
        return Answered(status, request_id, error, length, accepted=True)

    def _shown(self, body: bytes, image: int) -> bytes:
        """What the request shows of itself. Its image, which is nearly all of it, was hashed before the turn."""
        if not self._route.signs:
            return self._route.lines("")
        digest = self._begun[image].copy()
        digest.update(body[len(self._heads[image]) :])
        return self._route.lines(digest.hexdigest())

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


class ClientSender:
    """Submits by a producer's client, which then waits for the result. Closing it is for whoever made the client."""

    def __init__(self, turn: "Turn", client: "Client") -> None:
        self._turn = turn
        self._client = client
        self._rejections = Rejections()

    def send(self, index: int) -> Answered:
        """Send one arrival's request."""
        turn = self._turn
        image = turn.image(index)
        measurement = Measurement(turn.request_run_id, turn.schedule.sequences[index], turn.intended_ms(index))
        try:
            ticket = self._client.submit(
                image.data if image.key is None else StoredImage(bucket="", key=image.key), measurement
            )
        except ApiError as error:
            failure = self._rejections.of(error.status) if error.status else error
            return Answered(error.status, None, str(error)[:LONGEST_ERROR], failure=failure)
        status = _ACCEPTED
        if ticket.answer is not None:
            status = _OK if ticket.answer.status is Status.SUCCEEDED else _REFUSED
        return Answered(status, ticket.request_id, None, accepted=status != _REFUSED, ticket=ticket)

    def close(self) -> None:
        """Nothing of its own."""


def _request_id(answer: bytes) -> str | None:
    try:
        request_id = json.loads(answer)["request_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return request_id if isinstance(request_id, str) else None
