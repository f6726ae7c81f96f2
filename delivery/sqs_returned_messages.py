"""Messages that were hidden before and are visible again."""

import math
from collections import deque
from collections.abc import Sequence

from delivery.ledger import Ledger
from delivery.protocol import End
from delivery.sqs_lease import Holding, Message


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
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def since(self) -> float:
        """Since when the first of them is visible; infinity if there is none."""
        return next((returned.until for returned in self._order if returned.messages), math.inf)

    def add(self, returned: Holding) -> None:
        """A lease or a delay is over."""
        returned.single_out()
        self._order.append(returned)
        self._by_number[returned.number] = returned
        self._count += len(returned.messages)

    def clear(self) -> list[int]:
        """Let go of all; says which they were."""
        gone = [number for returned in self._order for number in returned.messages]
        self._order.clear()
        self._by_number.clear()
        self._count = 0
        return gone

    def first(self, now: float) -> Holding | None:
        """The first lease that has come back and has something left, once what is not to be received again is out."""
        while self._order:
            returned = self._order[0]
            out: list[int] = []
            for number, message in returned.messages.items():
                if not self._give_up(now, number, message):
                    break
                out.append(number)
            for number in out:
                del returned.messages[number]
            self._count -= len(out)
            if returned.messages:
                return returned
            del self._by_number[returned.number]
            self._order.popleft()
        return None

    def take(self, returned: Holding, now: float, most: float, most_bytes: float, into: dict[int, Message]) -> int:
        """Receive messages of a lease that has come back; says their bytes."""
        taken = 0
        gone: list[int] = []
        too_old, max_receives = now - self._retention_s, self._max_receives
        for number, message in returned.messages.items():
            if not most:
                break
            size, sent_at, receives = message
            if sent_at > too_old and receives < max_receives:
                if taken + size > most_bytes:
                    break
                taken += size
                most -= 1
                into[number] = (size, sent_at, receives + 1)
            else:
                self._give_up(now, number, message)
            gone.append(number)
        self._count -= len(gone)
        if len(gone) == len(returned.messages):
            returned.messages = {}
        else:
            for number in gone:
                del returned.messages[number]
        return taken

    def take_out(self, lease: int, ids: Sequence[int]) -> list[int]:
        """Take messages out of a lease that has come back; says which of them were there."""
        returned = self._by_number.get(lease)
        if returned is None or returned.delay:
            return []
        gone = [number for number in dict.fromkeys(ids) if returned.messages.pop(number, None) is not None]
        self._count -= len(gone)
        return gone

    def _give_up(self, now: float, number: int, message: Message) -> bool:
        """Let go of a message that is not to be received again; whether it was one."""
        _, sent_at, receives = message
        if sent_at <= now - self._retention_s:
            self._ledger.expire((number,), End.RETENTION)
        elif receives >= self._max_receives:
            self._ledger.give_up((number,), End.RECEIVE_COUNT)
        else:
            return False
        return True
