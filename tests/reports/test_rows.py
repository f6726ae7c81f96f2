import contextlib
import tempfile
from pathlib import Path

import duckdb
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run import DEAD_LETTER_COLUMNS, REQUEST_COLUMNS, RowWriter, RunError, read_rows
from reports import rows

# One for all: to make one takes longer than to read a file.
CONNECTION = duckdb.connect()


def load(path: Path) -> tuple[rows.Loaded, list[tuple[object, ...]]]:
    CONNECTION.execute("DROP TABLE IF EXISTS loaded")
    loaded = rows.load(CONNECTION, "loaded", rows.REQUESTS, [path])
    return loaded, CONNECTION.execute("SELECT * FROM loaded").fetchall()


def request(sequence: int) -> tuple[object, ...]:
    return ("sqs", sequence, 1e12, 1e12 + 0.5, 1e12 + 9, 202, f"r{sequence}", None, "cat.jpg", 5_000, "g1")


def write(path: Path, *written: tuple[object, ...]) -> bytes:
    with RowWriter(path, REQUEST_COLUMNS) as writer:
        for row in written:
            writer.write(*row)
    return path.read_bytes()


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    write(path, request(1), request(2))
    loaded, found = load(path)
    assert found == [request(1), request(2)]
    assert loaded == rows.Loaded(2, ())


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert load(tmp_path / "missing.rows") == (rows.Loaded(0, ()), [])


def test_a_file_cut_anywhere_is_read_up_to_there_and_said_to_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    whole = write(path, *(request(sequence) for sequence in range(2)))
    ends = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        loaded, found = load(path)
        assert found == [request(sequence) for sequence in range(loaded.rows)]
        assert loaded.rows == sum(1 for _ in read_rows(path)), "the contract's own reader sees the same rows"
        if not loaded.cut_short:
            ends.append(loaded.rows)
    # Nothing at all, the columns alone, and after each row.
    assert ends == [0, 0, 1, 2]


def test_rubbish_after_whole_rows_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    for rubbish in (b"\x00\x00\x00", b"\xc1", msgpack.packb([1, 2]), msgpack.packb({"a": 1}), b"\xff" * 40):
        path.unlink(missing_ok=True)
        path.write_bytes(write(path, request(1)) + rubbish)
        loaded, found = load(path)
        assert found == [request(1)]
        assert loaded.cut_short == ("requests-0.rows breaks off after row 1",)


@pytest.mark.parametrize(
    "content",
    [
        b"{}",  # JSON in a .rows file: an integer to msgpack
        msgpack.packb("text"),
        msgpack.packb([]),  # no column
        msgpack.packb([1, 2, 3]),  # no names
        msgpack.packb({"buffer": 1}),
    ],
)
def test_a_file_that_does_not_begin_with_columns_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "requests-0.rows"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"requests-0\.rows is not a \.rows file"):
        load(path)


def test_a_value_of_another_kind_is_refused_with_file_column_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    write(path, request(1), ("sqs", "seven", 1, 1, 1, 202, "r", None, "i", 1, None))
    with pytest.raises(RunError, match=r"requests-0\.rows: column sequence .* rows 1 to 2"):
        load(path)


def test_columns_go_by_name_whatever_their_order_and_number(tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.rows"
    with RowWriter(path, ("reason", "later", "buffer", "sequence")) as writer:
        writer.write("too old", "new", "sns", 4)
    CONNECTION.execute("DROP TABLE IF EXISTS letters")
    rows.load(CONNECTION, "letters", rows.DEAD_LETTERS, [path])
    columns = ", ".join(DEAD_LETTER_COLUMNS)
    assert CONNECTION.execute(f"SELECT {columns} FROM letters").fetchall() == [("sns", 4, None, "too old")]


def test_times_that_are_no_numbers_are_null_and_other_texts_are_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    write(path, ("sqs", 1, float("nan"), float("inf"), float("-inf"), 0, None, {"why": ["x"]}, "i", 1, None))
    _, [found] = load(path)
    assert found == ("sqs", 1, None, None, None, 0, None, '{"why": ["x"]}', "i", 1, None)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_a_run_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.rows"
        path.write_bytes(msgpack.packb(list(DEAD_LETTER_COLUMNS)) + content)
        with contextlib.suppress(RunError):
            CONNECTION.execute("DROP TABLE IF EXISTS letters")
            rows.load(CONNECTION, "letters", rows.DEAD_LETTERS, [path])
