"""The follower: waits for each request's result as its client would, and writes down when the client knew it.

Waiting is as open as sending: each request has a greenlet of its own, and however long one waits or how often it asks,
no arrival comes later for it. What clients ask on their way is load like any other, and is counted.
"""

from typing import TYPE_CHECKING

import gevent

from loadtest._sender import LONGEST_ERROR
from loadtest._turn import TurnClock
from producers.api_error import ApiError, NoResultError

if TYPE_CHECKING:
    from loadtest._counts import Counts
    from loadtest._turn import Turn
    from pipeline.run import RowWriter
    from producers.answer import Ticket
    from producers.client import Client


class Follower:
    """Follows the requests of one turn; `timeout_s` is how long any of them may take."""

    def __init__(self, turn: "Turn", client: "Client", rows: "RowWriter", counts: "Counts", timeout_s: float) -> None:
        self._turn = turn
        self._client = client
        self._rows = rows
        self._counts = counts
        self._timeout_s = timeout_s
        self._clock = TurnClock(turn)
        self._waiting: dict[int, gevent.Greenlet] = {}
        self._tickets: dict[int, Ticket] = {}

    def follow(self, index: int, ticket: "Ticket", answered_ms: float) -> None:
        """Wait for a request's result, in a greenlet of its own, unless it came with the answer."""
        if ticket.answer is not None:
            self._record(index, ticket, answered_ms)
            return
        self._tickets[index] = ticket
        self._waiting[index] = gevent.spawn(self._wait, index, ticket)

    def join(self) -> None:
        """Return once every client knows, or has given up."""
        while self._waiting:
            gevent.joinall(list(self._waiting.values()))

    def stop(self) -> None:
        """Wait no longer."""
        gevent.killall(list(self._waiting.values()))
        # A greenlet killed before its first step has recorded nothing.
        for index, ticket in sorted(self._tickets.items()):
            self._record(index, ticket, error=_STOPPED)
        self._tickets.clear()
        self._waiting.clear()

    def _wait(self, index: int, ticket: "Ticket") -> None:
        known_ms, error = None, None
        try:
            self._client.wait(ticket, self._timeout_s)
            known_ms = self._clock.ms()
        except (ApiError, NoResultError) as caught:
            error = str(caught)[:LONGEST_ERROR]
        except gevent.GreenletExit:
            error = _STOPPED
        finally:
            del self._waiting[index], self._tickets[index]
            self._record(index, ticket, known_ms, error)

    def _record(self, index: int, ticket: "Ticket", known_ms: float | None = None, error: str | None = None) -> None:
        if known_ms is not None:
            self._counts.known += 1
        self._rows.write(
            self._turn.way.name,
            self._turn.schedule.sequences[index],
            ticket.request_id,
            known_ms,
            None if ticket.answer is None else ticket.answer.status.value,
            ticket.calls,
            error,
        )


_STOPPED = "not known when the turn ended"
