"""The answer: what a request ended as, the same by whichever way its client is told; and the ticket to wait with."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pipeline.result import Label, Status
from producers.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.result import Standing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request ended as. `reason` says why a FAILED one failed."""

    request_id: str
    status: Status
    labels: tuple[Label, ...]
    reason: str | None


@dataclass(slots=True)
class Ticket:
    """A request that was taken, to wait for its answer with.

    `calls` counts what it has cost its client so far: HTTP requests, or messages sent over a WebSocket.
    `retry_after_s` is how long the API asks to wait before the result is asked for. `answer` is there as soon as it is
    known, which is at once where it came back with the request.
    """

    request_id: str
    calls: int = 1
    retry_after_s: float | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How a request stands when it is asked for. `answer` is None until it has ended."""

    standing: "Standing"
    answer: Answer | None = None
    retry_after_s: float | None = None


def read_answer(document: "Mapping[str, Any]") -> Answer:
    """Read a result as the API tells it.

    Raises:
        ApiError: it is none.
    """
    try:
        request_id = document["request_id"]
        if not isinstance(request_id, str):
            raise TypeError("request_id is no text")
        return Answer(
            request_id=request_id,
            status=Status(document["status"]),
            labels=tuple(
                Label(label["name"], float(label["confidence"]), tuple(label.get("parents", ())))
                for label in document.get("labels", ())
            ),
            reason=document.get("reason"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ApiError(HTTPStatus.OK, f"the API's result cannot be read: {error!r}") from None


def text_of(document: "Mapping[str, Any]", name: str) -> str:
    """A text that an answer of the API has to have.

    Raises:
        ApiError: it has not.
    """
    value = document.get(name)
    if not isinstance(value, str):
        raise ApiError(HTTPStatus.OK, f"the API's answer has no {name}: is it this API?")
    return value


def object_in(data: bytes | str) -> dict[str, Any] | None:
    """The JSON object that an answer consists of, None if it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
