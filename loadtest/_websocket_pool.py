"""The WebSocket connections of a turn: many clients, each with a connection of its own and a few requests on it.

One connection for every ten requests, and a thousand at the most: a client that stays connected sends more than once,
and a thousand are enough for what one process sends. They are opened before the turn's second 0, as a client that is
to be told at once is connected before it asks; what opening took of the client is counted, not timed.
"""

from typing import TYPE_CHECKING, Final

from gevent.pool import Pool

from loadtest._target import TargetError
from producers.api_error import ApiError
from producers.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.request import Measurement, StoredImage
    from producers.answer import Answer, Ticket
    from producers.websocket import WebSocketClient

_REQUESTS_A_CONNECTION: Final = 10
_MOST: Final = 1_000
# Each calls the function behind $connect; more at once would only have it start more environments.
_OPENED_AT_ONCE: Final = 4


def connections_for(requests: int) -> int:
    """How many connections so many requests share."""
    return max(1, min(_MOST, -(-requests // _REQUESTS_A_CONNECTION)))


class WebSocketPool(Client):
    """Gives each request to the next connection in turn. One that is lost is opened anew when its turn comes.

    `connect` opens one, or raises ApiError.
    """

    def __init__(self, connect: "Callable[[], WebSocketClient]", connections: int) -> None:
        self._connect = connect
        self._next = 0
        self._owners: dict[str, WebSocketClient] = {}
        self._clients: list[WebSocketClient] = []
        self._lost: list[WebSocketClient] = []
        self.opened = 0
        """How many connections were opened, those anew among them."""
        failed: ApiError | None = None
        for opened in Pool(_OPENED_AT_ONCE).imap(self._open, range(connections)):
            if isinstance(opened, ApiError):
                failed = opened
            else:
                self._clients.append(opened)
        if failed is not None:
            self.close()
            raise TargetError(str(failed))

    @property
    def repeated(self) -> int:
        """How many results were pushed once more."""
        return sum(client.repeated for client in (*self._clients, *self._lost))

    def submit(self, image: "bytes | StoredImage", measurement: "Measurement | None" = None) -> "Ticket":
        """Send by the next connection."""
        place = self._next
        self._next = (place + 1) % len(self._clients)
        client = self._clients[place]
        if client.is_lost:
            opened = self._open(place)
            if isinstance(opened, ApiError):
                raise opened
            # What waits at the lost one is told that it is.
            self._lost.append(client)
            self._clients[place] = client = opened
        ticket = client.submit(image, measurement)
        self._owners[ticket.request_id] = client
        return ticket

    def wait(self, ticket: "Ticket", timeout_s: float = 60.0) -> "Answer":
        """Wait at the connection that sent it."""
        try:
            return self._owners[ticket.request_id].wait(ticket, timeout_s)
        finally:
            self._owners.pop(ticket.request_id, None)

    def close(self) -> None:
        """Close every connection."""
        Pool(_OPENED_AT_ONCE).map(lambda client: client.close(), [*self._clients, *self._lost])

    def _open(self, _: int) -> "WebSocketClient | ApiError":
        """A new connection. An error is an answer too: raised in a pool, it would be logged."""
        try:
            client = self._connect()
        except ApiError as error:
            return error
        self.opened += 1
        return client
