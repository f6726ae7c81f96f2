import contextlib
import tempfile
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run import DEAD_LETTER_COLUMNS, REQUEST_COLUMNS, RowWriter, RunError, read_rows
from reports import rows


def load(path: Path) -> tuple[list[tuple[object, ...]], tuple[str, ...]]:
    """The rows of a file, and what is said of its end."""
    loaded = rows.load(rows.REQUESTS, [path])
    return [tuple(row.values()) for row in loaded.table.to_pylist()], loaded.cut_short


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
    assert load(path) == ([request(1), request(2)], ())


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert load(tmp_path / "missing.rows") == ([], ())


def test_a_file_cut_anywhere_is_read_up_to_there_and_said_to_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    whole = write(path, *(request(sequence) for sequence in range(2)))
    ends = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        found, cut_short = load(path)
        assert found == [request(sequence) for sequence in range(len(found))]
        assert len(found) == sum(1 for _ in read_rows(path)), "the contract's own reader sees the same rows"
        if not cut_short:
            ends.append(len(found))
    # Nothing at all, the columns alone, and after each row.
    assert ends == [0, 0, 1, 2]


def test_rubbish_after_whole_rows_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    for rubbish in (
        b"\x00\x00\x00",
        b"\xc1",
        msgpack.packb([1, 2]),
        msgpack.packb({"a": 1}),
        b"\x81\x80\x00",
        b"\xff" * 40,
    ):
        path.unlink(missing_ok=True)
        path.write_bytes(write(path, request(1)) + rubbish)
        assert load(path) == ([request(1)], ("requests-0.rows breaks off after row 1",))


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
    [found] = rows.load(rows.DEAD_LETTERS, [path]).table.to_pylist()
    assert [found[column] for column in DEAD_LETTER_COLUMNS] == ["sns", 4, None, "too old"]


def test_times_that_are_no_numbers_are_null_and_other_texts_are_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "requests-0.rows"
    write(path, ("sqs", 1, float("nan"), float("inf"), float("-inf"), 0, None, {"why": ["x"]}, "i", 1, None))
    [found], _ = load(path)
    assert found == ("sqs", 1, None, None, None, 0, None, '{"why": ["x"]}', "i", 1, None)


def test_files_of_several_workers_follow_one_another_whatever_texts_each_has(tmp_path: Path) -> None:
    first, second = tmp_path / "requests-0.rows", tmp_path / "requests-1.rows"
    write(first, request(1), (*request(2)[:8], "dog.jpg", 1, None))
    write(second, (*request(3)[:8], "dog.jpg", 1, "g2"), request(4))
    table = rows.load(rows.REQUESTS, [first, second]).table
    assert table["image"].to_pylist() == ["cat.jpg", "dog.jpg", "dog.jpg", "cat.jpg"]
    assert table["group"].to_pylist() == ["g1", None, "g2", "g1"]
    assert table["request_id"].to_pylist() == ["r1", "r2", "r3", "r4"]
    assert table["image"].chunk(0).dictionary.to_pylist() == ["cat.jpg", "dog.jpg"], "each text is kept once"


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_a_run_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.rows"
        path.write_bytes(msgpack.packb(list(DEAD_LETTER_COLUMNS)) + content)
        with contextlib.suppress(RunError):
            rows.load(rows.DEAD_LETTERS, [path])
