"""The rows of a run, from its `.rows` files into columns, in pieces, so that no file has to fit in memory as Python."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    KNOWN_COLUMNS,
    OBSERVED_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RunError,
)
from reports.growing_column import GrowingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

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
    """What was read, in one piece. `cut_short` says of each file that ends in the middle of a row where that is."""

    table: pa.Table
    cut_short: tuple[str, ...]


def load(schema: pa.Schema, paths: "Sequence[Path]") -> Loaded:
    """Read `.rows` files into a table of `schema`. A missing file has no rows; a column a file lacks is null.

    A file that cannot be read to its end is read up to there, as a run that was cut off leaves it.

    Raises:
        RunError: a file is no `.rows` file, or holds a value that is not of its column's kind.
    """
    reader = _Reader(schema)
    columns = [GrowingColumn(field.type) for field in schema]
    for batch in reader.batches(paths):
        for column, piece in zip(columns, batch.columns, strict=True):
            column.add(piece)
    table = pa.table([column.array() for column in columns], names=schema.names)
    return Loaded(table, tuple(reader.cut_short))


class _Reader:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.rows = 0
        self.cut_short: list[str] = []

    def batches(self, paths: "Sequence[Path]") -> "Iterator[pa.RecordBatch]":
        for path in paths:
            if path.exists():
                yield from self._file(path)

    def _file(self, path: "Path") -> "Iterator[pa.RecordBatch]":
        size = path.stat().st_size
        with path.open("rb") as file:
            columns, read = self._columns(path, file, size)
            if columns is None:
                return
            before, whole = self.rows, True
            compiled = _compiled(file, read, columns, self._schema) if size >= _LARGE else None
            while read < size and whole:
                if compiled is not None and (batch := compiled.next()) is not None:
                    read = compiled.position
                    self.rows += batch.num_rows
                    yield batch
                    continue
                rows, read, whole = _piece(file, read, columns)
                if compiled is not None:
                    compiled.go_to(read)
                if rows:
                    yield self._batch(path, columns, rows)
            if read < size:
                self.cut_short.append(f"{path.name} breaks off after row {self.rows - before:,}")

    def _columns(self, path: "Path", file: "BinaryIO", size: int) -> tuple[tuple[str, ...] | None, int]:
        """The file's columns, None if it has none, and where its rows begin."""
        unpacker = _unpacker(file)
        try:
            columns = next(iter(unpacker), None)
        except (ValueError, msgpack.exceptions.UnpackException):
            columns = ()
        if columns is None:
            if size:
                self.cut_short.append(f"{path.name} breaks off in its list of columns")
            return None, 0
        if not isinstance(columns, tuple) or not columns or not all(isinstance(name, str) for name in columns):
            raise RunError(f"{path} is not a .rows file: it does not begin with a list of columns")
        return columns, unpacker.tell()

    def _batch(self, path: "Path", columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        values = dict(zip(columns, zip(*rows, strict=True), strict=True))
        absent = (None,) * len(rows)
        arrays = []
        for field in self._schema:
            column = values.get(field.name, absent)
            try:
                array = pa.array(column if pa.types.is_primitive(field.type) else _texts(column), field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise RunError(
                    f"{path}: column {field.name} holds what is no {field.type}, in rows "
                    f"{self.rows + 1:,} to {self.rows + len(rows):,}: {error}"
                ) from None
            arrays.append(_finite(array) if field.type == pa.float64() else array)
        self.rows += len(rows)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _compiled(file: "BinaryIO", read: int, columns: "Sequence[str]", schema: pa.Schema) -> "PackedRows":
    # The compiler behind it takes longer to import than a small file to read.
    from reports.packed_rows import PackedRows

    return PackedRows(file, read, columns, schema)


def _piece(file: "BinaryIO", read: int, columns: "Sequence[str]") -> tuple[list[tuple[Any, ...]], int, bool]:
    """Some rows from `read` on, where the next begins, and whether one can begin there."""
    file.seek(read)
    unpacker = _unpacker(file)
    rows: list[tuple[Any, ...]] = []
    # Asked after each row: at the end of a file the unpacker counts what it could not finish, too.
    ended = read
    try:
        for row in unpacker:
            if not isinstance(row, tuple) or len(row) != len(columns):
                return rows, ended, False
            rows.append(row)
            ended = read + unpacker.tell()
            if len(rows) == _PIECE:
                return rows, ended, True
    except (ValueError, msgpack.exceptions.UnpackException):
        pass
    return rows, ended, False


def _unpacker(file: "BinaryIO") -> Any:
    return msgpack.Unpacker(file, use_list=False, strict_map_key=False, unicode_errors="replace")


def _finite(numbers: pa.Array) -> pa.Array:
    """NaN and the infinities are no times and no counts: null."""
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def _texts(values: "Sequence[Any]") -> "list[str | None]":
    return [value if value is None or isinstance(value, str) else _text(value) for value in values]


def _text(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)
