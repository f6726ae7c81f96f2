"""A meter of the CPU time of a process and all it starts, read again and again while it runs."""

import threading
import time
from bisect import bisect_left
from types import TracebackType
from typing import Final

import psutil

_EVERY_S: Final = 0.4


class CpuMeter:
    """Runs as a context. What was used between two moments, in seconds since the epoch, it tells afterwards."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._used: dict[int, float] = {}
        self._readings: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)

    def __enter__(self) -> "CpuMeter":
        self._read()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def used(self) -> float:
        """CPU seconds of all of them by the last reading."""
        return self._readings[-1][1] if self._readings else 0.0

    def between(self, start: float, end: float) -> float:
        """CPU seconds that all of them used between two moments."""
        return self._at(end) - self._at(start)

    def _at(self, moment: float) -> float:
        """What had been used by a moment, on the line between the readings around it."""
        index = bisect_left(self._readings, (moment, 0.0))
        if not 0 < index < len(self._readings):
            raise ValueError(f"the moment {moment} is not between the first reading and the last")
        (before, used_before), (after, used_after) = self._readings[index - 1 : index + 1]
        return used_before + (used_after - used_before) * (moment - before) / (after - before)

    def _read_on(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._read()
        self._read()

    def _read(self) -> None:
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # A process that has ended keeps what it had used when it was last seen.
            self._used[process.pid] = times.user + times.system
        self._readings.append((time.time(), sum(self._used.values())))
