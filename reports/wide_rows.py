"""One row a request with all that is known of it: what its pair (reports.pairing) says, and the rows it is made of.

Rows are picked by their number, column by column; texts that repeat stay numbers on the way (reports.rows).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As many as DuckDB reads at once.
_ROWS: Final = 122_880
_OF_REQUEST: Final = ("sent_at", "responded_at", "error", "image", "bytes", "group")
_OF_RESULT: Final = (
    "reason", "accepted_at", "received_at", "recognised_at", "stored_at", "init_ms", "batch_size", "attempts",
    "environment", "labels",
)  # fmt: skip
COLUMNS: Final = (
    "buffer", "sequence", "request_id", "outcome", "intended_at", "sent_at", "responded_at", "http_status", "error",
    "image", "bytes", "group", "result_status", "reason", "dead_letter_reason", "accepted_at", "received_at",
    "recognised_at", "stored_at", "init_ms", "batch_size", "attempts", "deliveries", "results", "dead_letters",
    "environment", "labels", "lateness_ms", "response_ms", "latency_ms", "gateway_ms", "buffer_ms", "cold_start_ms",
    "work_ms", "write_ms",
)  # fmt: skip


def wide(pairs: pa.Table, requests: pa.Table, results: pa.Table) -> "Iterator[pa.Table]":
    """The rows of `pairs`, in pieces, with the COLUMNS that docs/reading-the-report.md explains."""
    for begin in range(0, len(pairs), _ROWS):
        yield _wide(pairs.slice(begin, _ROWS).combine_chunks(), requests, results)


def _wide(pairs: pa.Table, requests: pa.Table, results: pa.Table) -> pa.Table:
    sent, result = requests.take(pairs["sent"]), results.take(pairs["result"])
    columns: dict[str, Any] = {
        "request_id": pc.coalesce(sent["request_id"], result["request_id"], pairs["dead_request_id"]),
        "intended_at": pc.coalesce(sent["intended_at"], result["intended_at"]),
        "http_status": pc.fill_null(sent["status"], 0),
        "result_status": result["status"],
    }
    columns |= {name: pairs[name] for name in ("sequence", "deliveries", "results", "dead_letters")}
    columns |= {name: pc.dictionary_encode(pairs[name]) for name in ("buffer", "outcome", "dead_letter_reason")}
    columns |= {name: sent[name] for name in _OF_REQUEST}
    columns |= {name: result[name] for name in _OF_RESULT}
    answered = pc.not_equal(columns["http_status"], 0)
    columns |= {
        "lateness_ms": pc.subtract(columns["sent_at"], columns["intended_at"]),
        "response_ms": pc.if_else(answered, pc.subtract(columns["responded_at"], columns["intended_at"]), None),
        "latency_ms": pc.subtract(columns["stored_at"], columns["intended_at"]),
        "gateway_ms": pc.subtract(columns["accepted_at"], columns["intended_at"]),
        "buffer_ms": pc.subtract(
            pc.subtract(columns["received_at"], columns["accepted_at"]), pc.fill_null(columns["init_ms"], 0.0)
        ),
        "cold_start_ms": columns["init_ms"],
        "work_ms": pc.subtract(columns["recognised_at"], columns["received_at"]),
        "write_ms": pc.subtract(columns["stored_at"], columns["recognised_at"]),
    }
    return pa.table({name: columns[name] for name in COLUMNS})


def write(pieces: "Iterator[pa.Table]", path: "Path") -> None:
    """Write the pieces to a Parquet file, one row group each: one is written while the next is made."""
    first = next(pieces, None)
    if first is None:
        return
    with _writer(path, first.schema) as writer, ThreadPoolExecutor(1) as beside:
        written = beside.submit(writer.write_table, first, _ROWS)
        for piece in pieces:
            written.result()
            written = beside.submit(writer.write_table, piece, _ROWS)
        written.result()


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
    )
