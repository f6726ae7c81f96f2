"""The events of an asynchronous queue, in columns: what is known of each while it has not ended."""

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from delivery.backlog import Run

Numbers = npt.NDArray[np.int64]

_FIRST_ROWS = 1_024
_NONE = range(0)


class EventTable:
    """Events by number: an event's number is its place in the order they were accepted, from 0.

    Those still to arrive wait in here until `take_arrived` hands them out. Rows are used again once their event and
    all before it have ended, so the table is as long as the queue's memory of its oldest event.
    """

    def __init__(self) -> None:
        self._records = np.zeros(_FIRST_ROWS, np.int64)
        self._arrived = np.zeros(_FIRST_ROWS, np.float64)
        self._throttles = np.zeros(_FIRST_ROWS, np.int32)
        self._errors = np.zeros(_FIRST_ROWS, np.int32)
        self._ended = np.zeros(_FIRST_ROWS, np.bool_)
        self._see_cells()
        # The number of the first row, the numbers after the last one and of the next to arrive.
        self._first = 0
        self._stop = 0
        self._next = 0
        self.next_at = math.inf
        """When the next event arrives, or did; infinity if none is to come."""
        self._last_at = -math.inf

    def add(self, run: Run) -> None:
        """Accept events.

        Raises:
            ValueError: they arrive before those already here.
        """
        count = len(run)
        if not count:
            return
        if run.time(0) < self._last_at:
            raise ValueError(f"events arriving at {run.time(0)} come after some arriving at {self._last_at}")
        self._make_room(count)
        start = self._stop - self._first
        rows = slice(start, start + count)
        ids = run.ids
        self._records[rows] = np.arange(ids.start, ids.stop, ids.step) if isinstance(ids, range) else ids
        self._arrived[rows] = run.times
        for column in (self._throttles, self._errors, self._ended):
            column[rows] = 0
        self._stop += count
        self._last_at = run.time(-1)
        if self.next_at == math.inf:
            self.next_at = run.time(0)

    def oldest_at(self) -> float:
        """A time before which none of those that have not ended arrived."""
        return self._arrived.item(0)

    def take_arrived(self, now: float) -> range:
        """The numbers of those that have arrived since last asked."""
        if self.next_at > now:
            return _NONE
        start, here, stop = self._next, self._next - self._first, self._stop - self._first
        # Mostly one has arrived: look at its neighbour before searching them all.
        if here + 1 == stop or self._arrived.item(here + 1) > now:
            count = 1
        else:
            count = int(self._arrived[here:stop].searchsorted(now, side="right"))
        self._next += count
        self.next_at = self._arrived.item(here + count) if self._next < self._stop else math.inf
        return range(start, start + count)

    def arrived_at_all(self, numbers: range) -> list[float]:
        """When they arrived, of events that were accepted one after the other."""
        times: list[float] = self._arrived[numbers.start - self._first : numbers.stop - self._first].tolist()
        return times

    def records_of(self, numbers: range) -> list[int]:
        """The ids of the records of events that were accepted one after the other."""
        ids: list[int] = self._records[numbers.start - self._first : numbers.stop - self._first].tolist()
        return ids

    def records(self, numbers: Numbers) -> list[int]:
        """The ids of their records."""
        ids: list[int] = self._records[numbers - self._first].tolist()
        return ids

    def arrived_at(self, numbers: Numbers) -> npt.NDArray[np.float64]:
        """When they arrived."""
        return self._arrived[numbers - self._first]

    def arrived_at_one(self, number: int) -> float:
        """When one of them arrived."""
        return self._arrived_cells[number - self._first]

    def errors(self, numbers: Numbers) -> npt.NDArray[np.int32]:
        """How often the function has failed them."""
        return self._errors[numbers - self._first]

    def add_error(self, number: int) -> int:
        """Note that the function failed an event; says how often it has now."""
        row = number - self._first
        self._errors_cells[row] = errors = self._errors_cells[row] + 1
        return errors

    def throttles(self, numbers: Numbers) -> Numbers:
        """How often they were refused."""
        return self._throttles[numbers - self._first].astype(np.int64)

    def add_throttle(self, numbers: Numbers) -> Numbers:
        """Note that events, each named once, were refused; says how often each was now."""
        rows = numbers - self._first
        self._throttles[rows] += 1
        return self._throttles[rows].astype(np.int64)

    def end(self, number: int) -> None:
        """An event has ended; its number is not asked for again."""
        self._ended_cells[number - self._first] = True

    def end_all(self, numbers: Numbers) -> None:
        """Events have ended."""
        self._ended[numbers - self._first] = True

    def _make_room(self, count: int) -> None:
        used, size = self._stop - self._first, len(self._records)
        if used + count <= size:
            return
        over = self._ended[:used]
        gone = used if over.all() else int(np.argmin(over))
        # Moved down only if that frees half the table: otherwise a row would be moved again and again.
        if gone < size // 2:
            gone = 0
        wanted = used - gone + count
        size = size if wanted <= size else max(wanted, 2 * size)
        for name in ("_records", "_arrived", "_throttles", "_errors", "_ended"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)
            new[: used - gone] = old[gone:used]
            setattr(self, name, new)
        self._first += gone
        self._see_cells()

    def _see_cells(self) -> None:
        """Columns for who looks at one row alone: an array takes twice as long for one of its numbers."""
        self._arrived_cells = cast("list[float]", memoryview(cast("Any", self._arrived)))
        self._errors_cells = cast("list[int]", memoryview(cast("Any", self._errors)))
        self._ended_cells = cast("list[bool]", memoryview(cast("Any", self._ended)))
