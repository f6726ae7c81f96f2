"""A column of raw rows (reports.rows) as an array of numbers: texts as the numbers they have, null as NaN, 0 or -1."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy.typing as npt


def column(table: pa.Table, name: str) -> pa.Array:
    """A column of a table in one piece, as it was read."""
    chunked = table[name]
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def floats(numbers: pa.Array) -> "npt.NDArray[np.float64]":
    """Numbers, null as NaN."""
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def nullable(numbers: "npt.NDArray[np.float64]") -> pa.Array:
    """The other way round: NaN as null, of numbers that stay where they are."""
    absent = np.isnan(numbers)
    known = pa.py_buffer(np.packbits(~absent, bitorder="little")) if absent.any() else None
    return pa.Array.from_buffers(pa.float64(), len(numbers), [known, pa.py_buffer(numbers)])


def known_or_zero(numbers: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
    """NaN as 0."""
    return np.where(np.isnan(numbers), 0.0, numbers)


def filled(numbers: pa.Array, absent: int = 0) -> "npt.NDArray[Any]":
    """Whole numbers, null as `absent`, of as many bytes as they came in."""
    known: npt.NDArray[Any] = (pc.fill_null(numbers, absent) if numbers.null_count else numbers).to_numpy()
    return known


def whole(numbers: pa.Array, absent: int = 0) -> "npt.NDArray[np.int64]":
    """Whole numbers, null as `absent`, with room to reckon."""
    return filled(numbers, absent).astype(np.int64, copy=False)


def codes(texts: pa.DictionaryArray) -> "npt.NDArray[Any]":
    """Which text of its dictionary each has, null as -1."""
    return filled(texts.indices, -1)


def chosen(values: "npt.NDArray[Any]", rows: "npt.NDArray[np.bool_]") -> "npt.NDArray[Any]":
    """The values of the chosen rows: as they stand if all are, as in most runs they are."""
    return values if rows.all() else values[rows]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of rows, most of which repeat: which of `names` each row has, -1 where it has none."""

    codes: "npt.NDArray[Any]"
    names: pa.Array

    @classmethod
    def of(cls, texts: pa.DictionaryArray) -> "Texts":
        """A column of them."""
        return cls(codes(texts), texts.dictionary)

    def counts(self, rows: "npt.NDArray[np.bool_]") -> "npt.NDArray[np.int64]":
        """How many of the chosen rows have each name; the last number is that of those that have none."""
        there = np.bincount(chosen(self.codes, rows).astype(np.int64) + 1, minlength=len(self.names) + 1)
        return np.roll(there, -1)

    def distinct(self, rows: "npt.NDArray[np.bool_]") -> int:
        """How many names the chosen rows have."""
        return int(np.count_nonzero(self.counts(rows)[:-1]))
