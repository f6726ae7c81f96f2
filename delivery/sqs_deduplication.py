"""Which messages a FIFO queue was sent before."""

from collections import deque


class Deduplication:
    """Remembers the deduplication ids of the last `interval_s` seconds (MessageDeduplicationId, as whole numbers).

    Args:
        interval_s: how long an id is remembered, from the first time it was sent.
        by_group: whether the same id in two groups is two ids (DeduplicationScope messageGroup).
    """

    def __init__(self, interval_s: float, *, by_group: bool = False) -> None:
        self._interval_s = interval_s
        self._by_group = by_group
        self._known: set[tuple[int, int]] = set()
        self._order: deque[tuple[float, tuple[int, int]]] = deque()

    def is_new(self, now: float, group: int, id_: int) -> bool:
        """Whether the id was not sent within the interval; then it counts as sent now."""
        while self._order and self._order[0][0] + self._interval_s <= now:
            self._known.remove(self._order.popleft()[1])
        key = (group if self._by_group else 0, id_)
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append((now, key))
        return True
