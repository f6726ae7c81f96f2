"""The workers of a distributed run, as the benchmark sees them: a generator that sends from several processes.

Worker k of n takes every n-th arrival from the k-th on, so that all together send the schedule of one, each arrival
exactly once. A worker that is lost takes its part with it, and the run is not valid: it is never silently smaller.
"""

import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import gevent

from loadtest._counts import Counts
from loadtest._dispatcher import GRACE_S
from loadtest._target import TargetError
from loadtest._worker_messages import CLOSE, HALT, PING, PONG, REPORT, TURN, turn_to_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtest._turn import Turn
    from pipeline.run import RunFolder
    from producers.client import Client

_PINGS: Final = 8
_PING_S: Final = 5.0
# A worker reports several times a second. One that is silent for so long is lost, whatever it does.
_SILENT_S: Final = 10.0


class Master(Protocol):
    """What of Locust's master the pool needs."""

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Tell a worker."""

    def register_message(self, msg_type: str, listener: "Callable[..., None]") -> None:
        """Be told by workers."""


@dataclass(slots=True)
class _Member:
    """A worker. `offset_s` is how far its clock is ahead of the master's, give or take `within_s`."""

    id: str
    rows: BinaryIO
    offset_s: float = 0.0
    within_s: float = float("inf")
    pongs: int = 0
    counts: Counts = field(default_factory=Counts)
    ended: bool = True
    failure: str | None = None
    heard_at: float = 0.0


class WorkerPool:
    """Takes turns, one at a time, as a Generator does. `connected` yields the ids of the workers that are there."""

    # A worker has to have its part of the schedule before its second 0.
    lead_s = 1.5

    def __init__(self, master: Master, connected: "Callable[[], Sequence[str]]", *, most_in_flight: int) -> None:
        self._master = master
        self._connected = connected
        self._most_in_flight = most_in_flight
        self._members: list[_Member] = []
        self._turn: Turn | None = None
        self._accepted: Callable[[int, str], None] | None = None
        master.register_message(PONG, self._pong)
        master.register_message(REPORT, self._report)

    def open(self, folder: "RunFolder", *, clients_wait: bool = False) -> None:
        """Count the workers, compare their clocks with this one, and keep their rows in that folder.

        Raises:
            TargetError: clients would have to wait, there is no worker, or one does not answer.
        """
        if clients_wait:
            raise TargetError("patterns run in one process: leave out --processes, --master and --worker")
        ids = list(self._connected())
        if not ids:
            raise TargetError("no worker is connected: start some with --worker, or give --processes N")
        self._members = [
            _Member(name, folder.requests(number).open("ab"), heard_at=time.monotonic())
            for number, name in enumerate(ids)
        ]
        for _ in range(_PINGS):
            self._ping_all()

    def _ping_all(self) -> None:
        awaited = {member.id: member.pongs + 1 for member in self._members}
        for member in self._members:
            self._master.send_message(PING, {"asked_at": time.time()}, member.id)
        until = time.monotonic() + _PING_S
        while any(member.pongs < awaited[member.id] for member in self._members):
            if time.monotonic() > until:
                silent = next(member.id for member in self._members if member.pongs < awaited[member.id])
                raise TargetError(f"the worker {silent} does not answer; it has to be started with -f loadtest/, too")
            gevent.sleep(0.002)

    def begin(
        self,
        turn: "Turn",
        accepted: "Callable[[int, str], None]",
        client: "Client | None" = None,
        longest_wait_s: float = 0.0,  # noqa: ARG002 (only clients that wait have one)
    ) -> None:
        """Give each worker its part; `accepted` is told sequence and id of each request accepted."""
        assert self._members, "open comes first"
        assert client is None, "open refuses clients that wait"
        assert not self.busy, "one turn at a time"
        self._turn, self._accepted = turn, accepted
        for number, member in enumerate(self._members):
            member.counts, member.ended, member.failure = Counts(), False, None
            member.heard_at = time.monotonic()
            # Each may have its part of what may be in flight.
            most = max(1, self._most_in_flight // len(self._members))
            message = turn_to_message(turn, number, len(self._members), member.offset_s, most)
            self._master.send_message(TURN, message, member.id)

    @property
    def busy(self) -> bool:
        """Whether a worker is still sending, or waits for answers."""
        return any(not member.ended for member in self._members)

    @property
    def failure(self) -> str | None:
        """Why the last turn broke off by itself, if it did."""
        connected = set(self._connected())
        for member in self._members:
            if member.failure is not None:
                return f"the worker {member.id}: {member.failure}"
            if not member.ended and (member.id not in connected or time.monotonic() - member.heard_at > _SILENT_S):
                return f"the worker {member.id} is lost, and what it had still to send with it"
        return None

    @property
    def counts(self) -> Counts:
        """Of all workers together, as they last reported."""
        return Counts(
            **{each.name: sum(getattr(member.counts, each.name) for member in self._members) for each in fields(Counts)}
        )

    @property
    def described(self) -> dict[str, Any]:
        """For run.json: how many workers there are, and how far their clocks are ahead of the master's."""
        return {
            "workers": len(self._members),
            "worker_clocks": [
                {"offset_ms": round(member.offset_s * 1_000, 3), "within_ms": round(member.within_s * 1_000, 3)}
                for member in self._members
            ],
        }

    def flush(self) -> None:
        """Hand the rows so far to the operating system."""
        for member in self._members:
            member.rows.flush()

    def halt(self) -> None:
        """Stop the present turn, and wait for the last rows of each worker that is there."""
        for member in self._members:
            if not member.ended:
                self._master.send_message(HALT, None, member.id)
        until = time.monotonic() + GRACE_S + _PING_S
        while self.busy and self.failure is None:
            if time.monotonic() > until:
                silent = next(member for member in self._members if not member.ended)
                silent.failure = "it does not stop"
                return
            gevent.sleep(0.02)

    def close(self) -> None:
        """The run has ended."""
        for member in self._members:
            self._master.send_message(CLOSE, None, member.id)
            member.rows.close()
            member.ended = True

    def _member(self, name: str) -> _Member | None:
        return next((member for member in self._members if member.id == name and not member.rows.closed), None)

    def _pong(self, msg: Any, **_: Any) -> None:
        now = time.time()
        member = self._member(msg.node_id)
        if member is None:
            return
        asked_at, at = msg.data["asked_at"], msg.data["at"]
        # The quickest answer tells the most: the worker looked at its clock somewhere in between.
        within = (now - asked_at) / 2
        if within < member.within_s:
            member.offset_s, member.within_s = at - (asked_at + now) / 2, within
        member.pongs += 1

    def _report(self, msg: Any, **_: Any) -> None:
        member = self._member(msg.node_id)
        told = msg.data
        if member is None or self._turn is None or told["request_run_id"] != self._turn.request_run_id:
            return
        member.heard_at = time.monotonic()
        member.counts = Counts(**told["counts"])
        member.rows.write(told["rows"])
        member.failure = told["failure"]
        if self._accepted is not None:
            for sequence, request_id in told["accepted"]:
                self._accepted(sequence, request_id)
        member.ended = told["ended"]
