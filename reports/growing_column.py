"""A column that pieces are put behind one another in: in memory once, and in one piece, however many they are.

To keep all pieces and put them together at the end takes twice the memory, and to free so many leaves holes in it. To
let a column grow bit by bit takes the system longer than to decode what is in it: as much as is expected is asked for
at once, in huge pages, and takes memory only when it is written to.
"""

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# Where more comes than was expected. The old and the new are there at the same time then.
_GROWTH: Final = 1.5


def growing_column(kind: pa.DataType) -> "GrowingColumn":
    """A column of int64, float64, texts, or, for a dictionary, of texts of which each is kept once."""
    if pa.types.is_dictionary(kind):
        return RepeatedColumn()
    return TextColumn() if pa.types.is_string(kind) else NumberColumn(kind)


class GrowingColumn(ABC):
    """What all of them have: rows, of which some are null."""

    def __init__(self) -> None:
        self._rows = self._expected = 0
        self._known: _Growing | None = None

    @abstractmethod
    def expect(self, rows: int) -> None:
        """Make room for so many rows, which need not come."""
        self._expected = rows
        if self._known is not None:
            self._known.expect(rows)

    @abstractmethod
    def add(self, values: "Sequence[object]") -> None:
        """Put values behind the others as a `.rows` file has them, None for null.

        Raises:
            pa.ArrowException, OverflowError: one is not of this kind.
        """

    @abstractmethod
    def put_nulls(self, rows: int) -> None:
        """Put as many nulls behind the others."""

    @abstractmethod
    def array(self) -> pa.Array:
        """All of it. Nothing can be added any more."""

    def _count(self, rows: int, known: "npt.NDArray[np.bool_] | None") -> None:
        if known is not None and self._known is None:
            self._known = _Growing(np.dtype(np.bool_))
            self._known.expect(self._expected)
            self._known.add(np.ones(self._rows, np.bool_))
        if self._known is not None:
            self._known.add(np.ones(rows, np.bool_) if known is None else known)
        self._rows += rows

    def _bits(self) -> pa.Buffer | None:
        return None if self._known is None else pa.py_buffer(np.packbits(self._known.array(), bitorder="little"))


class NumberColumn(GrowingColumn):
    """Floats, of which NaN and the infinities are no times: null. Or whole numbers, in as few bytes as they take."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__()
        self._kind = kind
        self.is_float = pa.types.is_floating(kind)
        self._values = _Growing(np.dtype(np.float64 if self.is_float else np.int8))

    def expect(self, rows: int) -> None:  # noqa: D102
        super().expect(rows)
        self._values.expect(rows)

    def add(self, values: "Sequence[object]") -> None:  # noqa: D102
        array = pa.array(values, self._kind)
        if self.is_float:
            array = pc.if_else(pc.is_finite(array), array, None)
        known = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
        self.put(array.fill_null(0).to_numpy(), known)

    def put(self, values: "npt.NDArray[Any]", known: "npt.NDArray[np.bool_] | None") -> None:
        """Put numbers behind the others, null where not `known`; None if all are."""
        if not self.is_float and len(values):
            furthest = max(int(values.max()), ~int(values.min()))
            self._values.widen(np.min_scalar_type(~furthest))
        self._values.add(values)
        self._count(len(values), known)

    def put_nulls(self, rows: int) -> None:  # noqa: D102
        self.put(np.zeros(rows, self._values.kind), np.zeros(rows, np.bool_))

    def array(self) -> pa.Array:  # noqa: D102
        kind = pa.from_numpy_dtype(self._values.kind)
        return pa.Array.from_buffers(kind, self._rows, [self._bits(), pa.py_buffer(self._values.array())])


class TextColumn(GrowingColumn):
    """Texts of which every row has another."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = _Growing(np.dtype(np.uint8))
        # Where each ends, behind where the first begins.
        self._ends = _Growing(np.dtype(np.int64))
        self._ends.add(np.zeros(1, np.int64))

    def expect(self, rows: int) -> None:  # noqa: D102
        super().expect(rows)
        self._ends.expect(rows + 1)
        if self._rows:
            self._bytes.expect(rows * self._bytes.size // self._rows)

    def add(self, values: "Sequence[object]") -> None:  # noqa: D102
        texts = [value if value is None else as_text(value).encode() for value in values]
        ends = np.cumsum([0 if text is None else len(text) for text in texts], dtype=np.int64)
        known = np.array([text is not None for text in texts], np.bool_)
        self.put(np.frombuffer(b"".join(filter(None, texts)), np.uint8), ends, None if known.all() else known)

    def put(
        self, texts: "npt.NDArray[np.uint8]", ends: "npt.NDArray[np.int64]", known: "npt.NDArray[np.bool_] | None"
    ) -> None:
        """Put texts behind the others, null where not `known`: all of them in UTF-8, and where in it each one ends."""
        self._ends.add(ends + self._bytes.size)
        self._bytes.add(texts)
        self._count(len(ends), known)

    def put_nulls(self, rows: int) -> None:  # noqa: D102
        self.put(np.zeros(0, np.uint8), np.zeros(rows, np.int64), np.zeros(rows, np.bool_))

    def array(self) -> pa.Array:
        """All of it, with room for more than 2 GB of texts. Nothing can be added any more."""
        buffers = [self._bits(), pa.py_buffer(self._ends.array()), pa.py_buffer(self._bytes.array())]
        return pa.Array.from_buffers(pa.large_string(), self._rows, buffers)


class RepeatedColumn(GrowingColumn):
    """Texts of which each is kept once. Their numbers take as few bytes as they can."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = _Growing(np.dtype(np.int8))
        self._texts: dict[str, int] = {}

    def number(self, value: object) -> int:
        """The number of a text, or of what else stands in its place."""
        return self._texts.setdefault(as_text(value), len(self._texts))

    def expect(self, rows: int) -> None:  # noqa: D102
        super().expect(rows)
        self._numbers.expect(rows)

    def add(self, values: "Sequence[object]") -> None:  # noqa: D102
        texts = [value if value is None else as_text(value) for value in values]
        numbers = {text: 0 if text is None else self.number(text) for text in dict.fromkeys(texts)}
        known = np.array([text is not None for text in texts], np.bool_) if None in numbers else None
        self.put(np.fromiter(map(numbers.__getitem__, texts), np.int64, len(texts)), known)

    def put(self, numbers: "npt.NDArray[np.int64]", known: "npt.NDArray[np.bool_] | None") -> None:
        """Put texts behind the others by their numbers, null where not `known`."""
        self._numbers.widen(np.min_scalar_type(-len(self._texts) - 1))
        self._numbers.add(numbers)
        self._count(len(numbers), known)

    def put_nulls(self, rows: int) -> None:  # noqa: D102
        self.put(np.zeros(rows, np.int64), np.zeros(rows, np.bool_))

    def array(self) -> pa.Array:  # noqa: D102
        kind = pa.from_numpy_dtype(self._numbers.kind)
        numbers = pa.Array.from_buffers(kind, self._rows, [self._bits(), pa.py_buffer(self._numbers.array())])
        return pa.DictionaryArray.from_arrays(numbers, pa.array(list(self._texts), pa.string()))


class _Growing:
    def __init__(self, kind: "np.dtype[Any]") -> None:
        self._room: npt.NDArray[Any] = np.empty(0, kind)
        self.size = 0

    def expect(self, size: int) -> None:
        if size > len(self._room):
            self._move(np.empty(size, self._room.dtype))

    def add(self, values: "npt.NDArray[Any]") -> None:
        size = self.size + len(values)
        if size > len(self._room):
            self._move(np.empty(int(size * _GROWTH), self._room.dtype))
        self._room[self.size : size] = values
        self.size = size

    @property
    def kind(self) -> "np.dtype[Any]":
        return self._room.dtype

    def widen(self, kind: "np.dtype[Any]") -> None:
        """Make room for larger numbers, if it is needed."""
        if kind.itemsize > self._room.itemsize:
            self._move(np.empty(len(self._room), kind))

    def array(self) -> "npt.NDArray[Any]":
        return self._room[: self.size]

    def _move(self, room: "npt.NDArray[Any]") -> None:
        room[: self.size] = self._room[: self.size]
        self._room = room


def as_text(value: object) -> str:
    """A value as a text: itself if it is one, else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return _as_json(value)
    except RecursionError:
        return "nested too deeply to be told"


def _as_json(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)
