"""The function as a delivery calls it: who runs, in which environment, until when."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from delivery.ledger import Ledger
from delivery.protocol import Capacity, Invocation, Outcome, Slot, Throttled

Work = TypeVar("Work")


class Invoker(Generic[Work]):
    """Starts invocations and remembers what each was for.

    Args:
        capacity: the function's concurrency.
        timeout_s: the function's timeout, seconds.
        ledger: where throttles and cold starts are counted.
    """

    def __init__(self, capacity: Capacity, timeout_s: float, ledger: Ledger) -> None:
        if timeout_s <= 0:
            raise ValueError(f"a function timeout of {timeout_s} s; it must be more than 0")
        self._capacity = capacity
        self._timeout_s = timeout_s
        self._ledger = ledger
        self._running: dict[int, Work] = {}
        self._number = 0
        self.running = 0
        """Invocations started and not settled."""
        self.in_flight = 0
        """Records in them."""

    def acquire_upto(self, now: float, wanted: int) -> list[Slot]:
        """Take slots for `wanted` invocations; each one missing is a throttle."""
        if not wanted:
            return []
        slots = self._capacity.acquire_upto(now, wanted)
        if len(slots) < wanted:
            self._ledger.facts.throttled += wanted - len(slots)
        return slots

    def start(
        self, now: float, slot: Slot, work: Work, ids: Sequence[int], *, attempt: int, lane: int = 0
    ) -> Invocation:
        """Start an invocation in a slot taken before."""
        self._number = number = self._number + 1
        self._running[number] = work
        self.running += 1
        self.in_flight += len(ids)
        if slot.cold:
            self._ledger.facts.cold_starts += 1
        return Invocation(number, ids, slot, now, now + self._timeout_s, lane, attempt)

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> Work:
        """End an invocation: frees its slot and answers what it was for.

        Raises:
            ValueError: it is not running; it was settled before, or belongs to another machine.
        """
        try:
            work = self._running.pop(invocation.number)
        except KeyError:
            raise ValueError(
                f"invocation {invocation.number} is not running: it was settled before, or elsewhere"
            ) from None
        self.running -= 1
        self.in_flight -= len(invocation.ids)
        if isinstance(outcome, Throttled):
            self._ledger.facts.throttled += 1
        self._capacity.release(now, invocation.slot, lost=outcome.lost)
        return work

    def work_of(self, invocation: Invocation) -> Work:
        """What a running invocation is for."""
        return self._running[invocation.number]
