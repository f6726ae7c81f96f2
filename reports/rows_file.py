"""One `.rows` file: its columns, where its rows begin, and where it may be cut to be read side by side.

From the middle of a file nobody can tell for certain where a row begins. Whoever reads what is before knows: if that
ends where a part begins, a row does.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack

from pipeline.run import RunError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

# What the library raises for bytes that are no row, or have a map in the place of a key.
UNREADABLE: Final = (ValueError, TypeError, msgpack.exceptions.UnpackException)
# How far a row's beginning is looked for, and how many rows have to follow for it to be taken for one.
_LOOKED_AT: Final = 1 << 20
_FOLLOWING: Final = 3


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A file of `size` bytes. `names` are its columns, none if it breaks off in them; rows are from `begin` on."""

    path: "Path"
    size: int
    names: tuple[str, ...]
    begin: int

    @classmethod
    def of(cls, path: "Path") -> "RowsFile":
        """A file that is there.

        Raises:
            RunError: it is no `.rows` file.
        """
        size = path.stat().st_size
        with path.open("rb") as file:
            rows = unpacker(file)
            try:
                names = next(iter(rows), None)
            except UNREADABLE:
                names = ()
            if names is None:
                return cls(path, size, (), 0)
            if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
                raise RunError(f"{path} is not a .rows file: it does not begin with a list of columns")
            return cls(path, size, names, rows.tell())

    def parts(self, size: int) -> list[tuple[int, int]]:
        """Where parts of about `size` bytes begin and end: one behind the other, from where rows begin to the end."""
        number = max(1, (self.size - self.begin) // size)
        begins = [self.begin]
        if number > 1:
            with self.path.open("rb") as file:
                for part in range(1, number):
                    at = self._row_from(file, self.begin + part * (self.size - self.begin) // number)
                    if at is not None and at > begins[-1]:
                        begins.append(at)
        return list(zip(begins, [*begins[1:], self.size], strict=True))

    def _row_from(self, file: "BinaryIO", at: int) -> int | None:
        """Where from there on a row seems to begin; None if none does for long."""
        file.seek(at)
        data = file.read(_LOOKED_AT)
        begin = msgpack.Packer().pack_array_header(len(self.names))
        place = data.find(begin)
        while place >= 0 and not self._rows_follow(data[place:]):
            place = data.find(begin, place + 1)
        return None if place < 0 else at + place

    def _rows_follow(self, data: bytes) -> bool:
        rows = unpacker()
        rows.feed(data)
        try:
            return all(self.is_row(rows.unpack()) for _ in range(_FOLLOWING))
        except UNREADABLE:
            return False

    def is_row(self, value: object) -> bool:
        """Whether what was read is a row of this file."""
        return isinstance(value, tuple) and len(value) == len(self.names)


def unpacker(file: "BinaryIO | None" = None) -> Any:
    """The library's reader, as rows are read everywhere."""
    return msgpack.Unpacker(file, use_list=False, strict_map_key=False, unicode_errors="replace")
