"""The polling client: sends an image through a buffer and asks for the result until it is there."""

import time
from typing import TYPE_CHECKING

from pipeline.result import Standing
from producers.answer import Answer, Look, Ticket
from producers.api_error import ApiError, NoResultError
from producers.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.request import Buffer, Measurement, StoredImage
    from producers.http import ApiClient

# Where the API does not say how long to wait.
_PAUSE_S = 1.0


class PollingClient(Client):
    """Asks every `interval_s`, counted from one answer to the next question; without it, when the API says.

    With `handler` requests go through the request handler, a function, in place of straight into the buffer. It keeps
    each of them on record before it answers, so that one still waiting is PENDING and not unknown. `clock` and `sleep`
    are in seconds.
    """

    def __init__(
        self,
        api: "ApiClient",
        buffer: "Buffer" = "sqs",
        *,
        interval_s: float | None = None,
        handler: bool = False,
        clock: "Callable[[], float]" = time.monotonic,
        sleep: "Callable[[float], None]" = time.sleep,
    ) -> None:
        self._api = api
        self._buffer = buffer
        self._interval_s = interval_s
        self._handler = handler
        self._clock = clock
        self._sleep = sleep

    def submit(
        self,
        image: "bytes | StoredImage",
        measurement: "Measurement | None" = None,
        *,
        idempotency_key: str | None = None,
    ) -> Ticket:
        """Send an image. The request handler starts one recognition for all that come with one `idempotency_key`."""
        return self._api.accept(
            self._buffer, image, measurement, handler=self._handler, idempotency_key=idempotency_key
        )

    def wait(self, ticket: Ticket, timeout_s: float = 60.0) -> Answer:
        """Ask for the answer until it is there. A throttled or failed question is repeated like one too early.

        Raises:
            NoResultError: it is not there after `timeout_s`, or there is no such request.
        """

        def look() -> Look:
            ticket.calls += 1
            return self._api.look(ticket.request_id)

        def pause(told_s: float | None) -> float:
            return self._interval_s or told_s or _PAUSE_S

        if ticket.answer is None:
            first_s = pause(ticket.retry_after_s)
            ticket.answer = poll(look, pause, ticket.request_id, timeout_s, self._clock, self._sleep, first_s=first_s)
        return ticket.answer


def poll(
    look: "Callable[[], Look]",
    pause: "Callable[[float | None], float]",
    request_id: str,
    timeout_s: float,
    clock: "Callable[[], float]",
    sleep: "Callable[[float], None]",
    *,
    first_s: float = 0.0,
) -> Answer:
    """Look after `first_s` and then after each pause, until there is an answer.

    `pause` is given how long the API asks to wait, None if it does not say.

    Raises:
        ApiError: asking again will not help.
        NoResultError: there is no answer after `timeout_s`, or no such request.
    """
    deadline = clock() + timeout_s
    pause_s, trouble = first_s, ""
    while True:
        if clock() + pause_s > deadline:
            raise no_result(request_id, timeout_s, trouble)
        if pause_s:
            sleep(pause_s)
        try:
            seen = look()
        except ApiError as error:
            if not error.retryable:
                raise
            trouble, told_s = f" ({error})", error.retry_after_s
        else:
            if seen.answer is not None:
                return seen.answer
            if seen.standing is Standing.UNKNOWN:
                raise NoResultError(
                    f"there is no request {request_id}: its id is another, or its result has expired; send it again"
                )
            trouble, told_s = "", seen.retry_after_s
        pause_s = pause(told_s)


def no_result(request_id: str, timeout_s: float, trouble: str = "") -> NoResultError:
    """What to raise when the waiting ended without an answer."""
    return NoResultError(
        f"request {request_id} has no result after {timeout_s:g} s{trouble}: it may still be waiting in its buffer, or "
        "be among the dead letters"
    )
