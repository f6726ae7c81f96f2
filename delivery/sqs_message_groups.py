"""The message groups of a FIFO queue: whose turn it is to be received from."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush


@dataclass(slots=True, eq=False)
class Message:
    """A message the queue looks at: its `size` in bytes, when it was sent, and how often it was received."""

    number: int
    group: "Group"
    size: int
    sent_at: float
    receives: int = 0
    in_flight: bool = False
    ended: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """A message group's messages in their order, but for those in flight: while there are any it gives out no more."""

    key: int
    waiting: deque[Message] = field(default_factory=deque)
    in_flight: int = 0

    @property
    def receivable(self) -> bool:
        """Whether a receive may take from it."""
        return self.in_flight == 0 and bool(self.waiting)


class MessageGroups:
    """The groups that have messages, waiting or in flight. `len` says how many."""

    def __init__(self) -> None:
        self._groups: dict[int, Group] = {}
        # Groups that may be received from, by their first message; an entry whose group has another first is stale.
        self._receivable: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, key: int, number: int, size: int, sent_at: float) -> Message:
        """Put a message behind the others of its group, which `key` names."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        message = Message(number, group, size, sent_at)
        group.waiting.append(message)
        if len(group.waiting) == 1:
            self.look_again(group)
        return message

    def first_receivable(self) -> Group | None:
        """The group with the first message of all that may be received; None if there is none."""
        while self._receivable:
            number, key = self._receivable[0]
            group = self._groups.get(key)
            if group is not None and group.receivable and group.waiting[0].number == number:
                return group
            heappop(self._receivable)
        return None

    def look_again(self, group: Group) -> None:
        """A group's first message, or what it has in flight, is not what it was."""
        if group.in_flight:
            return
        if group.waiting:
            heappush(self._receivable, (group.waiting[0].number, group.key))
        else:
            self._groups.pop(group.key, None)

    def waiting(self) -> Iterator[Message]:
        """Every message that is not in flight, group by group."""
        for group in self._groups.values():
            yield from group.waiting

    def clear(self) -> None:
        """Forget them all."""
        self._groups.clear()
        self._receivable.clear()
