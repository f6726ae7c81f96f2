"""Messages received together, and what a queue still hides of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import filterfalse


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


# There are never so many leases.
_LEASE_BITS = 64

# What is known of each of some messages: one number if it is the same of all.
Each = int | Sequence[int]
# Messages in the order in which they are given out; the bytes of each; how often each was received.
Part = tuple[Sequence[int], Each, Each]


@dataclass(slots=True, eq=False)
class Holding(Lease):
    """A lease of a standard queue: the `part` that was received, and what of it is `left`, still hidden.

    None of its messages was sent before `oldest_at`. A `delay` hides its messages the same way; no receipt names it.
    One that was set apart of another has one message, and its number is made of the other's and that message's.
    """

    number: int
    ids: Sequence[int]
    bytes: int
    until: float
    oldest_at: float
    part: Part
    left: Part
    delay: bool = False

    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""
        ids, _, receives = self.part
        return receives if isinstance(receives, int) else receives[ids.index(message)]

    def most_receives(self) -> int:
        """How often the message received most often was received."""
        receives = self.part[2]
        return receives if isinstance(receives, int) else max(receives)

    def whole(self) -> bool:
        """Whether none of its messages was taken out."""
        return self.left is self.part

    def count(self) -> int:
        """How many messages it still hides."""
        return len(self.left[0])

    def take_out(self, ids: Sequence[int]) -> Sequence[int]:
        """Take messages out; says which of them were there."""
        out = set(ids)
        there, sizes, receives = self.left
        if isinstance(sizes, int) and isinstance(receives, int):
            left = list(filterfalse(out.__contains__, there))
        else:
            kept = [index for index, message in enumerate(there) if message not in out]
            left = [there[index] for index in kept]
            sizes = sizes if isinstance(sizes, int) else [sizes[index] for index in kept]
            receives = receives if isinstance(receives, int) else [receives[index] for index in kept]
        self.left = left, sizes, receives
        if len(there) - len(left) == len(ids):
            return ids
        known = set(there)
        return [message for message in dict.fromkeys(ids) if message in known]

    def holds(self, message: int) -> bool:
        """Whether it still hides that message."""
        return message in self.left[0]

    def set_apart(self, message: int) -> "Holding":
        """Take a message out into a holding of its own, for it is to come back at a time of its own."""
        ids, sizes, receives = self.left
        index = ids.index(message)
        size, received = first_of(sizes, index), first_of(receives, index)
        self.take_out([message])
        own = [message], size, received
        return Holding(number_apart(self.number, message), own[0], size, self.until, self.oldest_at, own, own)


def number_apart(lease: int, message: int) -> int:
    """The number of what holds a message that was set apart of a lease: one that no lease has by itself."""
    return (int(message) + 1 << _LEASE_BITS) | lease


def first_of(each: Each, index: int = 0) -> int:
    """What is known of one message."""
    return each if isinstance(each, int) else each[index]


def cut(each: Each, start: int, stop: int | None = None) -> Each:
    """What is known of the messages from index `start` up to `stop`."""
    return each if isinstance(each, int) else each[start:stop]


def total(each: Each, count: int) -> int:
    """The sum over so many messages."""
    return each * count if isinstance(each, int) else sum(each)


def joined(parts: Sequence[Part]) -> Part:
    """Several parts as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    ids: list[int] = []
    for part in parts:
        ids += part[0]
    return ids, _joined(parts, 1), _joined(parts, 2)


def _joined(parts: Sequence[Part], column: int) -> Each:
    alike = parts[0][column]
    if isinstance(alike, int) and all(part[column] == alike for part in parts):
        return alike
    values: list[int] = []
    for part in parts:
        each = part[column]
        values += [each] * len(part[0]) if isinstance(each, int) else each
    return values
