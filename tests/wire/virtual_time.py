"""An event loop whose time passes only when it has nothing else to do: waiting costs nothing and is exact."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.wire.world import Clock

Result = TypeVar("Result")
# As a float, a time since the epoch has no finer steps than a quarter of this. Seconds.
STEP = 1e-6


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self._turns += 1
        assert self._turns < 10_000, "something keeps itself busy without end"
        if not ready and timeout != 0:
            assert timeout is not None, "everything waits, and nothing is going to happen"
            self._clock.advance(max(timeout, STEP))
            self._turns = 0
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__(_Selector(clock))
        self._virtual_clock = clock
        self._started_at = clock.now
        self._clock_resolution = STEP

    def time(self) -> float:
        return self._virtual_clock.now - self._started_at


def run(clock: Clock, main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, in no time."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(main)
