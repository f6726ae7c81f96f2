"""When each of many things is next due."""

import math
from collections import deque
from heapq import heappop, heappush


class Agenda:
    """Times by key: the last one set for a key counts. Things due at the same time come in the order they were set."""

    def __init__(self) -> None:
        # An entry is (at, order, key); one that its key does not have any more is stale.
        self._entries: dict[int, tuple[float, int, int]] = {}
        # Most times are set in their order, for equal waits end in the order they began: those need no heap.
        self._ascending: deque[tuple[float, int, int]] = deque()
        self._heap: list[tuple[float, int, int]] = []
        self._order = 0
        # The earliest time; to be looked for again once its key has another one, or none.
        self._first_at = math.inf
        self._sure = True

    def set(self, key: int, at: float) -> None:
        """Make `key` due at `at` and at no other time."""
        self._order += 1
        entries = self._entries
        if key in entries and entries[key][0] <= self._first_at:
            self._sure = False
        entries[key] = entry = (at, self._order, key)
        if at < self._first_at:
            self._first_at = at
        ascending = self._ascending
        if not ascending or at >= ascending[-1][0]:
            ascending.append(entry)
        else:
            heappush(self._heap, entry)

    def clear(self, key: int) -> None:
        """Make `key` not due at all."""
        entry = self._entries.pop(key, None)
        if entry is not None and entry[0] <= self._first_at:
            self._sure = False

    def due(self, now: float) -> list[int]:
        """Take out every key due by now, the earliest first."""
        keys: list[int] = []
        if not self._sure:
            self._look()
        heap, ascending = self._heap, self._ascending
        while self._first_at <= now:
            if heap and (not ascending or heap[0] < ascending[0]):
                _, _, key = heappop(heap)
            else:
                _, _, key = ascending.popleft()
            del self._entries[key]
            keys.append(key)
            self._look()
        return keys

    def next_at(self) -> float:
        """When the next key is due; infinity if none is."""
        if not self._sure:
            self._look()
        return self._first_at

    def _look(self) -> None:
        entries, ascending, heap = self._entries, self._ascending, self._heap
        while ascending and entries.get(ascending[0][2]) is not ascending[0]:
            ascending.popleft()
        while heap and entries.get(heap[0][2]) is not heap[0]:
            heappop(heap)
        at = ascending[0][0] if ascending else math.inf
        self._first_at = heap[0][0] if heap and heap[0][0] < at else at
        self._sure = True
