"""A turn: one way's part of a run. Each way gets the same schedule, one after the other."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtest._authentication import NOTHING, Showing

if TYPE_CHECKING:
    from loadtest._image import LoadImage
    from loadtest._schedule import Schedule
    from loadtest._way import Way


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's part of a way's turn.

    `request_run_id` stands on each request. `starts_at` is second 0 of the schedule, in seconds since the epoch,
    by the clock of the run, which this process' own is ahead of by `clock_offset_s`. `showing` is what its requests
    show of themselves.
    """

    way: "Way"
    api_url: str
    request_run_id: str
    schedule: "Schedule"
    images: "tuple[LoadImage, ...]"
    starts_at: float
    clock_offset_s: float = 0.0
    showing: Showing = NOTHING

    @property
    def path(self) -> str:
        """How Locust's statistics call where its requests go."""
        return self.way.path or self.way.name

    def image(self, index: int) -> "LoadImage":
        """The image of one arrival."""
        return self.images[self.schedule.images[index]]

    def intended_ms(self, index: int) -> float:
        """When an arrival is meant to leave, ms since the epoch."""
        return (self.starts_at + self.schedule.times[index]) * 1_000


class TurnClock:
    """A turn's time by a clock that never jumps; second 0 is the turn's."""

    def __init__(self, turn: Turn) -> None:
        self._starts_at = turn.starts_at
        self._start = time.perf_counter() + (turn.starts_at + turn.clock_offset_s - time.time())

    def second(self) -> float:
        """How many seconds the turn is old."""
        return time.perf_counter() - self._start

    def ms(self, second: float | None = None) -> float:
        """A second of the turn, or now, in ms since the epoch."""
        return (self._starts_at + (self.second() if second is None else second)) * 1_000
