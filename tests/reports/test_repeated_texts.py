"""Texts that repeat are kept once, however many, however long, and whatever they look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import repeated_texts
from reports.repeated_texts import RepeatedTexts

# Few, of few lengths, and alike at their ends, so that many meet in one place.
TEXTS = st.lists(st.none() | st.text("ab", max_size=4) | st.sampled_from(["x" * 90 + c + "y" * 90 for c in "abc"]))


def number(texts: RepeatedTexts, rows: "list[str | None]") -> "list[str | None]":
    packed = [(row or "").encode() for row in rows]
    lengths = np.array([len(text) for text in packed], np.int64)
    data = np.frombuffer(b"".join(packed), np.uint8)
    known = np.array([row is not None for row in rows], np.bool_)
    found = texts.numbered(data, np.cumsum(lengths) - lengths, lengths, known)
    assert found is not None
    assert len(found.dictionary.unique()) == len(found.dictionary), "each once"
    read: list[str | None] = found.to_pylist()
    return read


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_texts_come_back_as_they_were_piece_by_piece(pieces: "list[list[str | None]]") -> None:
    texts = RepeatedTexts()
    for piece in pieces:
        assert number(texts, piece) == piece


def test_a_text_that_is_longer_than_all_the_room_there_is_finds_room() -> None:
    texts = RepeatedTexts()
    long: list[str | None] = ["a" * 70_000, "b" * 300_000, "a" * 70_000, "c"]
    assert number(texts, long) == long


def test_when_there_are_too_many_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_texts, "_MOST", 8)
    monkeypatch.setattr(repeated_texts, "_SLOTS", 16)
    texts = RepeatedTexts()
    for begin in range(0, 60, 6):
        piece: list[str | None] = [f"text {number}" for number in range(begin, begin + 6)]
        assert number(texts, piece) == piece
