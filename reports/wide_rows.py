"""One row a request with all that is known of it: joined.parquet.

Rows are picked by their number, column by column (reports.buffer_rows); texts that repeat stay numbers on the way.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reports.buffer_rows import BufferRows
from reports.outcome import ALL
from reports.raw_column import column, nullable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.pairing import Paired

# As many as DuckDB reads at once.
_ROWS: Final = 122_880
_OF_REQUEST: Final = ("error", "image", "bytes", "group")
_OF_RESULT: Final = ("reason", "batch_size", "attempts", "environment", "labels")
_TIMES: Final = (
    "intended_at", "sent_at", "responded_at", "accepted_at", "received_at", "recognised_at", "stored_at", "init_ms",
    "lateness_ms", "response_ms", "latency_ms", "gateway_ms", "buffer_ms", "cold_start_ms", "work_ms", "write_ms",
)  # fmt: skip
COLUMNS: Final = (
    "buffer", "sequence", "request_id", "outcome", "intended_at", "sent_at", "responded_at", "http_status", "error",
    "image", "bytes", "group", "result_status", "reason", "dead_letter_reason", "accepted_at", "received_at",
    "recognised_at", "stored_at", "init_ms", "batch_size", "attempts", "deliveries", "results", "dead_letters",
    "environment", "labels", "lateness_ms", "response_ms", "latency_ms", "gateway_ms", "buffer_ms", "cold_start_ms",
    "work_ms", "write_ms",
)  # fmt: skip


def wide(paired: "Paired", requests: pa.Table, results: pa.Table) -> "Iterator[pa.Table]":
    """The requests of a buffer, in pieces, with the COLUMNS that docs/reading-the-report.md explains."""
    for begin in range(0, len(paired.sequence), _ROWS):
        yield _wide(BufferRows(paired.part(begin, begin + _ROWS), requests, results))


def _wide(rows: BufferRows) -> pa.Table:
    paired = rows.paired
    letters = _at(paired.letters.place, len(rows))
    letter = {name: column(paired.letters.table, name).take(letters) for name in paired.letters.table.schema.names}
    count = np.ones(len(rows), np.int64)
    count[paired.again.place] = paired.again.results
    columns: dict[str, Any] = {
        "buffer": pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int8), [paired.buffer]),
        "sequence": paired.sequence,
        "request_id": _request_ids(rows, letter["request_id"]),
        "outcome": pa.DictionaryArray.from_arrays(rows.outcome, ALL),
        "http_status": rows.status,
        "result_status": rows.of_result("status"),
        "deliveries": pa.array(rows.deliveries, mask=~rows.has_result),
        "results": pa.array(count, mask=~rows.has_result),
        "dead_letters": letter["letters"],
        "dead_letter_reason": pc.dictionary_encode(letter["reason"]),
    }
    columns |= {name: rows.of_request(name) for name in _OF_REQUEST}
    columns |= {name: rows.of_result(name) for name in _OF_RESULT}
    columns |= {name: nullable(rows.numbers(name)) for name in _TIMES}
    return pa.table({name: columns[name] for name in COLUMNS})


def _request_ids(rows: BufferRows, of_letters: pa.Array) -> pa.Array:
    ids = rows.of_request("request_id")
    if not (np.asarray(ids.is_null()) & (rows.has_result | np.asarray(of_letters.is_valid()))).any():
        return ids
    # Whoever got no answer was told none, and yet it may have got in.
    return pc.coalesce(ids, rows.of_result("request_id"), of_letters)


def _at(places: "np.typing.NDArray[np.int64]", size: int) -> pa.Array:
    """For each of so many places its index in `places`, null where it is not among them."""
    index = np.zeros(size, np.int32)
    absent = np.ones(size, np.bool_)
    index[places], absent[places] = np.arange(len(places)), False
    return pa.array(index, mask=absent)


def write(pieces: "Iterator[pa.Table]", path: "Path") -> None:
    """Write the pieces to a Parquet file, one row group each."""
    first = next(pieces)
    with _writer(path, first.schema) as writer:
        writer.write_table(first, _ROWS)
        for piece in pieces:
            writer.write_table(piece, _ROWS)


def _writer(path: "Path", schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        # Times byte by byte: the first bytes of all are alike. That takes half the time and two thirds of the room.
        column_encoding={field.name: "BYTE_STREAM_SPLIT" for field in schema if pa.types.is_floating(field.type)},
        use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
        # What is asked of one buffer leaves out the row groups of the others; nothing else is looked for so.
        write_statistics=["buffer"],
        store_schema=False,
        write_batch_size=_ROWS,
    )
