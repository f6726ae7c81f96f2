"""The shorter way to read JSON, against the standard library's own."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.json_text import decoded

DECODER = json.JSONDecoder()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def outcome(read: Any, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        return type(error), str(error)


@given(VALUES, st.text(" \t\n\r\v\u00a0x}", max_size=3), st.text(" \t\n\r\v\u00a0x}", max_size=3))
def test_it_gives_and_refuses_the_same(value: Any, before: str, after: str) -> None:
    text = before + json.dumps(value) + after
    assert outcome(lambda text: decoded(DECODER, text), text) == outcome(DECODER.decode, text)


@pytest.mark.parametrize(
    "text", ["", " ", "{", '{"a"', "[1,]", "nul", '"\\ud800"', "1 2", "\ufeff{}", "NaN", "-Infinity"]
)
def test_what_is_no_json_or_hardly_is_told_alike(text: str) -> None:
    assert repr(outcome(lambda text: decoded(DECODER, text), text)) == repr(outcome(DECODER.decode, text))
