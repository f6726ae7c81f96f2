"""What is put together of pieces is what the pieces hold, in their order."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.growing_column import GrowingColumn

REPEATED = pa.dictionary(pa.int32(), pa.string())
KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(max_size=5),
    REPEATED: st.text("ab", max_size=2),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_column_is_all_its_pieces_one_behind_the_other(kind: pa.DataType, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.lists(st.none() | KINDS[kind], max_size=6), max_size=5))
    column = GrowingColumn(kind)
    for piece in pieces:
        # With something before it, as a slice has.
        column.add(pa.array([None, *piece], kind)[1:])
    assert column.array().to_pylist() == [value for piece in pieces for value in piece]


@pytest.mark.parametrize("texts", [100, 127, 128, 129, 32_767, 32_768, 40_000])
def test_so_many_texts_are_told_apart_as_there_are(texts: int) -> None:
    column = GrowingColumn(REPEATED)
    values = [f"text {number}" for number in range(texts)]
    for begin in range(0, texts, 10_000):
        column.add(pa.array(values[begin : begin + 10_000], REPEATED))
    column.add(pa.array(values[:1] + values[-1:], REPEATED))
    found = column.array()
    found.validate(full=True)
    assert found.to_pylist() == [*values, values[0], values[-1]]


def test_a_null_after_many_rows_without_one_is_the_only_one() -> None:
    column = GrowingColumn(pa.float64())
    column.add(pa.array([float(number) for number in range(3_000)]))
    column.add(pa.array([None, 1.5]))
    found = column.array()
    assert (found.null_count, found[3_000].as_py(), found[3_001].as_py()) == (1, None, 1.5)
