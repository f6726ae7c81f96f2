"""The rows of a run, from its `.rows` files into columns, in pieces, so that no file has to fit in memory as Python."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
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
from reports.rows_file import UNREADABLE, RowsFile, unpacker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future
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
# A part of a file that a thread reads while others read other parts.
_PART: Final = 128 << 20
# Of the rows that are expected: their sequence numbers take more bytes later on, other texts may take fewer.
_MORE: Final = 1.2
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
    """What was read, a chunk for each part of a file, its whole numbers in as few bytes as they take.

    `cut_short` says of each file that ends in the middle of a row where that is.
    """

    table: pa.Table
    cut_short: tuple[str, ...]


def load(schema: pa.Schema, paths: "Sequence[Path]") -> Loaded:
    """Read `.rows` files into a table of `schema`, as `Loading` does, with nobody's help."""
    with ThreadPoolExecutor(1) as thread:
        return Loading(schema, paths, thread).result()


class Loading:
    """`.rows` files that threads are reading into a table of `schema`, large ones in parts side by side.

    A missing file has no rows; a column a file lacks is null. A file that cannot be read to its end is read up to
    there, as a run that was cut off leaves it.

    Raises:
        RunError: a file is no `.rows` file.
    """

    def __init__(self, schema: pa.Schema, paths: "Sequence[Path]", threads: "Executor") -> None:
        self._schema = schema
        files = [RowsFile.of(path) for path in paths if path.exists()]
        self._reading = [
            (file, [(end, threads.submit(self._read, file, begin, end)) for begin, end in file.parts(_PART)])
            for file in files
        ]

    def result(self) -> Loaded:
        """What was read, once it is.

        Raises:
            RunError: a file holds a value that is not of its column's kind.
        """
        readers: list[_Reader] = []
        cut_short: list[str] = []
        for file, parts in self._reading:
            try:
                found = self._in_order(file, parts)
            except RunError:
                # Whoever reads the file from its beginning can say which row it is.
                found = [self._read(file, file.begin, file.size)]
            readers += found
            if found[-1].position < file.size:
                where = f"after row {sum(each.rows for each in found):,}" if file.names else "in its list of columns"
                cut_short.append(f"{file.path.name} breaks off {where}")
        arrays = [reader.arrays() for reader in readers] or [_no_rows(self._schema)]
        chunks = {name: _chunked([each[name] for each in arrays]) for name in self._schema.names}
        return Loaded(pa.table(chunks), tuple(cut_short))

    def _read(self, file: RowsFile, begin: int, end: int) -> "_Reader":
        reader = _Reader(self._schema, file, begin)
        reader.read(end)
        return reader

    def _in_order(self, file: RowsFile, parts: "Sequence[tuple[int, Future[_Reader]]]") -> "list[_Reader]":
        found = []
        for end, part in parts:
            found.append(part.result())
            if found[-1].position != end:
                # Either the file breaks off, or where it was cut no row begins: what was read behind does not count.
                found[-1].read(file.size)
                break
        return found


class _Reader:
    """Reads a file from one of its rows on. `position` is where the next one begins."""

    def __init__(self, schema: pa.Schema, file: RowsFile, position: int) -> None:
        self._schema, self._file = schema, file
        self._columns = {field.name: growing_column(field.type) for field in schema}
        self.rows = 0
        self.position = position

    def arrays(self) -> dict[str, pa.Array]:
        """All columns; nothing more can be read."""
        return {name: column.array() for name, column in self._columns.items()}

    def read(self, end: int) -> None:
        """Read on until rows end there, or beyond, or no row begins where the next one would."""
        if not self._file.names:
            return
        whole = True
        with self._file.path.open("rb") as file:
            compiled = self._compiled(file, end) if self._file.size >= _LARGE else None
            while self.position < end and whole:
                if compiled is not None and (decoded := compiled.next()):
                    if not self.rows:
                        self._expect(decoded, compiled.position - self.position, end - self.position)
                    self.rows += decoded
                    self.position = compiled.position
                    continue
                rows, whole = self._piece(file, end)
                if compiled is not None:
                    compiled.go_to(self.position)
                if rows:
                    self._add(rows)

    def _expect(self, rows: int, size: int, whole_size: int) -> None:
        """Make room for as many rows as there are if they all are as the first are, and for some more."""
        for column in self._columns.values():
            column.expect(int(_MORE * rows * whole_size / size))

    def _compiled(self, file: "BinaryIO", end: int) -> "PackedRows":
        # The compiler behind it takes longer to import than a small file to read.
        from reports.packed_rows import PackedRows

        return PackedRows(file, self.position, end, self._file.names, self._columns)

    def _piece(self, file: "BinaryIO", end: int) -> tuple[list[tuple[Any, ...]], bool]:
        """Some rows, read by the library, and whether another can begin behind them."""
        begin = self.position
        file.seek(begin)
        values = unpacker(file)
        rows: list[tuple[Any, ...]] = []
        try:
            for row in values:
                if not self._file.is_row(row):
                    return rows, False
                rows.append(row)
                # Asked after each row: at the end of a file the unpacker counts what it could not finish, too.
                self.position = begin + values.tell()
                if len(rows) == _PIECE or self.position >= end:
                    return rows, True
        except UNREADABLE:
            pass
        return rows, False

    def _add(self, rows: list[tuple[Any, ...]]) -> None:
        values = dict(zip(self._file.names, zip(*rows, strict=True), strict=True))
        for field in self._schema:
            column = self._columns[field.name]
            if field.name not in values:
                column.put_nulls(len(rows))
                continue
            try:
                column.add(values[field.name])
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise RunError(
                    f"{self._file.path}: column {field.name} holds what is no {field.type}, in rows "
                    f"{self.rows + 1:,} to {self.rows + len(rows):,}: {error}"
                ) from None
        self.rows += len(rows)


def _no_rows(schema: pa.Schema) -> dict[str, pa.Array]:
    return {field.name: growing_column(field.type).array() for field in schema}


def _chunked(arrays: "list[pa.Array]") -> pa.ChunkedArray:
    """Parts of a column as one, of the narrowest type that holds them all."""
    kind = arrays[0].type
    if pa.types.is_dictionary(kind):
        texts = sum(len(each.dictionary) for each in arrays)
        index = pa.from_numpy_dtype(np.min_scalar_type(-texts - 1))
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(each.indices.cast(index), each.dictionary) for each in arrays]
        ).unify_dictionaries()
    if pa.types.is_integer(kind):
        kind = max((each.type for each in arrays), key=lambda each: int(each.bit_width))
        arrays = [each.cast(kind) for each in arrays]
    return pa.chunked_array(arrays)
