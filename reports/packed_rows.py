"""Rows of a large `.rows` file, decoded by compiled code (reports.unpacking) and put behind their columns.

What it reads is what a load test writes: rows as flat arrays of numbers, texts in ASCII and null, and lists or maps
where a text is wanted. Anything else it leaves to the msgpack library, which decides what that means; so it never reads
a row differently, only sooner.
"""

from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from reports import unpacking
from reports.growing_column import NumberColumn, RepeatedColumn, TextColumn
from reports.repeated_texts import RepeatedTexts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.growing_column import GrowingColumn

# Between pieces Python has the word, and threads that read other files wait for it: the fewer the better, if they still
# fit the cache that cores share. A power of two would put all columns of a row in the same few places of it.
_PIECE: Final = 15_000
_CHUNK: Final = 4 << 20


class PackedRows:
    """The rows of an open file from `position` on, in pieces. `position` is where the next row begins.

    `names` are the file's columns; those of `columns` that it has get their values, the others null.
    """

    def __init__(
        self, file: BinaryIO, position: int, names: "Sequence[str]", columns: "Mapping[str, GrowingColumn]"
    ) -> None:
        self._file = file
        self._place = {name: place for place, name in enumerate(names)}
        self._columns = columns
        self._kinds = np.zeros(len(names), np.int8)
        for name, column in columns.items():
            if name in self._place:
                self._kinds[self._place[name]] = _kind(column)
        shape = (len(names), _PIECE)
        self._values = np.zeros(shape, np.int64)
        self._numbers = self._values.view(np.float64)
        self._known = np.ones(shape, np.bool_)
        self._nulls, self._fresh = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
        self._ends = np.zeros(_PIECE, np.int64)
        self._repeated = RepeatedTexts()
        self._data, self._texts = _room(_CHUNK), _room(_CHUNK)
        self._at = self._size = 0
        self.position = position

    def go_to(self, position: int) -> None:
        """Go on from another row."""
        self.position = position
        self._at = self._size = 0

    def next(self) -> int:
        """Put the next rows behind the columns and answer with how many.

        None where the file ends, or goes on with what is left to the library.
        """
        rows, at, stopped = self._decode()
        while not rows and self._go_on(stopped):
            rows, at, stopped = self._decode()
        if not rows or not self._number(rows):
            return 0
        for name, column in self._columns.items():
            self._put(name, column, rows)
        self.position += at - self._at
        self._at = at
        return rows

    def _decode(self) -> tuple[int, int, int]:
        self._known[self._nulls > 0] = True
        self._nulls.fill(0)
        self._fresh.fill(0)
        texts = self._repeated
        rows, at, stopped = unpacking.decode(
            self._data, self._size, self._at, self._kinds, self._values, self._numbers, self._known, self._nulls,
            self._fresh, texts.slots, texts.recent, texts.entries, texts.kept, texts.used,
        )  # fmt: skip
        return int(rows), int(at), int(stopped)

    def _go_on(self, stopped: int) -> bool:
        """Do something about why not even one row could be decoded; False if there is nothing to be done."""
        if stopped == unpacking.CROWDED:
            self._repeated.make_room()
            return True
        return stopped == unpacking.CUT and self._read_on()

    def _read_on(self) -> bool:
        """Put more behind the row that the data in hand ends in the middle of."""
        rest = self._data[self._at : self._size]
        if len(rest) > unpacking.MOST_ROW:
            return False
        room = self._data
        if len(rest) > _CHUNK // 2:
            room, self._texts = _room(2 * len(rest) + _CHUNK), _room(2 * len(rest) + _CHUNK)
        room[: len(rest)] = rest
        self._file.seek(self.position + len(rest))
        more = self._file.readinto(memoryview(room)[len(rest) : -unpacking.SLACK])  # type: ignore[attr-defined]
        self._data, self._at, self._size = room, 0, len(rest) + more
        return bool(more)

    def _number(self, rows: int) -> bool:
        """Give the texts that are new their numbers; False if one is not what is read here."""
        return all(
            self._repeated.number(self._values[self._place[name], :rows], column)
            for name, column in self._columns.items()
            if isinstance(column, RepeatedColumn) and name in self._place and self._fresh[self._place[name]]
        )

    def _put(self, name: str, column: "GrowingColumn", rows: int) -> None:
        place = self._place.get(name)
        if place is None:
            column.put_nulls(rows)
            return
        known = self._known[place, :rows] if self._nulls[place] else None
        values = self._values[place, :rows]
        if isinstance(column, TextColumn):
            ends = self._ends[:rows]
            size = unpacking.gather(self._data, values, self._known[place, :rows], self._texts, ends)
            column.put(self._texts[:size], ends, known)
        elif isinstance(column, NumberColumn):
            column.put(self._numbers[place, :rows] if column.is_float else values, known)
        elif isinstance(column, RepeatedColumn):
            column.put(values, known)


def _room(size: int) -> Any:
    return np.empty(size + unpacking.SLACK, np.uint8)


def _kind(column: "GrowingColumn") -> int:
    if isinstance(column, NumberColumn):
        return unpacking.NUMBER if column.is_float else unpacking.WHOLE
    return unpacking.TEXT if isinstance(column, TextColumn) else unpacking.REPEATED
