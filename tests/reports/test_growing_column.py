"""What is put together of pieces is what the pieces hold, in their order."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.growing_column import NumberColumn, RepeatedColumn, TextColumn, growing_column

REPEATED = pa.dictionary(pa.int32(), pa.string())
KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.string(): st.text(max_size=5),
    REPEATED: st.text("ab", max_size=2),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_column_is_all_its_pieces_one_behind_the_other(kind: pa.DataType, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.integers(0, 3) | st.lists(st.none() | KINDS[kind], max_size=6), max_size=5))
    column = growing_column(kind)
    wanted: list[object] = []
    for piece in pieces:
        if isinstance(piece, int):
            column.put_nulls(piece)
            wanted += [None] * piece
        else:
            column.add(piece)
            wanted += piece
    found = column.array()
    found.validate(full=True)
    assert found.to_pylist() == wanted


@pytest.mark.parametrize(
    ("numbers", "bits"),
    [
        ([], 8), ([127, -128], 8), ([128], 16), ([-129], 16), ([202, None, 1], 16), ([2**31 - 1, -(2**31)], 32),
        ([2**31], 64), ([-(2**63), 2**63 - 1], 64),
    ],
)  # fmt: skip
def test_whole_numbers_take_as_few_bytes_as_hold_them(numbers: list[int | None], bits: int) -> None:
    column = NumberColumn(pa.int64())
    column.add([1])
    column.add(numbers)
    found = column.array()
    assert (found.type.bit_width, found.to_pylist()) == (bits, [1, *numbers])


def test_decoded_numbers_and_values_of_the_library_follow_one_another() -> None:
    column = NumberColumn(pa.float64())
    column.put(np.array([1.5, 0.0]), np.array([True, False]))
    column.add([3, None, float("nan")])
    column.put(np.array([4.5]), None)
    assert column.array().to_pylist() == [1.5, None, 3.0, None, None, 4.5]


def test_decoded_texts_and_values_of_the_library_follow_one_another() -> None:
    column = TextColumn()
    column.put(np.frombuffer(b"onetwo", np.uint8), np.array([3, 3, 6]), np.array([True, False, True]))
    column.add(["dreié", ["x"], None])
    column.put(np.frombuffer(b"4", np.uint8), np.array([1]), None)
    assert column.array().to_pylist() == ["one", None, "two", "dreié", '["x"]', None, "4"]


def test_numbers_of_texts_and_texts_of_the_library_are_one_numbering() -> None:
    column = RepeatedColumn()
    cat, dog = column.number("cat"), column.number("dog")
    column.put(np.array([dog, 0, cat]), np.array([True, False, True]))
    column.add(["cow", "dog", None, {"a": 1}])
    assert column.number('{"a": 1}') == 3
    found = column.array()
    assert found.to_pylist() == ["dog", None, "cat", "cow", "dog", None, '{"a": 1}']
    assert found.dictionary.to_pylist() == ["cat", "dog", "cow", '{"a": 1}'], "each text is kept once"


@pytest.mark.parametrize("texts", [100, 127, 128, 129, 32_767, 32_768, 40_000])
def test_so_many_texts_are_told_apart_as_there_are(texts: int) -> None:
    column = RepeatedColumn()
    values = [f"text {number}" for number in range(texts)]
    for begin in range(0, texts, 10_000):
        column.add(values[begin : begin + 10_000])
    column.add(values[:1] + values[-1:])
    found = column.array()
    found.validate(full=True)
    assert found.to_pylist() == [*values, values[0], values[-1]]


def test_a_null_after_many_rows_without_one_is_the_only_one() -> None:
    column = NumberColumn(pa.float64())
    column.add([float(number) for number in range(3_000)])
    column.add([None, 1.5])
    found = column.array()
    assert (found.null_count, found[3_000].as_py(), found[3_001].as_py()) == (1, None, 1.5)
