"""Messages received together, and what a queue still hides of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from delivery.backlog import Run


class Lease(ABC):
    """Messages received together and hidden from others until `until`. Its `number` is what a receipt handle names.

    Who needs a receipt for each message (ReceiveMessage over the wire) receives them one by one. `bytes` are those of
    an event.
    """

    __slots__ = ()

    number: int
    ids: Sequence[int]
    bytes: int
    until: float

    @abstractmethod
    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""

    @abstractmethod
    def most_receives(self) -> int:
        """How often the message received most often was received."""


_NEVER_BEFORE: Mapping[int, int] = MappingProxyType({})
# There are never so many leases.
_LEASE_BITS = 64

# Messages that came back together are looked at together: a run's records from one index up to another, and how often
# each of them was received. In the order in which they were sent.
Part = tuple[Run, int, int, int]


@dataclass(slots=True, eq=False)
class Holding(Lease):
    """A lease of a standard queue, by its `parts`; `left` are those that are still hidden.

    A `delay` hides its messages the same way; no receipt names it. One that was set apart of another has one message,
    and its number is made of the other's and that message's.
    """

    number: int
    ids: Sequence[int]
    bytes: int
    until: float
    parts: Sequence[Part]
    left: Sequence[Part]
    delay: bool = False
    _receives: Mapping[int, int] | None = field(default=None, init=False)

    @property
    def receives(self) -> Mapping[int, int]:
        """The messages that were received before, each with how often, this time counted."""
        if self._receives is None:
            self._receives = _NEVER_BEFORE
            if self.most_receives() > 1:
                self._receives = {
                    record: receives
                    for run, first, stop, receives in self.parts
                    if receives > 1
                    for record in run.ids[first:stop]
                }
        return self._receives

    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""
        return self.receives.get(message, 1)

    def most_receives(self) -> int:
        """How often the message received most often was received."""
        parts = self.parts
        return parts[0][3] if len(parts) == 1 else max([receives for _, _, _, receives in parts])

    def whole(self) -> bool:
        """Whether none of its messages was taken out."""
        return self.left is self.parts

    def count(self) -> int:
        """How many messages it still hides."""
        return count_of(self.left)

    def ids_left(self) -> list[int]:
        """The messages it still hides."""
        return ids_of(self.left)

    def take_out(self, ids: Sequence[int]) -> list[int]:
        """Take messages out; says which of them were there."""
        out = set(ids)
        before = self.count()
        left: list[Part] = []
        count = 0
        for part in self.left:
            run, first, stop, receives = part
            kept = [index for index, record in enumerate(run.ids[first:stop], first) if record not in out]
            count += len(kept)
            if len(kept) == stop - first:
                left.append(part)
            elif kept and kept[-1] - kept[0] == len(kept) - 1:
                # What is left stands together: no run of its own has to be made for it.
                left.append((run, kept[0], kept[-1] + 1, receives))
            elif kept:
                left.append((run.pick(kept), 0, len(kept), receives))
        if before - count == len(ids):
            gone = list(ids)
        else:
            there = set(self.ids_left())
            gone = [record for record in dict.fromkeys(ids) if record in there]
        self.left = left
        return gone

    def holds(self, message: int) -> bool:
        """Whether it still hides that message."""
        return any(message in run.ids[first:stop] for run, first, stop, _ in self.left)

    def set_apart(self, message: int) -> "Holding":
        """Take a message out into a holding of its own, for it is to come back at a time of its own."""
        run, first, stop, receives = next(part for part in self.left if message in part[0].ids[part[1] : part[2]])
        own = run.pick([first + run.ids[first:stop].index(message)])
        self.take_out([message])
        parts = ((own, 0, 1, receives),)
        return Holding(number_apart(self.number, message), [message], own.bytes(), self.until, parts, parts)


def number_apart(lease: int, message: int) -> int:
    """The number of what holds a message that was set apart of a lease: one that no lease has by itself."""
    return (int(message) + 1 << _LEASE_BITS) | lease


def ids_of(parts: Iterable[Part]) -> list[int]:
    """The messages of all parts, in their order."""
    ids: list[int] = []
    for run, first, stop, _ in parts:
        ids += run.ids[first:stop]
    return ids


def count_of(parts: Sequence[Part]) -> int:
    """How many messages they have together."""
    if len(parts) == 1:
        _, first, stop, _ = parts[0]
        return stop - first
    return sum([stop - first for _, first, stop, _ in parts])


def bytes_of(parts: Iterable[Part]) -> int:
    """The bytes of all parts."""
    size = 0
    for run, first, stop, _ in parts:
        sizes = run.sizes
        size += sizes * (stop - first) if isinstance(sizes, int) else sum(sizes[first:stop])
    return size
