"""What is observed of a run while it goes on, and who is told."""

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Protocol

from pipeline.run import OBSERVED_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from loadtest._workload import Workload


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a turn at a moment, a row of OBSERVED_COLUMNS. None where the target cannot tell.

    What follows `metrics_age_s` is for those who look on; on record it is in the rows of requests.
    """

    buffer: str
    at: float
    offered: int
    accepted: int
    completed: int | None
    dead_lettered: int | None
    backlog: int | None
    in_flight: int | None
    concurrency: int | None
    throttles: int | None
    cold_starts: int | None
    oldest_age_s: float | None
    metrics_age_s: float | None = None
    rejected: int = 0
    unanswered: int = 0
    dropped: int = 0

    def row(self) -> tuple[object, ...]:
        """The values in the order of the columns."""
        return astuple(self)[: len(OBSERVED_COLUMNS)]


assert tuple(field.name for field in fields(Observation))[: len(OBSERVED_COLUMNS)] == OBSERVED_COLUMNS


class Observer(Protocol):
    """Is told how a run goes on; the terminal and the page are two."""

    def began(self, run_id: str, workload: "Workload") -> None:
        """A run has begun."""

    def phase(self, text: str) -> None:
        """What the run does now, in a few words."""

    def turn_began(self, buffer: str, starts_at: float) -> None:
        """The turn of a buffer, or of another way, has its second 0 at `starts_at`, in seconds since the epoch."""

    def observed(self, observation: Observation) -> None:
        """Once a second of a turn."""

    def turn_ended(self, buffer: str, *, drained: bool) -> None:
        """A turn is over."""

    def ended(self, invalid_because: tuple[str, ...]) -> None:
        """The run is over, and valid if there is no reason against it."""

    def reported(self, report: "Path") -> None:
        """The run's report has been made."""
