"""The callback client: sends an image through a buffer and is called back once there is a result."""

from typing import TYPE_CHECKING, Protocol

from producers.answer import Answer, Ticket, object_in, read_answer
from producers.client import Client
from producers.polling import no_result

if TYPE_CHECKING:
    from pipeline.request import Buffer, Measurement, StoredImage
    from producers.http import ApiClient


class Receiver(Protocol):
    """What takes the callbacks: producers.callback_receiver, or any server of one's own that keeps their bodies."""

    @property
    def url(self) -> str:
        """Where requests ask to be called back: https, and a name that the internet knows."""

    def wait(self, request_id: str, timeout_s: float) -> bytes | None:
        """The body of a request's callback, None if none has come after `timeout_s`."""


class CallbackClient(Client):
    """Waits at a receiver for what the pipeline POSTs. `handler` as of the polling client."""

    def __init__(
        self, api: "ApiClient", receiver: Receiver, buffer: "Buffer" = "sqs", *, handler: bool = False
    ) -> None:
        self._api = api
        self._receiver = receiver
        self._buffer = buffer
        self._handler = handler

    def submit(
        self,
        image: "bytes | StoredImage",
        measurement: "Measurement | None" = None,
        *,
        idempotency_key: str | None = None,
    ) -> Ticket:
        """Send an image. `idempotency_key` as of the polling client."""
        return self._api.accept(
            self._buffer,
            image,
            measurement,
            handler=self._handler,
            callback_url=self._receiver.url,
            idempotency_key=idempotency_key,
        )

    def wait(self, ticket: Ticket, timeout_s: float = 60.0) -> Answer:
        """Wait to be called back.

        Raises:
            NoResultError: nobody called in `timeout_s`; the result may be there all the same, ask for it.
        """
        if ticket.answer is None:
            body = self._receiver.wait(ticket.request_id, timeout_s)
            if body is None:
                raise no_result(ticket.request_id, timeout_s)
            ticket.answer = read_answer(object_in(body) or {})
        return ticket.answer
