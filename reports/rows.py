"""The rows of a run, from its `.rows` files into columns, in pieces, so that no file has to fit in memory as Python."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack
import pyarrow as pa

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    KNOWN_COLUMNS,
    OBSERVED_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RunError,
)
from reports.growing_column import growing_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from reports.growing_column import GrowingColumn
    from reports.packed_rows import PackedRows

_WHOLE: Final = ("sequence", "status_code", "bytes", "deliveries", "batch_size", "attempts", "calls")
_NUMBERS: Final = (
    "at", "intended_at", "sent_at", "responded_at", "accepted_at", "received_at", "recognised_at", "stored_at",
    "init_ms", "offered", "accepted", "completed", "dead_lettered", "backlog", "in_flight", "concurrency", "throttles",
    "cold_starts", "oldest_age_s", "metrics_age_s", "known_at",
)  # fmt: skip
_PIECE = 20_000
# A file of this many bytes, some 50,000 rows, is read by compiled code.
_LARGE = 8 << 20
# Of the rows that are expected: their sequence numbers take more bytes later on, other texts may take fewer.
_MORE: Final = 1.2
# What the library raises for bytes that are no row, or have a map in the place of a key.
_UNREADABLE: Final = (ValueError, TypeError, msgpack.exceptions.UnpackException)
# All but a request's id: a run of millions has a few of them, some of which are long.
_REPEATED: Final = pa.dictionary(pa.int32(), pa.string())


def _schema(columns: "Sequence[str]", *whole: str) -> pa.Schema:
    def kind(column: str) -> pa.DataType:
        if column in _WHOLE or column in whole:
            return pa.int64()
        if column in _NUMBERS:
            return pa.float64()
        return pa.string() if column == "request_id" else _REPEATED

    return pa.schema([(column, kind(column)) for column in columns])


REQUESTS: Final = _schema(REQUEST_COLUMNS, "status")
OBSERVATIONS: Final = _schema(OBSERVED_COLUMNS)
RESULTS: Final = _schema(RESULT_COLUMNS)
KNOWN: Final = _schema(KNOWN_COLUMNS)
DEAD_LETTERS: Final = _schema(DEAD_LETTER_COLUMNS)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read, in one piece, its whole numbers in as few bytes as they take.

    `cut_short` says of each file that ends in the middle of a row where that is.
    """

    table: pa.Table
    cut_short: tuple[str, ...]


def load(schema: pa.Schema, paths: "Sequence[Path]") -> Loaded:
    """Read `.rows` files into a table of `schema`. A missing file has no rows; a column a file lacks is null.

    A file that cannot be read to its end is read up to there, as a run that was cut off leaves it.

    Raises:
        RunError: a file is no `.rows` file, or holds a value that is not of its column's kind.
    """
    files = {path: path.stat().st_size for path in paths if path.exists()}
    reader = _Reader(schema, sum(files.values()))
    for path, size in files.items():
        reader.read(path, size)
    return Loaded(reader.table(), tuple(reader.cut_short))


class _Reader:
    def __init__(self, schema: pa.Schema, size: int) -> None:
        self._schema = schema
        self._size = size
        self._columns = {field.name: growing_column(field.type) for field in schema}
        self._rows = 0
        self.cut_short: list[str] = []

    def table(self) -> pa.Table:
        return pa.table({name: column.array() for name, column in self._columns.items()})

    def read(self, path: "Path", size: int) -> None:
        with path.open("rb") as file:
            names, read = self._names(path, file, size)
            if names is None:
                return
            before, whole = self._rows, True
            compiled = _compiled(file, read, names, self._columns) if size >= _LARGE else None
            while read < size and whole:
                if compiled is not None and (decoded := compiled.next()):
                    if not self._rows:
                        self._expect(decoded, compiled.position - read)
                    self._rows += decoded
                    read = compiled.position
                    continue
                rows, read, whole = _piece(file, read, names)
                if compiled is not None:
                    compiled.go_to(read)
                if rows:
                    self._add(path, names, rows)
            if read < size:
                self.cut_short.append(f"{path.name} breaks off after row {self._rows - before:,}")

    def _expect(self, rows: int, size: int) -> None:
        """Make room for as many rows as all files have if they are as the first are, and for some more."""
        for column in self._columns.values():
            column.expect(int(_MORE * rows * self._size / size))

    def _names(self, path: "Path", file: "BinaryIO", size: int) -> tuple[tuple[str, ...] | None, int]:
        """The file's columns, None if it has none, and where its rows begin."""
        unpacker = _unpacker(file)
        try:
            names = next(iter(unpacker), None)
        except _UNREADABLE:
            names = ()
        if names is None:
            if size:
                self.cut_short.append(f"{path.name} breaks off in its list of columns")
            return None, 0
        if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
            raise RunError(f"{path} is not a .rows file: it does not begin with a list of columns")
        return names, unpacker.tell()

    def _add(self, path: "Path", names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        values = dict(zip(names, zip(*rows, strict=True), strict=True))
        for field in self._schema:
            column = self._columns[field.name]
            if field.name not in values:
                column.put_nulls(len(rows))
                continue
            try:
                column.add(values[field.name])
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise RunError(
                    f"{path}: column {field.name} holds what is no {field.type}, in rows "
                    f"{self._rows + 1:,} to {self._rows + len(rows):,}: {error}"
                ) from None
        self._rows += len(rows)


def _compiled(
    file: "BinaryIO", read: int, names: "Sequence[str]", columns: "Mapping[str, GrowingColumn]"
) -> "PackedRows":
    # The compiler behind it takes longer to import than a small file to read.
    from reports.packed_rows import PackedRows

    return PackedRows(file, read, names, columns)


def _piece(file: "BinaryIO", read: int, names: "Sequence[str]") -> tuple[list[tuple[Any, ...]], int, bool]:
    """Some rows from `read` on, where the next begins, and whether one can begin there."""
    file.seek(read)
    unpacker = _unpacker(file)
    rows: list[tuple[Any, ...]] = []
    # Asked after each row: at the end of a file the unpacker counts what it could not finish, too.
    ended = read
    try:
        for row in unpacker:
            if not isinstance(row, tuple) or len(row) != len(names):
                return rows, ended, False
            rows.append(row)
            ended = read + unpacker.tell()
            if len(rows) == _PIECE:
                return rows, ended, True
    except _UNREADABLE:
        pass
    return rows, ended, False


def _unpacker(file: "BinaryIO") -> Any:
    return msgpack.Unpacker(file, use_list=False, strict_map_key=False, unicode_errors="replace")
