"""What the master of a distributed run and its workers tell each other, over Locust's own connection.

A worker needs nothing but its messages: its part of the schedule and the images come in them, and its rows go back in
them, so that it may run on another machine with no folder in common.
"""

from array import array
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from loadtest._authentication import Showing
from loadtest._counts import Counts
from loadtest._image import LoadImage
from loadtest._schedule import Schedule
from loadtest._turn import Turn
from loadtest._way import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

# From the master: what time is it? Its answer.
PING: Final = "forebay-ping"
PONG: Final = "forebay-pong"
# From the master: send this part of a turn; break it off; the run is over.
TURN: Final = "forebay-turn"
HALT: Final = "forebay-halt"
CLOSE: Final = "forebay-close"
# From a worker, some times a second: how it stands with its part, and the rows since the last one.
REPORT: Final = "forebay-report"


def turn_to_message(turn: Turn, worker: int, workers: int, offset_s: float, most_in_flight: int) -> dict[str, Any]:
    """One worker's part of a turn. `offset_s` is how far that worker's clock is ahead of the master's."""
    part = turn.schedule.share(worker, workers)
    return {
        "way": {"name": turn.way.name, "buffer": turn.way.buffer, "route": turn.way.route},
        "api_url": turn.api_url,
        "showing": asdict(turn.showing),
        "request_run_id": turn.request_run_id,
        "starts_at": turn.starts_at,
        "clock_offset_s": offset_s,
        "sequences": [part.sequences.start, part.sequences.stop, part.sequences.step],
        "times": part.times.tobytes(),
        "picks": part.images.tobytes(),
        "groups": None if part.groups is None else part.groups.tobytes(),
        "images": [asdict(image) for image in turn.images],
        "most_in_flight": most_in_flight,
    }


def turn_from_message(message: dict[str, Any]) -> Turn:
    """What `turn_to_message` wrote."""
    return Turn(
        Way(**message["way"]),
        message["api_url"],
        message["request_run_id"],
        Schedule(
            range(*message["sequences"]),
            _array("d", message["times"]),
            _array("I", message["picks"]),
            None if message["groups"] is None else _array("I", message["groups"]),
        ),
        tuple(LoadImage(**image) for image in message["images"]),
        message["starts_at"],
        message["clock_offset_s"],
        Showing.from_message(message["showing"]),
    )


def report_to_message(
    request_run_id: str,
    counts: Counts,
    rows: bytes,
    accepted: "Sequence[tuple[int, str]]",
    *,
    ended: bool,
    failure: str | None,
) -> dict[str, Any]:
    """How it stands with a worker's part of a turn. `rows` are the bytes of its `.rows` file that are new."""
    return {
        "request_run_id": request_run_id,
        "counts": asdict(counts),
        "rows": rows,
        "accepted": list(accepted),
        "ended": ended,
        "failure": failure,
    }


def _array(kind: str, data: bytes) -> "array[Any]":
    values = array(kind)
    values.frombytes(data)
    return values
