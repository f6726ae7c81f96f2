"""The sums of one delivery: every record accepted ends once, and the ledger knows which have not."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

import numpy as np
import numpy.typing as npt

from delivery.backlog import Run
from delivery.protocol import End, Facts

# From so many records on, arrays are quicker than a loop.
_MANY = 24
# So many pieces may have ended without being marked: they are kept in memory until then.
_MOST_UNMARKED = 1 << 12
# What has ended is let go of in pieces, so that a machine that runs for days does not grow.
_PIECE = 1 << 16


class Pieces(Sequence[int]):
    """Ids in the pieces in which they were told: a number is made an object only for who asks for it."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Sequence[Sequence[int]]) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._pieces)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Pieces) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


class Ledger:
    """Counts records in and out.

    Args:
        on_failure: whether records given up go to a failure destination, or are lost.
    """

    def __init__(self, *, on_failure: bool = True) -> None:
        self.facts = Facts()
        self._on_failure = on_failure
        self._pending = 0
        # For each record from number `_first` on: 1 while it is pending, and when it arrived.
        self._open = bytearray()
        self._arrived_at = array("d")
        self._first = 0
        # What was done since the last drain, and what has ended but is still marked as pending: to see to many at once
        # takes less than half as long.
        self._done: list[Sequence[int]] = []
        self._ended: list[Sequence[int]] = []
        # No record before this place is pending.
        self._head = 0

    @property
    def pending(self) -> int:
        """Records accepted and not yet ended."""
        return self._pending

    def accept(self, run: Run) -> None:
        """Records came in."""
        ids = run.ids
        if not len(ids):
            return
        self._pending += len(ids)
        if len(ids) == 1 and 0 < len(self._open) == ids[0] - self._first <= 2 * _PIECE:
            # A record alone, next in number: what an embedded service is offered all day.
            self._open.append(1)
            self._arrived_at.append(run.time(0))
            return
        self._make_room(ids)
        first = self._first
        if isinstance(ids, range) and ids.step == 1:
            places = slice(ids.start - first, ids.stop - first)
            self._open[places] = b"\1" * len(ids)
            times = run.times
            self._arrived_at[places] = array("d", [times] if isinstance(times, float | int) else times) * (
                len(ids) if isinstance(times, float | int) else 1
            )
        elif len(ids) < _MANY:
            for index, record in enumerate(ids):
                self._open[record - first] = 1
                self._arrived_at[record - first] = run.time(index)
        else:
            spread = np.asarray(ids) - first
            np.frombuffer(self._open, np.uint8)[spread] = 1
            np.frombuffer(self._arrived_at)[spread] = run.times

    def arrived_at(self, record: int) -> float:
        """When a record that is pending arrived."""
        return self._arrived_at[record - self._first]

    def done(self, ids: Sequence[int]) -> None:
        """Records were processed."""
        self._done.append(ids)
        self._end(ids)

    def give_up(self, ids: Sequence[int], end: End) -> None:
        """Records go to the failure destination, or are lost for want of one."""
        if self._on_failure:
            self.facts.dead.extend((record, end) for record in ids)
            self._end(ids)
        else:
            self.expire(ids, end)

    def expire(self, ids: Sequence[int], end: End) -> None:
        """Records are gone without a trace."""
        self.facts.expired.extend((record, end) for record in ids)
        self._end(ids)

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending record arrived; 0 if there is none, or it is still to come."""
        if not self._pending:
            return 0.0
        self._mark_ended()
        self._head = self._open.index(1, self._head)
        return max(0.0, now - self._arrived_at[self._head])

    def drain(self) -> Facts:
        """The facts since the last call."""
        facts, self.facts = self.facts, Facts()
        facts.done, self._done = Pieces(self._done), []
        return facts

    def _end(self, ids: Sequence[int]) -> None:
        self._pending -= len(ids)
        self._ended.append(ids)
        if len(self._ended) >= _MOST_UNMARKED:
            self._mark_ended()

    def _mark_ended(self) -> None:
        """See to it that only what is pending is marked so."""
        first = self._first
        few: list[Sequence[int]] = []
        many: list[Sequence[int] | npt.NDArray[np.int64]] = []
        for ids in self._ended:
            if isinstance(ids, range) and ids.step == 1:
                self._open[ids.start - first : ids.stop - first] = bytes(len(ids))
            else:
                (few if len(ids) < _MANY else many).append(ids)
        if few:
            many.append(np.fromiter(chain.from_iterable(few), np.int64))
        if many:
            np.frombuffer(self._open, np.uint8)[np.concatenate(many) - first] = 0
        self._ended = []

    def _make_room(self, ids: Sequence[int]) -> None:
        """Have a place for every number from the first to the last of these."""
        if not self._open:
            self._first = ids[0]
        elif len(self._open) > 2 * _PIECE:
            self._let_go()
        if (before := self._first - ids[0]) > 0:
            # One offer comes in several runs, a shard's each, and any of them may have its lowest number.
            self._open[:0] = bytes(before)
            self._arrived_at[:0] = array("d", bytes(8 * before))
            self._first = ids[0]
            self._head = 0
        self._head = min(self._head, ids[0] - self._first)
        missing = ids[-1] + 1 - self._first - len(self._open)
        if missing > 0:
            self._open.extend(bytes(missing))
            self._arrived_at.frombytes(bytes(8 * missing))

    def _let_go(self) -> None:
        """Forget the records before the oldest pending one, if they are many."""
        self._mark_ended()
        oldest = self._open.find(1, self._head)
        self._head = len(self._open) if oldest < 0 else oldest
        if self._head >= _PIECE:
            del self._open[: self._head]
            del self._arrived_at[: self._head]
            self._first += self._head
            self._head = 0
