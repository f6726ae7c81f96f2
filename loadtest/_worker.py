"""A worker of a distributed run: sends the part of each turn that the master gives it, and reports."""

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import gevent

from loadtest._counts import Counts
from loadtest._generator import Generator
from loadtest._target import TargetError
from loadtest._worker_messages import (
    CLOSE,
    HALT,
    PING,
    PONG,
    REPORT,
    TURN,
    report_to_message,
    turn_from_message,
)
from pipeline.run import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

_REPORT_S: Final = 0.25
# The master is heard every second. After this it takes a silent worker for lost, and so do we it: nobody would keep
# what we send then, and nobody could stop it. Locust itself waits for a minute.
_SILENT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What of Locust's runner a worker needs."""

    def send_message(self, msg_type: str, data: Any = None) -> None:
        """Tell the master."""

    def register_message(self, msg_type: str, listener: "Callable[..., None]") -> None:
        """Be told by the master."""


class Worker:
    """Waits for the master's messages. `answered` is that of a Generator, `silent_s` for how long nothing was heard."""

    def __init__(
        self,
        connection: Connection,
        answered: "Callable[[str, float, int, Exception | None], None]",
        silent_s: "Callable[[], float]",
    ) -> None:
        self._connection = connection
        self._answered = answered
        self._silent_s = silent_s
        self._generator: Generator | None = None
        self._rows: BinaryIO | None = None
        self._accepted: list[tuple[int, str]] = []
        for name, listener in ((PING, self._ping), (TURN, self._turn), (HALT, self._halt), (CLOSE, self._close)):
            connection.register_message(name, listener)

    @property
    def in_a_run(self) -> bool:
        """Whether the master has more to say to it: another turn, or that the run is over."""
        return self._generator is not None

    def close(self) -> None:
        """The run is over, or the master is gone."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def _ping(self, msg: Any, **_: Any) -> None:
        self._connection.send_message(PONG, {"asked_at": msg.data["asked_at"], "at": time.time()})

    def _turn(self, msg: Any, **_: Any) -> None:
        turn = turn_from_message(msg.data)
        if self._generator is None:
            self._generator = Generator(self._answered, most_in_flight=msg.data["most_in_flight"])
            with tempfile.TemporaryDirectory(prefix="forebay-worker-") as folder:
                # The open file outlives its name, and nothing is left behind however this process ends.
                self._generator.open(RunFolder(Path(folder)))
                self._rows = RunFolder(Path(folder)).requests(0).open("rb")
        try:
            self._generator.begin(turn, lambda sequence, request_id: self._accepted.append((sequence, request_id)))
        except TargetError as error:
            # It has no credentials, say. The master ends the run, and says it.
            told = report_to_message(turn.request_run_id, Counts(), b"", (), ended=True, failure=str(error))
            self._connection.send_message(REPORT, told)
            return
        gevent.spawn(self._report, turn.request_run_id)

    def _report(self, request_run_id: str) -> None:
        while self._generator is not None:
            # Asked first: what ends while the rows are read is reported with the next.
            ended = not self._generator.busy
            accepted, self._accepted = self._accepted, []
            self._connection.send_message(
                REPORT,
                report_to_message(
                    request_run_id,
                    self._generator.counts,
                    self._new_rows(),
                    accepted,
                    ended=ended,
                    failure=self._generator.failure,
                ),
            )
            if ended:
                return
            if self._silent_s() > _SILENT_S:
                _log.error("The master has not been heard for %g s: nothing more is sent", _SILENT_S)
                self.close()
                return
            gevent.sleep(_REPORT_S)

    def _new_rows(self) -> bytes:
        assert self._generator is not None
        assert self._rows is not None
        self._generator.flush()
        return self._rows.read()

    def _halt(self, **_: Any) -> None:
        # In a greenlet of its own: it waits for answers, and the master's messages must not.
        if self._generator is not None:
            gevent.spawn(self._generator.halt)

    def _close(self, **_: Any) -> None:
        self.close()
