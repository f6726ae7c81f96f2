"""Messages that were hidden before and are visible again."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

from delivery.ledger import Ledger
from delivery.protocol import End
from delivery.sqs_lease import Holding, Part, cut, first_of, total

_NOTHING: Part = (), 0, 0


class ReturnedMessages:
    """What came back of leases and delays, in the order in which they ended.

    A message that was kept long enough or received too often is let go of when it would be received.

    Args:
        ledger: where that is booked, and when a message was sent is known.
        retention_s: how long a message is kept.
        max_receives: receives after which a message is given up; infinity for never.
    """

    def __init__(self, ledger: Ledger, retention_s: float, max_receives: float) -> None:
        self._ledger = ledger
        self._retention_s = retention_s
        self._max_receives = max_receives
        self._order: deque[Holding] = deque()
        self._by_number: dict[int, Holding] = {}
        # What `first` has just named, if nothing of it is to be given up.
        self._whole: Holding | None = None
        self.count = 0
        """How many there are."""

    def since(self) -> float:
        """Since when the first of them is visible; infinity if there is none."""
        for returned in self._order:
            if returned.left[0]:
                return returned.until
        return math.inf

    def add(self, returned: Holding) -> None:
        """A lease or a delay is over."""
        self._order.append(returned)
        self._by_number[returned.number] = returned
        self.count += len(returned.left[0])

    def clear(self) -> list[int]:
        """Let go of all; says which they were."""
        gone = [message for returned in self._order for message in returned.left[0]]
        self._order.clear()
        self._by_number.clear()
        self.count = 0
        return gone

    def first(self, now: float) -> Holding | None:
        """The first lease that has come back and has something left, once what is not to be received again is out."""
        order = self._order
        while order:
            returned = order[0]
            if self._has_more(now, returned):
                return returned
            del self._by_number[returned.number]
            order.popleft()
        return None

    def take(self, returned: Holding, now: float, most: float, most_bytes: float, into: list[Part]) -> tuple[int, int]:
        """Receive messages of a lease that `first` has named; says how many, and their bytes."""
        if returned is self._whole:
            return self._take_first(returned, most, most_bytes, into)
        taken = taken_bytes = 0
        # Of the first messages it was seen by `first` that they are to be received again.
        while True:
            ids, sizes, receives = returned.left
            alike = _alike(receives, len(ids))
            count = alike if alike + taken <= most else int(most) - taken
            own = cut(sizes, 0, count)
            size = total(own, count)
            if taken_bytes + size > most_bytes:
                count = _fitting(own, count, most_bytes - taken_bytes)
                own = cut(own, 0, count)
                size = total(own, count)
            if count:
                into.append((ids[:count], own, first_of(receives) + 1))
                returned.left = ids[count:], cut(sizes, count), cut(receives, count)
                self.count -= count
                taken += count
                taken_bytes += size
            if count < alike or taken == most or not self._has_more(now, returned):
                return taken, taken_bytes

    def take_out(self, lease: int, ids: Sequence[int]) -> Sequence[int]:
        """Take messages out of a lease that has come back; says which of them were there."""
        returned = self._by_number.get(lease)
        if returned is None or returned.delay:
            return []
        gone = returned.take_out(ids)
        self.count -= len(gone)
        return gone

    def _none_to_give_up(self, returned: Holding, too_old: float) -> bool:
        """Whether all that a lease has left is to be received again, which is nearly always so."""
        receives = returned.left[2]
        most_receives = receives if isinstance(receives, int) else max(receives)
        return most_receives < self._max_receives and returned.oldest_at > too_old

    def _take_first(self, returned: Holding, most: float, most_bytes: float, into: list[Part]) -> tuple[int, int]:
        """`take` of a lease of which nothing is to be given up: as many as fit, at once."""
        ids, sizes, receives = returned.left
        count = len(ids)
        size = total(sizes, count)
        if count <= most and size <= most_bytes:
            returned.left = _NOTHING
        else:
            count = count if count < most else int(most)
            own = cut(sizes, 0, count)
            if total(own, count) > most_bytes:
                count = _fitting(own, count, most_bytes)
            returned.left = ids[count:], cut(sizes, count), cut(receives, count)
            ids, sizes, receives = ids[:count], cut(sizes, 0, count), cut(receives, 0, count)
            size = total(sizes, count)
        if count:
            into.append((ids, sizes, receives + 1 if isinstance(receives, int) else [each + 1 for each in receives]))
            self.count -= count
        return count, size

    def _has_more(self, now: float, returned: Holding) -> bool:
        """Let go of the first messages as long as they are not to be received again; whether there is one that is."""
        too_old = now - self._retention_s
        while (left := returned.left)[0]:
            self._whole = returned if self._none_to_give_up(returned, too_old) else None
            if self._whole is not None:
                return True
            ids, sizes, receives = left
            often = first_of(receives) >= self._max_receives
            if not often and returned.oldest_at > too_old:
                return True
            alike = _alike(receives, len(ids))
            kept = [index for index in range(alike) if self._ledger.arrived_at(ids[index]) > too_old]
            if not often and len(kept) == alike:
                return True
            self.count -= alike
            if len(kept) < alike:
                chosen = set(kept)
                self._ledger.expire([ids[index] for index in range(alike) if index not in chosen], End.RETENTION)
            fresh = [ids[index] for index in kept]
            if often:
                self._ledger.give_up(fresh, End.RECEIVE_COUNT)
                returned.left = ids[alike:], cut(sizes, alike), cut(receives, alike)
                continue
            self.count += len(fresh)
            if not isinstance(sizes, int):
                sizes = [sizes[index] for index in [*kept, *range(alike, len(ids))]]
            returned.left = [*fresh, *ids[alike:]], sizes, cut(receives, alike - len(fresh))
            if fresh:
                return True
        return False


def _alike(receives: int | Sequence[int], count: int) -> int:
    """How many of the first messages were received as often."""
    if isinstance(receives, int):
        return count
    first = receives[0]
    for index, received in enumerate(receives):
        if received != first:
            return index
    return count


def _fitting(sizes: int | Sequence[int], count: int, most_bytes: float) -> int:
    """How many of the first messages have no more than `most_bytes` together."""
    if isinstance(sizes, int):
        return min(count, math.floor(most_bytes / sizes)) if sizes > 0 else count
    return bisect_right(list(accumulate(sizes)), most_bytes)
