"""Messages that were hidden before and are visible again."""

import math
from collections import deque
from collections.abc import Sequence

from delivery.ledger import Ledger
from delivery.protocol import End
from delivery.sqs_lease import Holding, Part, bytes_of


class ReturnedMessages:
    """What came back of leases and delays, in the order in which they ended.

    A message that was kept long enough or received too often is let go of when it would be received.

    Args:
        ledger: where that is booked.
        retention_s: how long a message is kept.
        max_receives: receives after which a message is given up; infinity for never.
    """

    def __init__(self, ledger: Ledger, retention_s: float, max_receives: float) -> None:
        self._ledger = ledger
        self._retention_s = retention_s
        self._max_receives = max_receives
        self._order: deque[Holding] = deque()
        self._by_number: dict[int, Holding] = {}
        self.count = 0
        """How many there are."""

    def since(self) -> float:
        """Since when the first of them is visible; infinity if there is none."""
        for returned in self._order:
            if returned.left:
                return returned.until
        return math.inf

    def add(self, returned: Holding) -> None:
        """A lease or a delay is over."""
        self._order.append(returned)
        self._by_number[returned.number] = returned
        self.count += returned.count()

    def clear(self) -> list[int]:
        """Let go of all; says which they were."""
        gone = [number for returned in self._order for number in returned.ids_left()]
        self._order.clear()
        self._by_number.clear()
        self.count = 0
        return gone

    def first(self, now: float) -> Holding | None:
        """The first lease that has come back and has something left, once what is not to be received again is out."""
        while self._order:
            returned = self._order[0]
            while returned.left:
                part = returned.left[0]
                wanted = self._wanted(now, part)
                if wanted is part:
                    return returned
                if wanted is not None:
                    returned.left = [wanted, *returned.left[1:]]
                    return returned
                returned.left = returned.left[1:]
            del self._by_number[returned.number]
            self._order.popleft()
        return None

    def take(self, returned: Holding, now: float, most: float, most_bytes: float, into: list[Part]) -> tuple[int, int]:
        """Receive messages of a lease that `first` has named; says how many, and their bytes."""
        taken = taken_bytes = 0
        left: list[Part] = []
        for number, part in enumerate(returned.left):
            if taken == most:
                left = [*returned.left[number:]]
                break
            # Of the first it was seen by `first` that it is to be received again.
            wanted = self._wanted(now, part) if number else part
            if wanted is None:
                continue
            run, first, stop, receives = wanted
            count = stop - first if stop - first + taken <= most else int(most) - taken
            sizes = run.sizes
            size = sizes * count if isinstance(sizes, int) else sum(sizes[first : first + count])
            if taken_bytes + size > most_bytes:
                count = run.fitting(first, count, most_bytes - taken_bytes)
                size = bytes_of([(run, first, first + count, receives)])
            if count:
                into.append((run, first, first + count, receives + 1))
                taken += count
                taken_bytes += size
            if first + count < stop:
                left = [(run, first + count, stop, receives), *returned.left[number + 1 :]]
                break
        self.count -= taken
        returned.left = left
        return taken, taken_bytes

    def take_out(self, lease: int, ids: Sequence[int]) -> list[int]:
        """Take messages out of a lease that has come back; says which of them were there."""
        returned = self._by_number.get(lease)
        if returned is None or returned.delay:
            return []
        gone = returned.take_out(ids)
        self.count -= len(gone)
        return gone

    def _wanted(self, now: float, part: Part) -> Part | None:
        """Let go of messages that are not to be received again; what is left, if anything."""
        run, first, stop, receives = part
        too_old = now - self._retention_s
        often = receives >= self._max_receives
        if not often and run.time(first) > too_old:
            return part
        # The oldest come first.
        fresh = first + min(run.arrived(too_old, first), stop - first)
        self._ledger.expire(run.ids[first:fresh], End.RETENTION)
        if often:
            self._ledger.give_up(run.ids[fresh:stop], End.RECEIVE_COUNT)
            fresh = stop
        self.count -= fresh - first
        return (run, fresh, stop, receives) if fresh < stop else None
