"""Things that sleep for a while, in slots of time: many may sleep, and to put one in costs the same."""

import math
from heapq import heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Wheel(Generic[Item]):
    """Wakes each thing at the end of the slot its time falls into, so up to one slot after that time.

    Args:
        slot_s: the length of a slot, seconds.
    """

    def __init__(self, slot_s: float) -> None:
        self._slot_s = slot_s
        self._slots: dict[int, list[Item]] = {}
        self._order: list[int] = []

    def put(self, at: float, item: Item) -> None:
        """Let something sleep until `at`."""
        slot = math.ceil(at / self._slot_s)
        sleepers = self._slots.get(slot)
        if sleepers is None:
            self._slots[slot] = [item]
            heappush(self._order, slot)
        else:
            sleepers.append(item)

    def due(self, now: float) -> list[Item]:
        """Take out what has slept long enough: slots in the order of time, each in the order it was filled."""
        woken: list[Item] = []
        while self.next_at() <= now:
            woken.extend(self._slots.pop(heappop(self._order)))
        return woken

    def next_at(self) -> float:
        """When the next one wakes; infinity if none sleeps."""
        return self._order[0] * self._slot_s if self._order else math.inf
