"""Requests, results and dead letters joined: one row a request, and the one outcome it had.

Every figure is computed from a buffer's columns (reports.buffer_rows). DuckDB is there for questions of another kind,
of runs that are small, and is opened when the first is asked.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.run import RunError
from reports import rows, wide_rows
from reports.gathering import RawRows, gather
from reports.pairing import pair
from reports.short_turns import short_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd

    from pipeline.run import RunFolder
    from reports.buffer_rows import BufferRows
    from reports.pairing import Pairs

# A client may be told more than once; it knows from the first time on.
_KNOWLEDGE: Final = """
CREATE TABLE knowledge AS
WITH first AS (
    SELECT * FROM known QUALIFY row_number() OVER (PARTITION BY buffer, sequence ORDER BY known_at NULLS LAST) = 1
)
SELECT joined.buffer, joined.sequence, joined.request_id, outcome, http_status, intended_at, sent_at, responded_at,
    stored_at, first.known_at, first.status AS told, first.calls::BIGINT AS calls, first.error AS why_unknown,
    response_ms, latency_ms AS store_ms, first.known_at - intended_at AS know_ms,
    first.known_at - stored_at AS behind_ms
FROM joined JOIN first ON first.buffer = joined.buffer AND first.sequence = joined.sequence
ORDER BY joined.buffer, joined.sequence
"""


class Joined:
    """A run's rows, joined. `cut_short` names the files that break off; `buffers` are those that had a turn.

    Where clients waited for their results, the table `knowledge` tells when each knew (reports.time_to_know).
    """

    def __init__(
        self,
        rows: "Mapping[str, BufferRows]",
        pairs: "Pairs",
        observations: pa.Table,
        known: pa.Table,
        buffers: tuple[str, ...],
        cut_short: tuple[str, ...],
    ) -> None:
        self._rows = rows
        self._observations, self._known = observations, known
        self.buffers = buffers
        self.cut_short = cut_short
        self.repeated_requests = pairs.repeated_requests
        self.unidentified = pairs.unidentified

    def rows(self, buffer: str) -> "BufferRows":
        """The requests of a buffer."""
        return self._rows.get(buffer) or next(iter(self._rows.values())).nothing(buffer)

    def observations(self, buffer: str) -> "pd.DataFrame":
        """What was observed of a buffer, as pipeline.run.OBSERVED_COLUMNS."""
        seen: pd.DataFrame = self._observations.filter(pc.equal(self._observations["buffer"], buffer)).to_pandas()
        return seen

    def frame(self, sql: str, **parameters: object) -> "pd.DataFrame":
        """A small answer as a frame. Tables: joined, observations, knowledge."""
        frame: pd.DataFrame = self._connection.execute(sql, parameters or None).df()
        return frame

    def write(self, table: str, path: "Path", wanted: "Callable[[], bool]" = lambda: True) -> None:
        """Write a table to a Parquet file. What is no longer `wanted` is broken off."""
        if table == "joined":
            wide_rows.write(self._pieces(wanted), path)
        elif table == "observations":
            pq.write_table(self._observations, path, compression="zstd", store_schema=False)
        else:
            self._connection.execute(f"COPY {table} TO $path (FORMAT parquet)", {"path": str(path)})

    def _pieces(self, wanted: "Callable[[], bool]") -> "Iterator[pa.Table]":
        for buffer in self._rows.values():
            for piece in wide_rows.wide(buffer):
                if not wanted():
                    return
                yield piece

    @cached_property
    def _connection(self) -> "duckdb.DuckDBPyConnection":
        # A run without clients that wait, or faults, never asks.
        import duckdb

        connection = duckdb.connect()
        connection.register("joined", pa.concat_tables(self._pieces(lambda: True)))
        connection.register("observations", self._observations)
        connection.register("known", self._known)
        connection.execute(_KNOWLEDGE)
        return connection


def join(
    folder: "RunFolder", drained: "Mapping[str, bool]", meanwhile: "Callable[[], object]" = lambda: None
) -> Joined:
    """Read a run's rows and join them. `drained` says of each buffer of the run whether it ran empty.

    `meanwhile` is called by a thread that has read its part while another still reads.

    Raises:
        RunError: a file cannot be read, or no request was sent.
    """
    tables, cut_short = _load(folder, meanwhile)
    requests = tables["requests"]
    if not len(requests):
        raise RunError(f"{folder.path} holds no request: nothing was sent, so there is nothing to report")
    if requests["buffer"].null_count or requests["sequence"].null_count:
        raise RunError(f"{folder.path}: a row of requests names no buffer or no sequence")
    # Without all results and dead letters on record, nothing is known to be lost.
    whole = not cut_short["results"] and not cut_short["dead_letters"]
    ran_empty = [name for name, empty in drained.items() if whole and empty]
    pairs = pair(requests, tables["results"], tables["dead_letters"], ran_empty)
    del requests
    return Joined(
        gather(pairs, RawRows(tables.pop("requests")), RawRows(tables.pop("results"))),
        pairs,
        tables["observations"],
        tables["known"],
        buffers=(*(name for name in drained if name in pairs.of), *(name for name in pairs.of if name not in drained)),
        cut_short=tuple(text for texts in cut_short.values() for text in texts),
    )


def _load(
    folder: "RunFolder", meanwhile: "Callable[[], object]"
) -> "tuple[dict[str, pa.Table], dict[str, tuple[str, ...]]]":
    """The tables of a run, and of each what is cut short."""
    tables = {
        "requests": (rows.REQUESTS, folder.all_requests()),
        "results": (rows.RESULTS, [folder.results]),
        "dead_letters": (rows.DEAD_LETTERS, [folder.dead_letters]),
        "observations": (rows.OBSERVATIONS, [folder.observations]),
        "known": (rows.KNOWN, folder.all_known()),
    }
    # The compiled code that reads a large file lets others run, and the largest two take the most time.
    with short_turns(), ThreadPoolExecutor(2) as readers:
        reading = {name: readers.submit(rows.load, schema, paths) for name, (schema, paths) in tables.items()}
        done_meanwhile = readers.submit(meanwhile)
        loaded = {name: each.result() for name, each in reading.items()}
        done_meanwhile.result()
    return {name: each.table for name, each in loaded.items()}, {name: each.cut_short for name, each in loaded.items()}
