"""Files that are there whole or not at all: a report that breaks off leaves the one before."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Final

from reports.short_turns import short_turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

# A third of the time that one beside it has.
_NICE: Final = 5


def write_whole(path: "Path", write: "Callable[[Path], object]") -> None:
    """Let `write` make a file beside `path`, and put it in its place once it stands."""
    beside = _beside(path)
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


class WholeFile:
    """A file that a thread writes beside `path` while its caller goes on to other things; `put` puts it in its place.

    Left before that, it asks `write` to break off by what it hands over, waits for it, and leaves nothing. While it is
    written, threads take shorter turns: `write` needs Python often, and not for long. Where all cores are busy it gives
    way to the others, as far as the system lets a thread do so: they are waited for, and it has until the end.
    """

    def __init__(self, path: "Path", write: "Callable[[Path, Callable[[], bool]], object]") -> None:
        self._path = path
        self._left = Event()
        self._turns = ExitStack()
        self._turns.enter_context(short_turns())
        self._thread = ThreadPoolExecutor(1, initializer=_give_way)
        self._written = self._thread.submit(write, _beside(path), lambda: not self._left.is_set())

    def put(self) -> None:
        """Wait until it stands, and put it in its place; raises what `write` raised."""
        self._written.result()
        # Onto a file that is there some file systems (ext4) rename only what they have written to the disk, which takes
        # a third of a second of a large table.
        self._path.unlink(missing_ok=True)
        _beside(self._path).replace(self._path)

    def __enter__(self) -> "WholeFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self._left.set()
        try:
            self._thread.shutdown()
        finally:
            self._turns.close()
            _beside(self._path).unlink(missing_ok=True)


def _give_way() -> None:
    # Elsewhere it is the whole process that would.
    if sys.platform == "linux":
        os.nice(_NICE)


def _beside(path: "Path") -> "Path":
    return path.with_name(f"{path.name}.new")
