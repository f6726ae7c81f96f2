"""One worker's generator: sends its part of each buffer's turn when the benchmark says so, and counts."""

import gc
from typing import TYPE_CHECKING, Any

import gevent

from loadtest._counts import Counts
from loadtest._dispatcher import MOST_IN_FLIGHT, Dispatcher
from loadtest._follower import Follower
from loadtest._open_files import make_room
from loadtest._sender import ClientSender, RawSender
from pipeline.run import KNOWN_COLUMNS, REQUEST_COLUMNS, RowWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest._turn import Turn
    from pipeline.run import RunFolder
    from producers.client import Client


class Generator:
    """Takes turns, one at a time. `answered` is told path, milliseconds since the intended start, bytes, failure."""

    # From the decision to start until second 0.
    lead_s = 0.5

    def __init__(
        self,
        answered: "Callable[[str, float, int, Exception | None], None]",
        *,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> None:
        self._answered = answered
        self._most_in_flight = most_in_flight
        self._rows: RowWriter | None = None
        self._known: RowWriter | None = None
        self._dispatcher: Dispatcher | None = None
        self._sending: gevent.Greenlet | None = None

    def open(self, folder: "RunFolder", *, clients_wait: bool = False) -> None:
        """Write the rows of a new run there; those of when clients knew only if they wait."""
        make_room(self._most_in_flight)
        self._rows = RowWriter(folder.requests(0), REQUEST_COLUMNS)
        if clients_wait:
            self._known = RowWriter(folder.known(0), KNOWN_COLUMNS)

    def begin(
        self,
        turn: "Turn",
        accepted: "Callable[[int, str], None]",
        client: "Client | None" = None,
        longest_wait_s: float = 0.0,
    ) -> None:
        """Send this turn, in a greenlet of its own; `accepted` is told sequence and id of each request accepted.

        A `client`, where the way has a pattern, sends them and waits for their results, for `longest_wait_s` at most.
        """
        assert self._rows is not None, "open comes first"
        assert not self.busy, "one turn at a time"
        path = turn.path
        answered = self._answered
        counts = Counts()
        follower = None
        if client is not None:
            assert self._known is not None, "open was told that no client waits"
            follower = Follower(turn, client, self._known, counts, longest_wait_s)
        self._dispatcher = Dispatcher(
            turn,
            RawSender(turn) if client is None else ClientSender(turn, client),
            self._rows,
            lambda latency_ms, length, failure: answered(path, latency_ms, length, failure),
            accepted,
            counts=counts,
            follower=follower,
            most_in_flight=self._most_in_flight,
        )
        # What lives now lives through the turn: looking through it again would only make requests late.
        gc.collect()
        gc.freeze()
        self._sending = gevent.spawn(self._dispatcher.run)

    @property
    def busy(self) -> bool:
        """Whether a turn is still being sent, or waits for answers or results."""
        return self._sending is not None and not self._sending.dead

    @property
    def failure(self) -> str | None:
        """Why the last turn broke off by itself, if it did."""
        if self._sending is None or self._sending.exception is None:
            return None
        return repr(self._sending.exception)

    @property
    def counts(self) -> Counts:
        """Of the present turn, or of the last."""
        return Counts() if self._dispatcher is None else self._dispatcher.counts

    @property
    def described(self) -> "dict[str, Any]":
        """For run.json: how many processes send."""
        return {"workers": 1}

    def flush(self) -> None:
        """Hand the rows so far to the operating system."""
        for rows in (self._rows, self._known):
            if rows is not None:
                rows.flush()

    def halt(self) -> None:
        """Stop the present turn; what was in flight is on record as unanswered."""
        if self._sending is not None:
            self._sending.kill()

    def close(self) -> None:
        """The run has ended."""
        self.halt()
        for rows in (self._rows, self._known):
            if rows is not None:
                rows.close()
        self._rows = self._known = None
        gc.unfreeze()
