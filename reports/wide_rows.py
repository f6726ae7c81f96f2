"""One row a request with all that is known of it: joined.parquet.

Its columns are those of the buffers (reports.buffer_rows), piece by piece; texts that repeat stay numbers on the way.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reports.buffer_rows import TIMES, BufferRows
from reports.outcome import ALL
from reports.raw_column import nullable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As many as DuckDB reads at once.
_ROWS: Final = 122_880
_WHOLE: Final = ("bytes", "batch_size", "attempts")
_TIMES_TAKEN: Final = (
    "lateness_ms", "response_ms", "latency_ms", "gateway_ms", "buffer_ms", "cold_start_ms", "work_ms", "write_ms",
)  # fmt: skip
COLUMNS: Final = (
    "buffer", "sequence", "request_id", "outcome", "intended_at", "sent_at", "responded_at", "http_status", "error",
    "image", "bytes", "group", "result_status", "reason", "dead_letter_reason", "accepted_at", "received_at",
    "recognised_at", "stored_at", "init_ms", "batch_size", "attempts", "deliveries", "results", "dead_letters",
    "environment", "labels", "lateness_ms", "response_ms", "latency_ms", "gateway_ms", "buffer_ms", "cold_start_ms",
    "work_ms", "write_ms",
)  # fmt: skip


def wide(rows: BufferRows) -> "Iterator[pa.Table]":
    """The requests of a buffer, in pieces, with the COLUMNS that docs/reading-the-report.md explains."""
    for begin in range(0, len(rows), _ROWS):
        yield _wide(rows.part(begin, begin + _ROWS))


def _wide(rows: BufferRows) -> pa.Table:
    results = np.ones(len(rows), np.int64)
    results[rows.again.place] = rows.again.results
    columns: dict[str, Any] = {
        **rows.columns,
        **{name: rows.columns[name].cast(pa.int64()) for name in _WHOLE},
        **{name: nullable(rows.numbers(name)) for name in (*TIMES, *_TIMES_TAKEN)},
        "buffer": pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int8), [rows.buffer]),
        "sequence": rows.sequence,
        "outcome": pa.DictionaryArray.from_arrays(rows.outcome, ALL),
        "http_status": rows.status.astype(np.int64, copy=False),
        "deliveries": pa.array(rows.deliveries, mask=~rows.has_result),
        "results": pa.array(results, mask=~rows.has_result),
        "dead_letters": rows.letters.of("letters", len(rows)),
        "dead_letter_reason": pc.dictionary_encode(rows.letters.of("reason", len(rows))),
    }
    return pa.table({name: columns[name] for name in COLUMNS})


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
