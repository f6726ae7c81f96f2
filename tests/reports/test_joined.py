"""A run with more rows than memory has room for is joined in a file, buffer by buffer: to the same."""

from typing import TYPE_CHECKING

import duckdb
import pytest

from pipeline.run import DEAD_LETTER_COLUMNS, RESULT_COLUMNS, RowWriter
from reports import joined

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.run import RunFolder
    from reports.joined import Joined

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


def told(found: "Joined") -> tuple[object, ...]:
    rows = found.frame("SELECT * FROM joined ORDER BY buffer, sequence").to_csv()
    return found.buffers, found.repeated_requests, found.unidentified, rows


def test_in_a_file_and_in_memory_a_run_is_joined_to_the_same(
    folder: "RunFolder", monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = joined.join(folder, dict.fromkeys(BUFFERS, True))
    monkeypatch.setattr(joined, "_LARGE", 0)
    in_a_file = joined.join(folder, dict.fromkeys(BUFFERS, True))
    assert in_memory.beside is None
    assert in_a_file.beside is not None
    assert told(in_a_file) == told(in_memory)
    assert in_memory.unidentified == 2
    assert in_memory.buffers == (*BUFFERS, "it's")


@pytest.mark.parametrize("links", [True, False], ids=["a link", "no links here"])
def test_what_was_joined_in_a_file_is_written_whole_and_stays(
    folder: "RunFolder", tmp_path: "Path", monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    in_memory, beside = tmp_path / "in-memory.parquet", tmp_path / "in-a-file.parquet"
    joined.join(folder, {}).write("joined", in_memory)
    monkeypatch.setattr(joined, "_LARGE", 0)
    if not links:
        monkeypatch.setattr(type(tmp_path), "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError))
    found = joined.join(folder, {})
    found.write("joined", beside)
    del found
    with duckdb.connect() as connection:
        one, other = (
            connection.sql(f"FROM '{path}' ORDER BY buffer, sequence").to_arrow_table() for path in (in_memory, beside)
        )
    assert one.schema == other.schema
    assert one == other


def test_a_run_that_is_joined_in_a_file_leaves_nothing_of_it(
    folder: "RunFolder", monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(folder.path.iterdir())
    monkeypatch.setattr(joined, "_LARGE", 0)
    found = joined.join(folder, {})
    assert sorted(folder.path.iterdir()) != before
    del found
    assert sorted(folder.path.iterdir()) == before
