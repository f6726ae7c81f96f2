"""The synchronous client: one round trip, the labels in its answer."""

from typing import TYPE_CHECKING

from producers.answer import Answer, Ticket
from producers.client import Client

if TYPE_CHECKING:
    from pipeline.request import Measurement, StoredImage
    from producers.http import ApiClient


class SyncClient(Client):
    """Recognises within the request. `submit` returns with the answer, so that `wait` never waits.

    The API answers within 29 s or with 504. Such an ApiError tells the request's id where the API gave one: the result
    may be there all the same, and `ApiClient.wait` asks for it.
    """

    def __init__(self, api: "ApiClient") -> None:
        self._api = api

    def submit(self, image: "bytes | StoredImage", measurement: "Measurement | None" = None) -> Ticket:
        """Send an image and have it recognised."""
        return self._api.recognise(image, measurement)

    def wait(self, ticket: Ticket, timeout_s: float = 60.0) -> Answer:  # noqa: ARG002 (the interface of all clients)
        """The answer that came with the request."""
        assert ticket.answer is not None, "the ticket is of another client"
        return ticket.answer
