"""Which result and which dead letter belongs to which request, and the one outcome that each request had.

DuckDB pairs the rows by their numbers: what else they hold does not go through a join (reports.wide_rows adds it).
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import duckdb


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
CREATE TABLE id AS
WITH wanted AS (
    SELECT request_id FROM results WHERE buffer IS NULL OR sequence IS NULL
    UNION SELECT request_id FROM dead_letters WHERE buffer IS NULL OR sequence IS NULL
)
SELECT request_id, any_value(buffer) AS buffer, any_value(sequence) AS sequence
FROM requests SEMI JOIN wanted USING (request_id) GROUP BY request_id;
CREATE TABLE found_by_id AS
SELECT results.nth, results.request_id, results.status, results.stored_at, results.deliveries,
    coalesce(results.buffer, id.buffer) AS buffer, coalesce(results.sequence, id.sequence) AS sequence
FROM results LEFT JOIN id ON results.request_id = id.request_id
WHERE (results.buffer IS NULL OR results.sequence IS NULL) AND coalesce(results.sequence, id.sequence) IS NOT NULL;
CREATE VIEW found AS
SELECT nth, request_id, status, stored_at, deliveries, buffer, sequence FROM results
WHERE buffer IS NOT NULL AND sequence IS NOT NULL
UNION ALL SELECT * FROM found_by_id;
CREATE TABLE found_dead AS
SELECT dead_letters.* REPLACE (
    coalesce(dead_letters.buffer, id.buffer) AS buffer, coalesce(dead_letters.sequence, id.sequence) AS sequence
) FROM dead_letters LEFT JOIN id ON dead_letters.request_id = id.request_id
WHERE coalesce(dead_letters.sequence, id.sequence) IS NOT NULL;
CREATE VIEW stored_again AS
SELECT buffer, sequence FROM results_again UNION SELECT buffer, sequence FROM found_by_id;
"""
# Of `part`, a condition on a column called buffer.
_PAIR: Final = """
WITH sent AS (
    SELECT nth, buffer, sequence, status, sent_at
    FROM requests ANTI JOIN requests_again USING (buffer, sequence) WHERE {part}
    UNION ALL
    SELECT nth, buffer, sequence, status, sent_at
    FROM requests SEMI JOIN requests_again USING (buffer, sequence) WHERE {part}
    QUALIFY row_number() OVER (
        PARTITION BY buffer, sequence
        ORDER BY coalesce(status, 0) BETWEEN 200 AND 299 DESC, sent_at IS NULL, responded_at NULLS LAST, request_id
    ) = 1
), result AS (
    SELECT nth, buffer, sequence, status, coalesce(deliveries, 1)::BIGINT AS all_deliveries, 1::BIGINT AS results
    FROM found ANTI JOIN stored_again USING (buffer, sequence) WHERE {part}
    UNION ALL
    SELECT nth, buffer, sequence, status, (sum(coalesce(deliveries, 1)) OVER every_one)::BIGINT AS all_deliveries,
        count(*) OVER every_one AS results
    FROM found SEMI JOIN stored_again USING (buffer, sequence) WHERE {part}
    WINDOW every_one AS (PARTITION BY buffer, sequence)
    QUALIFY row_number() OVER (PARTITION BY buffer, sequence ORDER BY stored_at NULLS LAST, request_id) = 1
), dead AS (
    SELECT buffer, sequence, any_value(request_id) AS request_id, min(reason) AS reason, count(*) AS letters
    FROM found_dead WHERE {part} GROUP BY buffer, sequence
)
SELECT
    sent.nth AS sent, result.nth AS result,
    coalesce(sent.buffer, result.buffer, dead.buffer) AS buffer,
    coalesce(sent.sequence, result.sequence, dead.sequence) AS sequence,
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
    result.all_deliveries AS deliveries, result.results,
    dead.request_id AS dead_request_id, dead.reason AS dead_letter_reason, dead.letters AS dead_letters
FROM sent
FULL JOIN result ON sent.buffer = result.buffer AND sent.sequence = result.sequence
FULL JOIN dead ON dead.buffer = coalesce(sent.buffer, result.buffer)
    AND dead.sequence = coalesce(sent.sequence, result.sequence)
"""

_BUFFERS: Final = """
SELECT DISTINCT buffer FROM requests UNION SELECT DISTINCT buffer FROM found
UNION SELECT DISTINCT buffer FROM found_dead ORDER BY buffer
"""
_AGAIN: Final = pa.schema([("buffer", pa.string()), ("sequence", pa.int64()), ("further", pa.int64())])


class Pairs:
    """The pairs of a run's rows. `repeated_requests` counts rows of requests beyond the first of a sequence number,
    `unidentified` results and dead letters of no request that is known.

    `connection` gets what it takes: the tables requests, results and dead_letters, and some beside them.
    """

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        requests: pa.Table,
        results: pa.Table,
        dead_letters: pa.Table,
        drained: "Collection[str]",
    ) -> None:
        self._connection = connection
        for name, table in (("requests", requests), ("results", results), ("dead_letters", dead_letters)):
            connection.register(name, table.append_column("nth", pa.array(np.arange(len(table), dtype=np.int32))))
        again = _again(requests)
        connection.register("requests_again", again)
        connection.register("results_again", _again(results))
        connection.register("drained", pa.table({"buffer": pa.array(drained, pa.string())}))
        connection.execute(_PREPARE)
        self.repeated_requests = int(np.sum(again["further"]))
        self.unidentified = sum(self._unidentified(table) for table in ("results", "dead_letters"))

    def parts(self, *, by_buffer: bool) -> "Iterator[pa.Table]":
        """Every pair, in the order of buffer and sequence: one buffer after the other takes a part of the memory.

        Columns: sent and result (numbers of rows, null where there is none), buffer, sequence, outcome, deliveries and
        results (of all rows of results together), dead_request_id, dead_letter_reason, dead_letters.
        """
        if not by_buffer:
            yield self._pairs("true", "ORDER BY buffer, sequence")
            return
        for (name,) in self._connection.sql(_BUFFERS).fetchall():
            yield self._in_order("buffer IS NULL" if name is None else f"buffer = {quoted(name)}")

    def _in_order(self, part: str) -> pa.Table:
        pairs = self._pairs(part)
        # A part of what it takes DuckDB to put whole rows in order.
        return pairs.take(np.argsort(pairs["sequence"].to_numpy()))

    def close(self) -> None:
        """Let go of the rows, which take more memory than all that is made of them."""
        self._connection.execute("DROP VIEW found; DROP VIEW stored_again")
        for name in ("requests", "results", "dead_letters", "requests_again", "results_again", "drained"):
            self._connection.unregister(name)

    def _pairs(self, part: str, order: str = "") -> pa.Table:
        return self._connection.sql(_PAIR.format(part=part) + order).to_arrow_table()

    def _unidentified(self, table: str) -> int:
        (number,) = self._connection.sql(
            f"SELECT count(*) FROM {table} WHERE sequence IS NULL "  # noqa: S608 (our own tables)
            "AND coalesce(request_id, '') NOT IN (SELECT request_id FROM id)"
        ).fetchall()
        return int(number[0])


def _again(rows: pa.Table) -> pa.Table:
    """The buffer and sequence that more than one of the rows has, and how many `further` ones there are."""
    named = rows.select(["buffer", "sequence"]).drop_null()
    codes, sequences = named["buffer"].combine_chunks(), named["sequence"].to_numpy()
    found: dict[str, list[Any]] = {"buffer": [], "sequence": [], "further": []}
    for code, buffer in enumerate(codes.dictionary.to_pylist()):
        # To sort numbers takes a part of the time of grouping rows.
        ordered = np.sort(sequences[codes.indices.to_numpy() == code])
        again, further = np.unique(ordered[1:][ordered[1:] == ordered[:-1]], return_counts=True)
        found["buffer"] += [buffer] * len(again)
        found["sequence"] += again.tolist()
        found["further"] += further.tolist()
    return pa.table(found, schema=_AGAIN)


def quoted(text: str) -> str:
    """A text as it stands in SQL."""
    return "'" + text.replace("'", "''") + "'"
