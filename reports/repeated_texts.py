"""Texts that repeat, each kept once: rows have its number. Images, labels and environments are few, and long.

A text is found by its packed bytes, in a table (open addressing) that compiled code fills (reports.unpacking); only
what was not met before is looked at in Python, and only once a whole row has it.
"""

from typing import TYPE_CHECKING, Any, Final

import msgpack
import numpy as np

from reports import unpacking

if TYPE_CHECKING:
    from reports.growing_column import RepeatedColumn

# Room for the texts of many pieces whose every row has another. What is beyond begins anew; a column knows its own.
_MOST: Final = 1 << 18
_MOST_BYTES: Final = 32 << 20
_FIRST_BYTES: Final = 1 << 16


class RepeatedTexts:
    """The texts of a file's columns that were met, and the numbers that they have in their columns."""

    def __init__(self) -> None:
        self.slots = np.empty(1 << unpacking.SLOT_BITS, np.int32)
        self.recent = np.empty(1 << unpacking.RECENT_BITS, np.int32)
        self.entries = np.empty((_MOST, 4), np.int64)
        self.kept = np.empty(_FIRST_BYTES, np.uint8)
        # How many entries, and how many bytes are kept of them.
        self.used = np.empty(2, np.int64)
        self._forget()

    def number(self, values: Any, column: "RepeatedColumn") -> bool:
        """Put the numbers of texts that are new in the place of their entries. False if one is not what this can read.

        `values` are a column's, as `unpacking.decode` leaves them.
        """
        places = np.flatnonzero(values < 0)
        entries = ~values[places]
        for entry in np.unique(entries[self.entries[entries, unpacking.CODE] == unpacking.UNREAD]):
            self.entries[entry, unpacking.CODE] = self._read(entry, column)
        values[places] = self.entries[entries, unpacking.CODE]
        return bool(np.all(values[places] >= 0))

    def make_room(self) -> None:
        """Make room for another text; all numbers of rows have to be in their columns."""
        if self.used[0] == len(self.entries) or (self.used[0] and len(self.kept) >= _MOST_BYTES):
            self._forget()
        else:
            self.kept = np.concatenate((self.kept, np.empty_like(self.kept)))

    def _forget(self) -> None:
        self.slots.fill(-1)
        self.recent.fill(-1)
        self.used.fill(0)

    def _read(self, entry: int, column: "RepeatedColumn") -> int:
        start, length = self.entries[entry, unpacking.START], self.entries[entry, unpacking.LENGTH]
        packed = self.kept[start : start + length].tobytes()
        try:
            value = msgpack.unpackb(packed, use_list=False, strict_map_key=False, unicode_errors="replace")
        except (ValueError, TypeError, msgpack.exceptions.UnpackException):
            return unpacking.UNREADABLE
        return column.number(value)
