"""Requests, results and dead letters joined: one row a request, and the one outcome it had.

DuckDB pairs them and answers questions of what was joined; small pandas frames and arrays carry the answers out.
"""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.run import RunError
from reports import rows, wide_rows
from reports.pairing import Outcome, Pairs, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    from pipeline.run import RunFolder

__all__ = ["Joined", "Outcome", "join"]

# A client may be told more than once; it knows from the first time on.
_KNOWLEDGE: Final = """
CREATE TABLE knowledge AS
WITH first AS (
    SELECT * FROM known QUALIFY row_number() OVER (PARTITION BY buffer, sequence ORDER BY known_at NULLS LAST) = 1
)
SELECT joined.buffer, joined.sequence, joined.request_id, outcome, http_status, intended_at, sent_at, responded_at,
    stored_at, first.known_at, first.status AS told, first.calls, first.error AS why_unknown,
    response_ms, latency_ms AS store_ms, first.known_at - intended_at AS know_ms,
    first.known_at - stored_at AS behind_ms
FROM joined JOIN first ON first.buffer = joined.buffer AND first.sequence = joined.sequence
ORDER BY joined.buffer, joined.sequence
"""

# From this many bytes of rows on, what is joined lies in a file: a run may have more rows than memory has room for.
_LARGE: Final = 200 << 20
# What DuckDB may take of it: beside the raw rows, which take some 120 bytes each, and when they are gone.
_BESIDE_ROWS: Final = "400MB"
_ALONE: Final = "800MB"


@dataclass(frozen=True, slots=True)
class Joined:
    """A run's rows, joined. `cut_short` names the files that break off; `buffers` are those that had a turn.

    Where clients waited for their results, `knowledge` tells when each knew (reports.time_to_know). `beside` is where
    the joined rows of a large run lie, as long as this is in use.
    """

    connection: duckdb.DuckDBPyConnection
    beside: "tempfile.TemporaryDirectory[str] | None"
    buffers: tuple[str, ...]
    cut_short: tuple[str, ...]
    repeated_requests: int
    unidentified: int

    def frame(self, sql: str, **parameters: object) -> "pd.DataFrame":
        """A small answer as a frame. Tables: joined, observations, knowledge."""
        frame: pd.DataFrame = self.connection.execute(sql, parameters or None).df()
        return frame

    def values(self, column: str, buffer: str, where: str = "true", table: str = "joined") -> "npt.NDArray[np.float64]":
        """One column of a buffer's rows, without its nulls."""
        sql = (
            f"SELECT {column}::DOUBLE AS value FROM {table} "  # noqa: S608 (our own columns, tables and conditions)
            f"WHERE buffer = $buffer AND {column} IS NOT NULL AND ({where})"
        )
        return np.asarray(self.connection.execute(sql, {"buffer": buffer}).fetchnumpy()["value"], np.float64)

    def arrays(self, sql: str, **parameters: object) -> "dict[str, npt.NDArray[np.float64]]":
        """The columns of a large answer, null as NaN. Tables: joined, observations, knowledge."""
        columns = self.connection.execute(sql, parameters or None).fetchnumpy()
        return {name: np.ma.filled(np.ma.asarray(values, np.float64), np.nan) for name, values in columns.items()}

    def write(self, table: str, path: Path) -> None:
        """Write a table to a Parquet file."""
        if table == "joined" and self.beside is not None:
            try:
                path.hardlink_to(_file(self.beside))
            except OSError:  # not every file system can
                shutil.copyfile(_file(self.beside), path)
            return
        sql = f"COPY {table} TO $path (FORMAT parquet, COMPRESSION zstd)"
        self.connection.execute(sql, {"path": str(path)})


def join(folder: "RunFolder", drained: "Mapping[str, bool]") -> Joined:
    """Read a run's rows and join them. `drained` says of each buffer of the run whether it ran empty.

    Raises:
        RunError: a file cannot be read, or no request was sent.
    """
    schemas = (rows.REQUESTS, rows.RESULTS, rows.DEAD_LETTERS, rows.OBSERVATIONS, rows.KNOWN)
    paths = (
        folder.all_requests(), [folder.results], [folder.dead_letters], [folder.observations], folder.all_known()
    )  # fmt: skip
    beside = _beside_memory(folder)
    # The compiled code that reads a large file lets others run, and the largest two take the most time.
    with ThreadPoolExecutor(2 if beside else 1) as readers:
        read = list(readers.map(rows.load, schemas, paths))
    requests, results, dead_letters, observations, known = (loaded.table for loaded in read)
    if not len(requests):
        raise RunError(f"{folder.path} holds no request: nothing was sent, so there is nothing to report")
    if requests["buffer"].null_count or requests["sequence"].null_count:
        raise RunError(f"{folder.path}: a row of requests names no buffer or no sequence")
    connection = _connection(beside)
    # Without all results and dead letters on record, nothing is known to be lost.
    whole = not read[1].cut_short and not read[2].cut_short
    pairs = Pairs(
        connection, requests, results, dead_letters, [name for name, empty in drained.items() if whole and empty]
    )
    parts = pairs.parts(by_buffer=beside is not None)
    pieces = (piece for part in parts for piece in wide_rows.wide(part, requests, results))
    if beside is None:
        connection.register("incoming", pa.concat_tables(pieces))
        connection.execute("CREATE TABLE joined AS FROM incoming")
    else:
        wide_rows.write(pieces, _file(beside))
        connection.execute(f"CREATE VIEW joined AS FROM read_parquet({quoted(str(_file(beside)))})")
    pairs.close()
    connection.register("incoming", observations)
    connection.execute("CREATE TABLE observations AS FROM incoming")
    connection.register("known", known)
    connection.execute(_KNOWLEDGE)
    connection.unregister("known")
    connection.unregister("incoming")
    if beside is not None:
        connection.execute(f"SET memory_limit = '{_ALONE}'")
    sent = [name for (name,) in connection.execute("SELECT DISTINCT buffer FROM joined ORDER BY buffer").fetchall()]
    return Joined(
        connection=connection,
        beside=beside,
        buffers=(*(name for name in drained if name in sent), *(name for name in sent if name not in drained)),
        cut_short=tuple(text for loaded in read for text in loaded.cut_short),
        repeated_requests=pairs.repeated_requests,
        unidentified=pairs.unidentified,
    )


def _beside_memory(folder: "RunFolder") -> "tempfile.TemporaryDirectory[str] | None":
    """Where the joined rows of a large run lie while its report is made; None for a run that has room in memory."""
    if sum(path.stat().st_size for path in folder.path.glob("*.rows")) < _LARGE:
        return None
    return tempfile.TemporaryDirectory(prefix=".joining-", dir=folder.path)


def _file(beside: "tempfile.TemporaryDirectory[str]") -> Path:
    return Path(beside.name) / "joined.parquet"


def _connection(beside: "tempfile.TemporaryDirectory[str] | None") -> duckdb.DuckDBPyConnection:
    if beside is None:
        return duckdb.connect()
    return duckdb.connect(config={"memory_limit": _BESIDE_ROWS, "temp_directory": f"{beside.name}/spilled"})
