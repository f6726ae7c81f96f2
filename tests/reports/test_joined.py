"""What is joined: the rows of a buffer as columns, as a table to ask, and as joined.parquet."""

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest

from pipeline.run import DEAD_LETTER_COLUMNS, RESULT_COLUMNS, RowWriter
from reports import wide_rows
from reports.accounting import account
from reports.joined import join
from reports.outcome import ALL, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.run import RunFolder

BUFFERS = ("sns", "sqs", "kinesis", "kinesis-efo")


@pytest.fixture
def folder(write_run: "Callable[..., RunFolder]", tmp_path: "Path") -> "RunFolder":
    """A run with results and dead letters that name no sequence, no buffer, a buffer not asked, or come twice."""
    run = write_run(tmp_path / "run", scale=0.05)
    rest = (None, 1e12, 1e12, 1e12, 1e12, 1e12, 0.0, 1, 1)
    with RowWriter(run.results, RESULT_COLUMNS) as results:
        for buffer, sequence, request_id in (
            ("sqs", None, "sqs-3"), (None, 4, "sqs-4"), (None, None, "sns-5"), ("sqs", 6, "other"), ("it's", 1, "x"),
            (None, None, "nobody's"),
        ):  # fmt: skip
            results.write(buffer, sequence, request_id, "SUCCEEDED", *rest, 2, "env", [])
    with RowWriter(run.dead_letters, DEAD_LETTER_COLUMNS) as letters:
        letters.write("kinesis", None, "kinesis-7", "too old")
        letters.write(None, None, "nobody's", "too old")
    return run


def test_rows_that_name_no_buffer_or_no_sequence_are_found_by_their_ids(folder: "RunFolder") -> None:
    found = join(folder, dict.fromkeys(BUFFERS, True))
    assert found.buffers == (*BUFFERS, "it's")
    assert found.unidentified == 2, "nobody's result, and nobody's dead letter"
    rows = found.frame("SELECT * FROM joined").set_index(["buffer", "sequence"])
    assert rows.results["sqs", 3] == rows.results["sqs", 4] == rows.results["sns", 5] == rows.results["sqs", 6] == 2
    assert rows.deliveries["sqs", 3] >= 3
    assert rows.dead_letters["kinesis", 7] == 1
    assert rows.dead_letter_reason["kinesis", 7] == "too old"
    assert rows.outcome["it's", 1] == "unrequested"
    assert rows.request_id["it's", 1] == "x", "of a request without a row its result says which it is"


def test_the_table_that_is_written_is_the_one_that_is_asked(folder: "RunFolder", tmp_path: "Path") -> None:
    found = join(folder, {})
    found.write("joined", tmp_path / "joined.parquet")
    with duckdb.connect() as connection:
        written = connection.execute(f"FROM '{tmp_path}/joined.parquet'").df()
    assert tuple(written.columns) == wide_rows.COLUMNS
    asked = found.frame("FROM joined").astype(written.dtypes)
    pd.testing.assert_frame_equal(written, asked)
    order = list(zip(asked.buffer, asked.sequence, strict=True))
    assert order == sorted(order), "by buffer and sequence, so that one buffer is read without the others"


@pytest.mark.parametrize("rows", [1, 1_000])
def test_a_table_in_pieces_is_the_same_as_in_one(
    folder: "RunFolder", monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    found = join(folder, {}).frame("FROM joined WHERE sequence < 40")
    monkeypatch.setattr(wide_rows, "_ROWS", rows)
    pieces = join(folder, {}).frame("FROM joined WHERE sequence < 40")
    pd.testing.assert_frame_equal(pieces.astype(object), found.astype(object))


def test_a_row_says_of_its_request_what_the_columns_say_that_figures_are_computed_from(folder: "RunFolder") -> None:
    found = join(folder, dict.fromkeys(BUFFERS, True))
    for buffer in found.buffers:
        rows = found.rows(buffer)
        table = found.frame("FROM joined WHERE buffer = $buffer ORDER BY sequence", buffer=buffer)
        assert table.outcome.tolist() == [ALL[code] for code in rows.outcome]
        assert table.results.notna().tolist() == rows.has_result.tolist()
        assert table.deliveries.fillna(0).tolist() == rows.deliveries.tolist()
        for name in ("intended_at", "stored_at", "bytes", "latency_ms", "response_ms", "buffer_ms", "cold_start_ms"):
            np.testing.assert_array_equal(table[name].to_numpy(np.float64, na_value=np.nan), rows.numbers(name), name)


def test_a_buffer_that_had_no_request_has_an_account_all_the_same(folder: "RunFolder") -> None:
    nothing = account(join(folder, {"never": True}).rows("never"))
    assert (nothing.offered, nothing.accepted, nothing.lost, nothing.rejected) == (0, 0, 0, {})


def test_whoever_asks_nothing_of_duckdb_does_not_wait_for_it(folder: "RunFolder") -> None:
    found = join(folder, {})
    assert found.rows("sqs").ended(Outcome.COMPLETED).any()
    assert "_connection" not in vars(found)
