"""Requests, results and dead letters joined: one row a request, and the one outcome it had.

DuckDB does the joins; small pandas frames and arrays carry the answers out.
"""

import tempfile
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np

from pipeline.run import RunError
from reports import rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    from pipeline.run import RunFolder


class Outcome(StrEnum):
    """What became of a request; each has exactly one.

    The first six are those of an accepted request (HTTP 2xx). A request with both a result and a dead letter has the
    outcome of its result. Without either it is lost if its buffer drained, and unfinished if it was cut off.
    """

    COMPLETED = "completed"
    FAILED = "failed"
    DEAD_LETTERED = "dead_lettered"
    UNFINISHED = "unfinished"
    LOST = "lost"
    ANSWERED = "answered"
    """Answered by a server of which nothing more is known (pipeline.run.ROUTE)."""
    REJECTED = "rejected"
    """Answered with another status than 2xx."""
    REJECTED_PROCESSED = "rejected_processed"
    """Answered with another status than 2xx, and yet it has a result or a dead letter."""
    UNANSWERED = "unanswered"
    """No HTTP answer came, and nothing else did."""
    ACCEPTED_UNANSWERED = "accepted_unanswered"
    """No HTTP answer came, and yet it has a result or a dead letter."""
    DROPPED = "dropped"
    """Scheduled, and never sent."""
    UNREQUESTED = "unrequested"
    """A result or dead letter without a row of its request: rows of requests went missing."""


# A sequence number is sent once, but a connection that broke may have carried it twice: results are brought together
# by buffer and sequence, the one stored first wins, and every further delivery is a duplicate.
# A record so broken that its sequence cannot be read is found by its request id.
# Few rows repeat or are so broken, and only these are sorted and looked up: of all rows that would take the most time.
_PREPARE: Final = """
CREATE TABLE sent_again AS
SELECT buffer, sequence, count(*) - 1 AS further FROM requests GROUP BY buffer, sequence HAVING further > 0;
CREATE TABLE id AS
WITH wanted AS (
    SELECT request_id FROM results WHERE buffer IS NULL OR sequence IS NULL
    UNION SELECT request_id FROM dead_letters WHERE buffer IS NULL OR sequence IS NULL
)
SELECT request_id, any_value(buffer) AS buffer, any_value(sequence) AS sequence
FROM requests SEMI JOIN wanted USING (request_id) GROUP BY request_id;
CREATE VIEW found AS
SELECT * FROM results WHERE buffer IS NOT NULL AND sequence IS NOT NULL
UNION ALL
SELECT results.* REPLACE (
    coalesce(results.buffer, id.buffer) AS buffer, coalesce(results.sequence, id.sequence) AS sequence
) FROM results LEFT JOIN id ON results.request_id = id.request_id
WHERE (results.buffer IS NULL OR results.sequence IS NULL) AND coalesce(results.sequence, id.sequence) IS NOT NULL;
CREATE VIEW found_dead AS
SELECT dead_letters.* REPLACE (
    coalesce(dead_letters.buffer, id.buffer) AS buffer, coalesce(dead_letters.sequence, id.sequence) AS sequence
) FROM dead_letters LEFT JOIN id ON dead_letters.request_id = id.request_id
WHERE coalesce(dead_letters.sequence, id.sequence) IS NOT NULL;
CREATE TABLE stored_again AS
SELECT buffer, sequence FROM found GROUP BY buffer, sequence HAVING count(*) > 1;
"""
# Of `part`, a condition on a column called buffer.
_JOIN: Final = """
WITH sent AS (
    SELECT * FROM requests ANTI JOIN sent_again USING (buffer, sequence) WHERE {part}
    UNION ALL
    SELECT * FROM requests SEMI JOIN sent_again USING (buffer, sequence) WHERE {part}
    QUALIFY row_number() OVER (
        PARTITION BY buffer, sequence
        ORDER BY coalesce(status, 0) BETWEEN 200 AND 299 DESC, sent_at IS NULL, responded_at NULLS LAST, request_id
    ) = 1
), result AS (
    SELECT *, coalesce(deliveries, 1)::BIGINT AS all_deliveries, 1::BIGINT AS results
    FROM found ANTI JOIN stored_again USING (buffer, sequence) WHERE {part}
    UNION ALL
    SELECT *, (sum(coalesce(deliveries, 1)) OVER every_one)::BIGINT AS all_deliveries,
        count(*) OVER every_one AS results
    FROM found SEMI JOIN stored_again USING (buffer, sequence) WHERE {part}
    WINDOW every_one AS (PARTITION BY buffer, sequence)
    QUALIFY row_number() OVER (PARTITION BY buffer, sequence ORDER BY stored_at NULLS LAST, request_id) = 1
), dead AS (
    SELECT buffer, sequence, any_value(request_id) AS request_id, min(reason) AS reason, count(*) AS letters
    FROM found_dead WHERE {part} GROUP BY buffer, sequence
), wide AS (
    SELECT
        coalesce(sent.buffer, result.buffer, dead.buffer) AS buffer,
        coalesce(sent.sequence, result.sequence, dead.sequence) AS sequence,
        coalesce(sent.request_id, result.request_id, dead.request_id) AS request_id,
        CASE
            WHEN sent.sequence IS NULL THEN 'unrequested'
            WHEN sent.status BETWEEN 200 AND 299 THEN CASE
                WHEN result.status = 'SUCCEEDED' THEN 'completed'
                WHEN result.sequence IS NOT NULL THEN 'failed'
                WHEN dead.sequence IS NOT NULL THEN 'dead_lettered'
                WHEN sent.buffer = 'route' THEN 'answered'
                WHEN sent.buffer IN (SELECT buffer FROM drained) THEN 'lost'
                ELSE 'unfinished' END
            WHEN result.sequence IS NOT NULL OR dead.sequence IS NOT NULL THEN
                if(coalesce(sent.status, 0) = 0, 'accepted_unanswered', 'rejected_processed')
            WHEN coalesce(sent.status, 0) <> 0 THEN 'rejected'
            WHEN sent.sent_at IS NULL THEN 'dropped'
            ELSE 'unanswered'
        END AS outcome,
        coalesce(sent.intended_at, result.intended_at) AS intended_at,
        sent.sent_at, sent.responded_at, coalesce(sent.status, 0) AS http_status, sent.error, sent.image, sent.bytes,
        sent."group",
        result.status AS result_status, result.reason, dead.reason AS dead_letter_reason,
        result.accepted_at, result.received_at, result.recognised_at, result.stored_at, result.init_ms,
        result.batch_size, result.attempts, result.all_deliveries AS deliveries, result.results,
        dead.letters AS dead_letters, result.environment, result.labels
    FROM sent
    FULL JOIN result ON sent.buffer = result.buffer AND sent.sequence = result.sequence
    FULL JOIN dead ON dead.buffer = coalesce(sent.buffer, result.buffer)
        AND dead.sequence = coalesce(sent.sequence, result.sequence)
)
SELECT *,
    sent_at - intended_at AS lateness_ms,
    if(http_status <> 0, responded_at - intended_at, NULL) AS response_ms,
    stored_at - intended_at AS latency_ms,
    accepted_at - intended_at AS gateway_ms,
    received_at - accepted_at - coalesce(init_ms, 0) AS buffer_ms,
    init_ms AS cold_start_ms,
    recognised_at - received_at AS work_ms,
    stored_at - recognised_at AS write_ms
FROM wide ORDER BY buffer, sequence
"""


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

_KNOWN_IDS: Final = "SELECT request_id FROM requests WHERE request_id IS NOT NULL"

# From this many bytes of rows on, tables lie in a file: a run may have more rows than memory has room for.
_LARGE: Final = 200 << 20
# What DuckDB may take of it; the rest of a report takes as much again at the most.
_MEMORY: Final = "800MB"


@dataclass(frozen=True, slots=True)
class Joined:
    """A run's rows, joined. `cut_short` names the files that break off; `buffers` are those that had a turn.

    Where clients waited for their results, `knowledge` tells when each knew (reports.time_to_know). `beside` is where
    the tables of a large run lie, as long as this is in use.
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

    def write(self, table: str, path: "Path") -> None:
        """Write a table to a Parquet file."""
        sql = f"COPY {table} TO $path (FORMAT parquet, COMPRESSION zstd)"
        self.connection.execute(sql, {"path": str(path)})


def join(folder: "RunFolder", drained: "Mapping[str, bool]") -> Joined:
    """Read a run's rows and join them. `drained` says of each buffer of the run whether it ran empty.

    Raises:
        RunError: a file cannot be read, or no request was sent.
    """
    beside = _beside_memory(folder)
    connection = _connection(beside)
    requests = rows.load(connection, "requests", rows.REQUESTS, folder.all_requests())
    results = rows.load(connection, "results", rows.RESULTS, [folder.results])
    dead_letters = rows.load(connection, "dead_letters", rows.DEAD_LETTERS, [folder.dead_letters])
    observations = rows.load(connection, "observations", rows.OBSERVATIONS, [folder.observations])
    if not requests.rows:
        raise RunError(f"{folder.path} holds no request: nothing was sent, so there is nothing to report")
    if _count(connection, "requests WHERE buffer IS NULL OR sequence IS NULL"):
        raise RunError(f"{folder.path}: a row of requests names no buffer or no sequence")
    connection.execute("CREATE TABLE drained (buffer VARCHAR)")
    # Without all results and dead letters on record, nothing is known to be lost.
    if not results.cut_short and not dead_letters.cut_short:
        for buffer in (name for name, is_drained in drained.items() if is_drained):
            connection.execute("INSERT INTO drained VALUES (?)", [buffer])
    _join_rows(connection, by_buffer=beside is not None)
    known = rows.load(connection, "known", rows.KNOWN, folder.all_known())
    connection.execute(_KNOWLEDGE)
    sent = [name for (name,) in connection.execute("SELECT DISTINCT buffer FROM joined ORDER BY buffer").fetchall()]
    return Joined(
        connection=connection,
        beside=beside,
        buffers=(*(name for name in drained if name in sent), *(name for name in sent if name not in drained)),
        cut_short=requests.cut_short
        + results.cut_short
        + dead_letters.cut_short
        + observations.cut_short
        + known.cut_short,
        repeated_requests=_number(connection, "SELECT coalesce(sum(further), 0) FROM sent_again"),
        unidentified=sum(
            _count(connection, f"{table} WHERE sequence IS NULL AND coalesce(request_id, '') NOT IN ({_KNOWN_IDS})")
            for table in ("results", "dead_letters")
            if _count(connection, f"{table} WHERE sequence IS NULL")
        ),
    )


def _beside_memory(folder: "RunFolder") -> "tempfile.TemporaryDirectory[str] | None":
    """Where the tables of a large run lie while its report is made; None for a run that has room in memory."""
    if sum(path.stat().st_size for path in folder.path.glob("*.rows")) < _LARGE:
        return None
    return tempfile.TemporaryDirectory(prefix=".joining-", dir=folder.path)


def _connection(beside: "tempfile.TemporaryDirectory[str] | None") -> duckdb.DuckDBPyConnection:
    if beside is None:
        return duckdb.connect()
    return duckdb.connect(
        f"{beside.name}/tables.duckdb", config={"memory_limit": _MEMORY, "temp_directory": f"{beside.name}/spilled"}
    )


def _join_rows(connection: duckdb.DuckDBPyConnection, *, by_buffer: bool) -> None:
    connection.execute(_PREPARE)
    parts = ["true"]
    if by_buffer:
        # One at a time takes a part of the memory.
        tables = ("requests", "found", "found_dead")
        names = connection.execute(
            " UNION ".join(f"SELECT buffer FROM {table}" for table in tables) + " ORDER BY buffer"  # noqa: S608 (ours)
        ).fetchall()
        parts = ["buffer IS NULL" if name is None else f"buffer = {_quoted(name)}" for (name,) in names]
    first, *others = parts
    connection.execute(f"CREATE TABLE joined AS {_JOIN.format(part=first)}")
    for part in others:
        connection.execute(f"INSERT INTO joined {_JOIN.format(part=part)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def _count(connection: duckdb.DuckDBPyConnection, what: str) -> int:
    return _number(connection, f"SELECT count(*) FROM {what}")  # noqa: S608 (our own tables)
