"""The sums of one delivery: every record accepted ends once, and the ledger knows which have not."""

from collections import deque
from collections.abc import Collection

from delivery.backlog import Run
from delivery.protocol import End, Facts


class Ledger:
    """Counts records in and out.

    Args:
        on_failure: whether records given up go to a failure destination, or are lost.
    """

    def __init__(self, *, on_failure: bool = True) -> None:
        self.facts = Facts()
        self._on_failure = on_failure
        self._pending = 0
        self._arrivals: deque[Run] = deque()
        self._head = 0
        # Records that ended before the oldest one did. Read off only when somebody asks for the oldest.
        self._ended: set[int] = set()

    @property
    def pending(self) -> int:
        """Records accepted and not yet ended."""
        return self._pending

    def accept(self, run: Run) -> None:
        """Records came in."""
        if len(run):
            self._pending += len(run)
            self._arrivals.append(run)

    def done(self, ids: Collection[int]) -> None:
        """Records were processed."""
        self.facts.done.extend(ids)
        self._end(ids)

    def give_up(self, ids: Collection[int], end: End) -> None:
        """Records go to the failure destination, or are lost for want of one."""
        if self._on_failure:
            self.facts.dead.extend((record, end) for record in ids)
            self._end(ids)
        else:
            self.expire(ids, end)

    def expire(self, ids: Collection[int], end: End) -> None:
        """Records are gone without a trace."""
        self.facts.expired.extend((record, end) for record in ids)
        self._end(ids)

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending record arrived; 0 if there is none, or it is still to come."""
        self._strike_off()
        return max(0.0, now - self._arrivals[0].time(self._head)) if self._arrivals else 0.0

    def drain(self) -> Facts:
        """The facts since the last call."""
        facts, self.facts = self.facts, Facts()
        self._strike_off()
        return facts

    def _end(self, ids: Collection[int]) -> None:
        self._pending -= len(ids)
        self._ended.update(ids)

    def _strike_off(self) -> None:
        while self._arrivals and self._arrivals[0].ids[self._head] in self._ended:
            self._ended.remove(self._arrivals[0].ids[self._head])
            self._head += 1
            if self._head == len(self._arrivals[0]):
                self._arrivals.popleft()
                self._head = 0
