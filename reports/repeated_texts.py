"""Texts that repeat, each kept once: rows have its number. Images, labels and environments are few, and long.

A text is found by its bytes, in a table of its own (open addressing) that compiled code fills; only what was not met
before is looked at in Python. What is packed as a list or a map becomes JSON, once.
"""

import json
from typing import Any, Final

import msgpack
import numpy as np
import pyarrow as pa
from numba import njit

# Room for the texts of a piece whose every row has another, beside those of the pieces before it.
_MOST: Final = 1 << 18
_SLOTS: Final = 2 * _MOST
# Of a longer text some bytes tell where it is looked for, and all of them whether it is the same.
_WEIGHTS: Final = np.random.default_rng(0).integers(1, 1 << 62, 32, np.uint64) | np.uint64(1)


class RepeatedTexts:
    """The texts of one column, numbered in the order in which they were met."""

    def __init__(self) -> None:
        self._slots = np.empty(_SLOTS, np.int32)
        # Lists and maps have the negative of their length, as no text has.
        self._lengths = np.empty(_MOST, np.int64)
        self._starts = np.empty(_MOST, np.int64)
        self._bytes = np.empty(1 << 16, np.uint8)
        self._count = 0
        self._texts: list[str] = []
        self._unreadable: list[int] = []
        self._dictionary = pa.array([], pa.string())
        self._forget()

    def numbered(self, data: Any, starts: Any, lengths: Any, known: Any) -> pa.DictionaryArray | None:
        """The texts at `starts` in `data`, null where not `known`. None if one is not what this can read.

        Those with a negative length are packed lists or maps. There may be at most 2 ** 18 of them.
        """
        if self._count + len(starts) > _MOST:
            self._forget()
        numbers = np.zeros(len(starts), np.int32)
        row = 0
        while True:
            row, self._count = _number(
                data, row, starts, lengths, known, numbers, self._slots, self._bytes, self._starts, self._lengths,
                self._count, _WEIGHTS,
            )  # fmt: skip
            if row == len(starts):
                break
            more = np.empty(max(len(self._bytes), abs(int(lengths[row]))), np.uint8)
            self._bytes = np.concatenate((self._bytes, more))
        self._read_new()
        if self._unreadable and np.isin(numbers[known], self._unreadable).any():
            return None
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers, mask=None if known.all() else ~known), self._dictionary, safe=False
        )

    def _forget(self) -> None:
        self._slots.fill(-1)
        self._count = 0
        self._texts, self._unreadable = [], []
        self._dictionary = pa.array([], pa.string())

    def _read_new(self) -> None:
        if self._count == len(self._texts):
            return
        for number in range(len(self._texts), self._count):
            start, length = int(self._starts[number]), int(self._lengths[number])
            packed = self._bytes[start : start + abs(length)].tobytes()
            text = packed.decode("utf-8", "replace") if length >= 0 else _as_json(packed)
            if text is None:
                self._unreadable.append(number)
            self._texts.append(text or "")
        self._dictionary = pa.array(self._texts, pa.string())


def _as_json(packed: bytes) -> str | None:
    try:
        return json.dumps(msgpack.unpackb(packed, use_list=False, strict_map_key=False))
    except (ValueError, TypeError, msgpack.exceptions.UnpackException):
        return None


@njit(cache=True, nogil=True)
def _number(
    data: Any, first: int, starts: Any, lengths: Any, known: Any, numbers: Any,
    slots: Any, kept: Any, kept_starts: Any, kept_lengths: Any, count: int, weights: Any,
) -> "tuple[int, int]":  # fmt: skip
    """Number the texts of the rows from `first` on.

    Answers with the row where `kept` has no room for another text, or how many rows there are, and how many texts.
    """
    last = np.uint64(len(slots) - 1)
    end = 0 if count == 0 else kept_starts[count - 1] + abs(kept_lengths[count - 1])
    for row in range(first, len(starts)):
        if not known[row]:
            continue
        signed = lengths[row]
        length = abs(signed)
        text = data[starts[row] : starts[row] + length]
        slot = _place(text, weights) & last
        number = slots[slot]
        while number >= 0 and not (
            kept_lengths[number] == signed and _same(text, kept[kept_starts[number] : kept_starts[number] + length])
        ):
            slot = (slot + np.uint64(1)) & last
            number = slots[slot]
        if number < 0:
            if end + length > len(kept):
                return row, count
            kept[end : end + length] = text
            kept_starts[count], kept_lengths[count] = end, signed
            end += length
            number = count
            slots[slot] = count
            count += 1
        numbers[row] = number
    return len(starts), count


@njit(cache=True, nogil=True)
def _place(text: Any, weights: Any) -> Any:
    """Where to look for a text first: by its length and some of its bytes, evenly spread and at its end."""
    length = len(text)
    mixed = np.uint64(length)
    step = length // len(weights) + 1
    for weight, place in enumerate(range(0, length, step)):
        mixed += np.uint64(text[place]) * weights[weight]
    for place in range(1, min(length, 8) + 1):
        mixed += np.uint64(text[length - place]) * weights[place - 1]
    return mixed >> np.uint64(32)


@njit(cache=True, nogil=True)
def _same(one: Any, other: Any) -> Any:
    # Without a way out in the middle, which lets the compiler compare many at once.
    difference = np.uint8(0)
    for place in range(len(one)):
        difference |= one[place] ^ other[place]
    return difference == 0
