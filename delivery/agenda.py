"""When each of many things is next due."""

import math
from heapq import heappop, heappush


class Agenda:
    """Times by key: the last one set for a key counts. Things due at the same time come in the order they were set."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, int]] = []
        self._order = 0

    def set(self, key: int, at: float) -> None:
        """Make `key` due at `at` and at no other time."""
        self._order += 1
        self._entries[key] = (at, self._order)
        heappush(self._heap, (at, self._order, key))

    def clear(self, key: int) -> None:
        """Make `key` not due at all."""
        self._entries.pop(key, None)

    def due(self, now: float) -> list[int]:
        """Take out every key due by now, the earliest first."""
        keys = []
        while self.next_at() <= now:
            _, _, key = heappop(self._heap)
            del self._entries[key]
            keys.append(key)
        return keys

    def next_at(self) -> float:
        """When the next key is due; infinity if none is."""
        while self._heap:
            at, order, key = self._heap[0]
            if self._entries.get(key) == (at, order):
                return at
            heappop(self._heap)
        return math.inf
