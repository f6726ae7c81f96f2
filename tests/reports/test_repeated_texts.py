"""Texts that repeat are kept once, however many, however long, and whatever they look like."""

import io
from typing import TYPE_CHECKING

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import packed_rows, repeated_texts, unpacking
from reports.growing_column import RepeatedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

# Few, of few lengths, and alike at their ends, so that many meet in one place.
TEXT = st.text("ab", max_size=9) | st.sampled_from(["x" * 90 + c + "y" * 90 for c in "abc"])
VALUES = st.lists(st.none() | TEXT | st.lists(st.sampled_from(["x" * 40, "a", "b"]), max_size=3), max_size=40)


def numbered(rows: "Sequence[tuple[object, ...]]", columns: int = 1) -> "list[list[str | None]]":
    """What each of the columns of such rows has, by compiled code alone."""
    content = b"".join(map(msgpack.packb, rows))
    found = {f"column {number}": RepeatedColumn() for number in range(columns)}
    packed = packed_rows.PackedRows(io.BytesIO(content), 0, list(found), found)
    while packed.next():
        pass
    assert packed.position == len(content), "nothing is left to the library"
    arrays = [column.array() for column in found.values()]
    for array in arrays:
        assert len(array.dictionary.unique()) == len(array.dictionary), "each once"
    return [array.to_pylist() for array in arrays]


def text(value: object) -> "str | None":
    column = RepeatedColumn()
    column.add([value])
    [found] = column.array().to_pylist()
    return found  # type: ignore[no-any-return]


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES)
def test_texts_come_back_as_they_were_and_each_column_has_its_own(one: "list[object]", other: "list[object]") -> None:
    rows = list(zip(one, other, strict=False))
    assert numbered(rows, 2) == [[text(row[column]) for row in rows] for column in range(2)]


def test_the_same_list_packed_in_two_ways_is_one_text() -> None:
    column = RepeatedColumn()
    content = b"\x91\x91\x01" + b"\x91\x91\xcc\x01" + b"\x91\xdc\x00\x01\x01" + b"\x91\xa3[1]"
    packed = packed_rows.PackedRows(io.BytesIO(content), 0, ["labels"], {"labels": column})
    assert packed.next() == 4
    found = column.array()
    assert (found.to_pylist(), found.dictionary.to_pylist()) == (["[1]"] * 4, ["[1]"])


def test_lists_that_begin_alike_are_told_apart_wherever_they_differ() -> None:
    lists = [[("x" * 60 + end, 1.5), *rest] for end in "abc" for rest in ([], ["more"], ["most"])]
    rows = [(one,) for one in lists * 3]
    assert numbered(rows) == [[text(one) for one in lists * 3]]


def test_a_text_that_is_longer_than_all_the_room_there_is_finds_room() -> None:
    long = [("a" * 70_000,), ("b" * 300_000,), ("a" * 70_000,), ("c",)]
    assert numbered(long) == [[value for (value,) in long]]


@pytest.mark.parametrize("limit", ["_MOST", "_MOST_BYTES"])
def test_when_there_are_too_many_it_begins_anew(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_rows, "_PIECE", 11)
    monkeypatch.setattr(repeated_texts, limit, 8)
    monkeypatch.setattr(repeated_texts, "_FIRST_BYTES", unpacking.SLACK + 90)
    values = [f"text {number % 37}" for number in range(300)]
    assert numbered([(value,) for value in values]) == [values]


def test_a_text_of_a_row_that_is_cut_off_is_nobodys() -> None:
    column = RepeatedColumn()
    content = msgpack.packb(("sqs", 1)) + msgpack.packb(("kinesis", 2))[:-1]
    packed = packed_rows.PackedRows(io.BytesIO(content), 0, ["buffer", "sequence"], {"buffer": column})
    assert (packed.next(), packed.next()) == (1, 0)
    assert column.array().dictionary.to_pylist() == ["sqs"]
