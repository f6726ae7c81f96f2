"""A column that pieces are put behind one another in: in memory once, and in one piece, however many they are.

To keep all pieces and put them together at the end takes twice the memory, and to free so many leaves holes in it.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import numpy.typing as npt

# So much is added at a time at the most: what lies free is memory all the same.
_MOST_STEP_BYTES: Final = 4 << 20


class GrowingColumn:
    """A column of int64, float64, texts, or texts of which each is kept once."""

    def __init__(self, kind: pa.DataType) -> None:
        self._kind = kind
        self._rows = 0
        self._values = _Growing(np.dtype(kind.to_pandas_dtype()) if pa.types.is_primitive(kind) else np.dtype(np.int8))
        self._known: _Growing | None = None
        self._texts: dict[str, int] = {}
        self._numbering: tuple[pa.Array, npt.NDArray[np.int32]] | None = None
        self._bytes = _Growing(np.dtype(np.uint8))
        self._ends = _Growing(np.dtype(np.int64))

    def add(self, piece: pa.Array) -> None:
        """Put a piece behind the others; it is not kept."""
        if piece.null_count and self._known is None:
            self._known = _Growing(np.dtype(np.bool_))
            self._known.add(np.ones(self._rows, np.bool_))
        if self._known is not None:
            self._known.add(piece.is_valid().to_numpy(zero_copy_only=False))
        if pa.types.is_dictionary(self._kind):
            numbers = _filled(piece.indices)
            if len(piece.dictionary):
                numbers = self._numbers(piece.dictionary)[numbers]
            self._values.widen(np.min_scalar_type(-len(self._texts) - 1))
            self._values.add(numbers)
        elif pa.types.is_string(self._kind):
            _, ends, data = piece.buffers()
            bounds = np.frombuffer(ends, np.int32)[piece.offset : piece.offset + len(piece) + 1].astype(np.int64)
            self._ends.add(bounds[1:] - bounds[0] + self._bytes.size)
            if data is not None:
                self._bytes.add(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]])
        else:
            self._values.add(_filled(piece))
        self._rows += len(piece)

    def array(self) -> pa.Array:
        """All of it; texts with room for more than 2 GB of them. Nothing can be added any more."""
        known = None if self._known is None else pa.py_buffer(np.packbits(self._known.array(), bitorder="little"))
        if pa.types.is_string(self._kind):
            ends = np.concatenate((np.zeros(1, np.int64), self._ends.array()))
            buffers = [known, pa.py_buffer(ends), pa.py_buffer(self._bytes.array())]
            return pa.Array.from_buffers(pa.large_string(), self._rows, buffers)
        whole = [known, pa.py_buffer(self._values.array())]
        if not pa.types.is_dictionary(self._kind):
            return pa.Array.from_buffers(self._kind, self._rows, whole)
        numbers = pa.Array.from_buffers(pa.from_numpy_dtype(self._values.kind), self._rows, whole)
        return pa.DictionaryArray.from_arrays(numbers, pa.array(list(self._texts), pa.string()))

    def _numbers(self, dictionary: pa.Array) -> "npt.NDArray[np.int32]":
        """What the texts of a piece are called here: each piece has numbered them by itself."""
        if self._numbering is None or not self._numbering[0].equals(dictionary):
            numbers = [self._texts.setdefault(text, len(self._texts)) for text in dictionary.to_pylist()]
            self._numbering = dictionary, np.array(numbers, np.int32)
        return self._numbering[1]


class _Growing:
    def __init__(self, kind: "np.dtype[Any]") -> None:
        self._room: npt.NDArray[Any] = np.empty(0, kind)
        self.size = 0

    def add(self, values: "npt.NDArray[Any]") -> None:
        size = self.size + len(values)
        if size > len(self._room):
            step = min(size, _MOST_STEP_BYTES // self._room.itemsize)
            # Nobody else has it until it is whole.
            self._room.resize(size + step, refcheck=False)
        self._room[self.size : size] = values
        self.size = size

    @property
    def kind(self) -> "np.dtype[Any]":
        return self._room.dtype

    def widen(self, kind: "np.dtype[Any]") -> None:
        """Make room for larger numbers, if it is needed."""
        if kind.itemsize > self._room.itemsize:
            self._room = self._room.astype(kind)

    def array(self) -> "npt.NDArray[Any]":
        self._room.resize(self.size, refcheck=False)
        return self._room


def _filled(numbers: pa.Array) -> "npt.NDArray[Any]":
    filled: npt.NDArray[Any] = (numbers.fill_null(0) if numbers.null_count else numbers).to_numpy()
    return filled
