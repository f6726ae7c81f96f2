"""Messages received together, and what a queue still hides of them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType

from delivery.backlog import Run


@dataclass(slots=True, eq=False)
class Lease:
    """Messages received together and hidden from others until `until`. Its `number` is what a receipt handle names.

    Who needs a receipt for each message (ReceiveMessage over the wire) receives them one by one. `receives` names the
    messages that were received before, each with how often, this time counted. `bytes` are those of an event.
    """

    number: int
    ids: Sequence[int]
    bytes: int
    until: float
    receives: Mapping[int, int]

    def receive_count(self, message: int) -> int:
        """How often a message of this lease was received, this time counted (ApproximateReceiveCount)."""
        return self.receives.get(message, 1)

    def most_receives(self) -> int:
        """How often the message received most often was received."""
        return max(self.receives.values()) if self.receives else 1


NEVER_BEFORE: Mapping[int, int] = MappingProxyType({})
"""`receives` of messages received for the first time."""

# There are never so many leases.
_LEASE_BITS = 64

# A dict from whose front so many were taken looks past their places each time it is asked for its first.
_MANY = 256

# A message that is looked at on its own, for it was received before or sent with a delay: its bytes, when it was sent,
# how often it was received.
Message = tuple[int, float, int]


@dataclass(slots=True, eq=False)
class Holding(Lease):
    """A lease with what it still hides: a run's records from `first` up to `stop`, received for the first time, and
    messages that were received before.

    A `delay` hides its messages the same way; no receipt names it. One that was set apart of another has one message,
    and its number is made of the other's and that message's.
    """

    run: Run | None
    first: int
    stop: int
    messages: dict[int, Message]
    delay: bool = False
    whole: bool = True

    def count(self) -> int:
        """How many messages it still hides."""
        return self.stop - self.first + len(self.messages)

    def left(self) -> list[int]:
        """The messages it still hides."""
        return [*self._fresh_ids(), *self.messages]

    def take_out(self, ids: Sequence[int]) -> list[int]:
        """Take messages out; says which of them were there."""
        self.whole = False
        fresh = self._fresh_ids()
        there = set(fresh)
        gone = [n for n in dict.fromkeys(ids) if n in there or self.messages.pop(n, None) is not None]
        if self.run is not None:
            out = set(gone)
            left = [index for index, number in enumerate(fresh, self.first) if number not in out]
            self.run = self.run.pick(left)
            self.first, self.stop = 0, len(left)
        return gone

    def holds(self, message: int) -> bool:
        """Whether it still hides that message."""
        return message in self.messages or message in self._fresh_ids()

    def set_apart(self, message: int) -> "Holding":
        """Take a message out into a holding of its own, for it is to come back at a time of its own."""
        self.single_out()
        self.whole = False
        taken = self.messages.pop(message)
        return Holding(
            number=number_apart(self.number, message),
            ids=[message],
            bytes=taken[0],
            until=self.until,
            receives={message: taken[2]},
            run=None,
            first=0,
            stop=0,
            messages={message: taken},
        )

    def single_out(self) -> None:
        """Make its messages ones of their own: they no longer share one fate."""
        run = self.run
        if run is None:
            return
        first, stop, receives = self.first, self.stop, 0 if self.delay else 1
        sizes = repeat(run.sizes) if isinstance(run.sizes, int) else run.sizes[first:stop]
        times = repeat(run.times) if isinstance(run.times, float | int) else run.times[first:stop]
        fresh = {
            record: (size, at, receives) for record, size, at in zip(run.ids[first:stop], sizes, times, strict=False)
        }
        self.messages = {**fresh, **self.messages} if self.messages else fresh
        if len(self.messages) > _MANY:
            self.messages = OrderedDict(self.messages)
        self.run, self.first, self.stop = None, 0, 0

    def _fresh_ids(self) -> Sequence[int]:
        return () if self.run is None else self.run.ids[self.first : self.stop]


def number_apart(lease: int, message: int) -> int:
    """The number of what holds a message that was set apart of a lease: one that no lease has by itself."""
    return (int(message) + 1 << _LEASE_BITS) | lease
