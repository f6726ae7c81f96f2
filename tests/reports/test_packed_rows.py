"""Rows decoded by compiled code: the same as by the msgpack library, whatever is in the file."""

import tempfile
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.run import RESULT_COLUMNS, RowWriter, RunError
from reports import packed_rows, rows, unpacking

COLUMNS = ("sequence", "later", "request_id", "stored_at", "labels")
TEXTS = st.one_of(st.none(), st.text("abc é", max_size=40), st.just("x" * 300), st.just("y" * 70_000))
NUMBERS = st.one_of(
    st.none(),
    st.floats(),
    st.floats(width=32),
    st.integers(-(2**31), 2**31),
    st.sampled_from([2**53, 2**53 + 1, 2**63, -(2**53), -(2**53) - 1, -(2**63)]),
)
WHOLE = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(
        [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, -1, -32, -33, -128, -129, -(2**15), 2**63]
    ),
)
ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text("ab", max_size=5)
    ),
    lambda inside: st.one_of(st.lists(inside, max_size=20), st.dictionaries(st.text("ab", max_size=3), inside)),
    max_leaves=8,
)
LABELS = st.one_of(TEXTS, ANYTHING)


def read(path: Path, *, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> object:
    """Every row of a file and what is said of it, or the error that it makes."""
    monkeypatch.setattr(rows, "_LARGE", 0 if compiled else 1 << 60)
    try:
        loaded = rows.load(rows.RESULTS, [path])
    except RunError as error:
        return str(error).partition(", in rows")[0]
    # As text: NaN in JSON would differ from itself.
    return loaded.cut_short, [repr(row) for row in loaded.table.to_pylist()]


def same(path: Path) -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        found, wanted = (read(path, compiled=compiled, monkeypatch=monkeypatch) for compiled in (True, False))
    assert found == wanted
    return found


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(WHOLE, ANYTHING, TEXTS, NUMBERS, LABELS), max_size=12),
    st.binary(max_size=12),
    st.integers(0, 30),
)
def test_whatever_is_written_is_read_as_by_the_library(
    written: list[tuple[object, ...]], rubbish: bytes, missing: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.rows"
        packed = b"".join(map(msgpack.packb, written))
        whole = packed[: max(0, len(packed) - missing)] + rubbish if missing else packed
        path.write_bytes(msgpack.packb(COLUMNS) + whole)
        same(path)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((1, None, "r", 1.5, None), id="a flat row"),
        pytest.param((1, None, "ré", 1.5, None), id="a text beyond ASCII"),
        pytest.param((1, None, b"r", 1.5, None), id="bytes for a text"),
        pytest.param((1, None, 7, 1.5, None), id="a number for a text"),
        pytest.param((True, None, "r", 1.5, None), id="a truth for a number"),
        pytest.param((1.0, None, "r", 1.5, None), id="a float for a whole number"),
        pytest.param((1, None, "r", float("nan"), None), id="no number"),
        pytest.param((1, None, "r", 3, None), id="a whole number for a float"),
        pytest.param((1, None, "r", -(2**53) - 1, None), id="a whole number that no float holds"),
        pytest.param((1, None, "r", -(2**63), None), id="the least whole number for a float"),
        pytest.param((1, None, "r", 1.5, [["Cat", 97.5], ["Dog", 3]]), id="labels as lists"),
        pytest.param((1, None, "r", 1.5, {"a": {"b": [1, None, True]}}), id="labels as maps"),
        pytest.param((1, msgpack.Timestamp(5), "r", 1.5, None), id="a column that nobody asks for, of another kind"),
        pytest.param((1, None, "r", 1.5, msgpack.ExtType(4, b"x")), id="labels of another kind"),
        pytest.param((1, None, "r", 1.5, {("a",): 1}), id="labels that are no JSON"),
        pytest.param((1, None, "r", 1.5, [1 << 63]), id="a number of 64 bits in a list"),
        pytest.param((1, None, "r", 1.5), id="a value too few"),
    ],
)
def test_a_row_among_others_is_read_as_by_the_library(tmp_path: Path, row: tuple[object, ...]) -> None:
    path = tmp_path / "results.rows"
    usual = (5, "ignored", "abc", 1.25, [{"name": "Cat", "confidence": 97.780804}])
    path.write_bytes(b"".join(map(msgpack.packb, (COLUMNS, usual, row, usual, usual))))
    same(path)


def test_pieces_and_chunks_end_in_the_middle_of_rows_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_rows, "_PIECE", 7)
    monkeypatch.setattr(packed_rows, "_CHUNK", 61)
    path = tmp_path / "results.rows"
    with RowWriter(path, RESULT_COLUMNS) as writer:
        for number in range(100):
            writer.write(
                "sqs", number, f"r{number}" if number % 9 else None, "SUCCEEDED", None if number % 5 else "why", 1e12,
                1e12 + number, None if number % 6 else 7.5, 1.5, 2.5, 0.0, 10, 1, 1 if number % 4 else None,
                f"environment {number % 3}", [{"name": "Cat", "confidence": number % 4}],
            )  # fmt: skip
    cut_short, found = same(path)
    assert cut_short == ()
    assert len(set(found)) == 100


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"\x81\x80\x00", id="a map in the place of a key"),
        pytest.param(b"\x91" * 980 + b"\x90", id="lists too deep to be told"),
        pytest.param(b"\x91" * 1_100 + b"\x90", id="lists too deep to be read"),
        pytest.param(b"\xa2r\xff", id="a text that is none"),
        pytest.param(b"\x91\xa2r\xff", id="a text that is none, in a list"),
        pytest.param(b"\xc1", id="what no value begins with"),
        pytest.param(b"\xcf" + b"\xff" * 8, id="a number beyond 63 bits"),
    ],
)
def test_what_the_library_stumbles_over_is_left_to_it_in_whatever_column(
    tmp_path: Path, column: int, packed: bytes
) -> None:
    path = tmp_path / "results.rows"
    usual = [*map(msgpack.packb, (5, "ignored", "abc", 1.25, ["Cat"]))]
    other = [*usual[:column], packed, *usual[column + 1 :]]
    path.write_bytes(msgpack.packb(COLUMNS) + b"".join(b"\x95" + b"".join(row) for row in (usual, other, usual)))
    same(path)


@pytest.mark.parametrize("first", range(5))
def test_a_file_cut_anywhere_is_read_as_by_the_library(tmp_path: Path, first: int) -> None:
    path = tmp_path / "results.rows"
    order = [*range(first, 5), *range(first)]
    row = (2**40, 9, "r" * 33, 2.5, {"a": 1})
    before = msgpack.packb([COLUMNS[column] for column in order])
    packed = msgpack.packb([row[column] for column in order])
    for length in range(len(packed)):
        path.write_bytes(before + packed[:length])
        same(path)


def test_bytes_that_would_be_a_row_too_large_are_left_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_rows, "_CHUNK", 61)
    monkeypatch.setattr(unpacking, "MOST_ROW", 200)
    room, sizes = packed_rows._room, list[int]()

    def counted(size: int) -> Any:
        sizes.append(size)
        return room(size)

    monkeypatch.setattr(packed_rows, "_room", counted)
    path = tmp_path / "results.rows"
    row, large = (1, None, "r", 1.5, None), (2, None, "r" * 500, 2.5, ["Cat"])
    endless = b"\x95\x01\xc0\xdb\xff\xff\xff\xff" + b"x" * 5_000
    path.write_bytes(b"".join(map(msgpack.packb, (COLUMNS, row, large, row))) + endless)
    _, found = same(path)
    assert len(found) == 3
    assert max(sizes) < 1_000


def test_the_compiled_code_is_what_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the tests above would hold of the library alone."""
    path = tmp_path / "results.rows"
    path.write_bytes(b"".join(map(msgpack.packb, (COLUMNS, (1, None, "r", 1.5, None)))))
    monkeypatch.setattr(rows, "_LARGE", 0)
    monkeypatch.setattr(rows, "_piece", lambda *_: pytest.fail("left to the library"))
    assert len(rows.load(rows.RESULTS, [path]).table) == 1
