"""The progress of a run on the terminal: one live line where there is a terminal, plain lines elsewhere."""

import shutil
import time
from typing import TYPE_CHECKING, Final, TextIO

from loadtest._time_left import TimeLeft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadtest._observation import Observation
    from loadtest._workload import Workload

_PLAIN_EVERY_S: Final = 5.0
# So that the lines of a run stand below those of another.
_NARROWEST: Final = 11
# Beside offered and accepted, where they are known; zeros are no news, but of the first two of the buffer's.
_FIGURES: Final = {
    "rejected": "refused",
    "unanswered": "no answer",
    "dropped": "dropped",
    "completed": "completed",
    "backlog": "backlog",
    "dead_lettered": "dead lettered",
    "throttles": "throttles",
}


class Progress:
    """An observer that writes to `out`. `clock` yields seconds."""

    def __init__(self, out: TextIO, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._live = out.isatty()
        self._line_stands = False
        self._plain_at = 0.0
        self._last: Observation | None = None
        self._starts_at = 0.0
        self._width = _NARROWEST
        self._workload: Workload | None = None
        self._time_left: TimeLeft | None = None
        self._left_s: float | None = None

    def began(self, run_id: str, workload: "Workload") -> None:
        """Say what is run."""
        self._workload = workload
        names = [way.name for way in workload.ways]
        self._width = max(_NARROWEST, *map(len, names))
        self._say(
            f"run {run_id}: about {workload.rate.total:,.0f} requests in {workload.rate.duration:g} s "
            + (f"to {workload.route}" if workload.route else f"through each of {', '.join(names)}")
        )
        self._say(f"  {' '.join(workload.why.split())}")

    def phase(self, text: str) -> None:
        """A line of its own where it is news."""
        if not self._live:
            self._say(f"  {text}")
        else:
            self._show(f"  {text} ...")

    def turn_began(self, buffer: str, starts_at: float) -> None:
        """Count from here."""
        assert self._workload is not None, "a run begins before its turns"
        load = next(self._workload.of(way) for way in self._workload.ways if way.name == buffer)
        self._time_left = TimeLeft(load.rate.duration, load.cut_off_s)
        self._left_s = None
        self._starts_at = starts_at
        self._plain_at = self._clock()
        self._last = None

    def observed(self, observation: "Observation") -> None:
        """Every second on a terminal, every few elsewhere."""
        self._last = observation
        assert self._time_left is not None, "a turn begins before it is observed"
        self._left_s = self._time_left.observed(self._second(observation), observation)
        if self._live:
            self._show(self._line(observation))
        elif self._clock() >= self._plain_at:
            self._plain_at += _PLAIN_EVERY_S
            self._say(self._line(observation))

    def turn_ended(self, buffer: str, *, drained: bool) -> None:
        """Leave the last line of a turn standing."""
        self._left_s = None
        if self._last is not None:
            answers, last = self._last.completed is None, self._last
            whole = "all answered" if answers else "drained"
            if answers and drained and last.unanswered + last.dropped:
                # None waits any more, which is not the same.
                whole = "ended"
            self._say(f"{self._line(last)}  {whole if drained else f'{buffer} not {whole}'}")

    def ended(self, invalid_because: tuple[str, ...]) -> None:
        """Say what is wrong with the run, if anything is."""
        self._say("the run is valid" if not invalid_because else "THE RUN IS NOT VALID:")
        for reason in invalid_because:
            self._say(f"  - {reason}")

    def reported(self, report: "Path") -> None:
        """The report says itself where it is."""

    def _line(self, observation: "Observation") -> str:
        parts = [
            f"{observation.buffer:<{self._width}} {self._second(observation):4.0f} s",
            f"offered {observation.offered:>6,}",
            f"accepted {observation.accepted:>6,}",
        ]
        for name, label in _FIGURES.items():
            value = getattr(observation, name)
            if value is not None and (value or name in ("completed", "backlog")):
                parts.append(f"{label} {value:>6,}")
        if observation.oldest_age_s is not None:
            parts.append(f"oldest {observation.oldest_age_s:.0f} s")
        if observation.metrics_age_s is not None:
            # CloudWatch's: the two figures before it are of then, all others of now.
            parts.append(f"({observation.metrics_age_s:.0f} s ago)")
        if self._left_s is not None:
            parts.append(f"about {self._left_s:.0f} s left")
        return "  ".join(parts)

    def _second(self, observation: "Observation") -> float:
        return observation.at / 1_000 - self._starts_at

    def _show(self, text: str) -> None:
        """Write over the live line."""
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r\x1b[K{text[:width]}")
        self._out.flush()
        self._line_stands = True

    def _say(self, text: str) -> None:
        self._out.write(("\r\x1b[K" if self._line_stands else "") + text + "\n")
        self._out.flush()
        self._line_stands = False
