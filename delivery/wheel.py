"""Numbers that sleep for a while, in slots of time: a million may sleep, and most of what is done is done in bulk."""

import math
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]

# A sleeper is one 64-bit key: its slot, counted from a slot nearby, above its number. Sorted keys are sorted sleepers.
_NUMBER_BITS = 36
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1
_MOST_SLOTS = 1 << (62 - _NUMBER_BITS)
# Slots are kept unsorted in drawers of 256; only the drawer in use is sorted.
_DRAWER_BITS = _NUMBER_BITS + 8
_NONE: Numbers = np.empty(0, np.int64)


class Wheel:
    """Wakes each number at the end of the slot its time falls into, so up to one slot after that time.

    Args:
        slot_s: the length of a slot, seconds.
    """

    def __init__(self, slot_s: float) -> None:
        self._slot_s = slot_s
        self._first_slot = 0
        self._drawers: dict[int, list[Numbers]] = {}
        self._order: list[int] = []
        # The drawer in use: its keys, how many of them have woken, and its number.
        self._open: Numbers = _NONE
        self._woken = 0
        self._open_drawer = -_MOST_SLOTS
        # Put in one by one, and not sorted in yet.
        self._loose: list[int] = []
        self._loose_at: list[float] = []
        self._loose_first = math.inf
        self._loose_next = math.inf
        self._sorted_first = math.inf
        self.next_at = math.inf
        """When the next one wakes; infinity if none sleeps."""

    def put(self, at: Times, numbers: Numbers) -> None:
        """Let each of these numbers (0 to 2**36 - 1) sleep until its time.

        Raises:
            ValueError: a time further from the others than the wheel can tell, 38 days with slots of 0.05 s.
        """
        if not len(numbers):
            return
        slots = np.ceil(at / self._slot_s).astype(np.int64)
        if self._sorted_first == math.inf:
            self._first_slot = int(slots.min())
            self._open_drawer = -_MOST_SLOTS
        slots -= self._first_slot
        if int(slots.max()) >= _MOST_SLOTS or int(slots.min()) <= -_MOST_SLOTS:
            raise ValueError(f"a wheel of {self._slot_s} s slots cannot let numbers sleep {_MOST_SLOTS} slots apart")
        keys = (slots << _NUMBER_BITS) | numbers
        keys.sort()
        drawers = keys >> _DRAWER_BITS
        starts = [0, *(np.flatnonzero(drawers[1:] != drawers[:-1]) + 1).tolist(), len(keys)]
        for drawer, start, stop in zip(drawers[starts[:-1]].tolist(), starts, starts[1:], strict=False):
            self._put_in(drawer, keys[start:stop])
        self._look()

    def put_one(self, at: float, number: int) -> None:
        """Let one number sleep until its time."""
        self._loose.append(number)
        self._loose_at.append(at)
        if at < self._loose_first:
            self._loose_first = at
            self._loose_next = math.ceil(at / self._slot_s) * self._slot_s
            self._tell_next()

    def due(self, now: float) -> Numbers:
        """Take out what has slept long enough: slots in the order of time, each in the order of its numbers."""
        if self.next_at > now:
            return _NONE
        if self._loose_next <= now:
            self._sort_in_loose()
        woken: list[Numbers] = []
        while self._sorted_first <= now:
            stop = int(self._open.searchsorted(min(self._slot_by(now) + 1, _MOST_SLOTS) << _NUMBER_BITS))
            woken.append(self._open[self._woken : stop] & _NUMBER_MASK)
            self._woken = stop
            self._look()
        return woken[0] if len(woken) == 1 else np.concatenate(woken)

    def _sort_in_loose(self) -> None:
        at, numbers = np.array(self._loose_at), np.array(self._loose, np.int64)
        self._loose, self._loose_at, self._loose_first, self._loose_next = [], [], math.inf, math.inf
        self.put(at, numbers)

    def _tell_next(self) -> None:
        self.next_at = min(self._loose_next, self._sorted_first)

    def _put_in(self, drawer: int, keys: Numbers) -> None:
        if drawer <= self._open_drawer:
            # Two sorted halves: a stable sort merges them in one pass.
            self._open = np.concatenate((self._open[self._woken :], keys))
            self._open.sort(kind="stable")
            self._woken = 0
        elif drawer in self._drawers:
            self._drawers[drawer].append(keys)
        else:
            self._drawers[drawer] = [keys]
            heappush(self._order, drawer)

    def _look(self) -> None:
        """Find out who wakes next, and open the next drawer if this one is empty."""
        if self._woken == len(self._open):
            if not self._order:
                self._open, self._woken, self._sorted_first = _NONE, 0, math.inf
                self._tell_next()
                return
            self._open_drawer = heappop(self._order)
            self._open = np.concatenate(self._drawers.pop(self._open_drawer))
            self._open.sort()
            self._woken = 0
        self._sorted_first = (int(self._open[self._woken] >> _NUMBER_BITS) + self._first_slot) * self._slot_s
        self._tell_next()

    def _slot_by(self, now: float) -> int:
        """The last slot that has ended by `now`, in the very arithmetic `next_at` is told in."""
        slot = math.floor(now / self._slot_s)
        while (slot + 1) * self._slot_s <= now:
            slot += 1
        while slot * self._slot_s > now:
            slot -= 1
        return slot - self._first_slot
