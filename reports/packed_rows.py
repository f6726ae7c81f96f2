"""Rows of a large `.rows` file, decoded by compiled code straight into columns.

What it reads is what a load test writes: rows as flat arrays of numbers, texts in ASCII and null, and lists or maps
where a text is wanted. Anything else it leaves to the msgpack library, which decides what that means; so it never reads
a row differently, only sooner.
"""

from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numba import njit

from reports.repeated_texts import RepeatedTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

_PIECE: Final = 50_000
_CHUNK: Final = 16 << 20

_SKIPPED, _WHOLE, _NUMBER, _TEXT = range(4)
_FULL, _CUT, _OTHER = range(3)
# From here on a float does not hold every whole number.
_LARGEST_WHOLE: Final = 1 << 53
# Of the bits of a float, those that are all set in NaN and the infinities.
_EXPONENT: Final = np.uint64(0x7FF0000000000000)


class PackedRows:
    """The rows of an open file from `position` on, in pieces. `position` is where the next row begins."""

    def __init__(self, file: BinaryIO, position: int, columns: "Sequence[str]", schema: pa.Schema) -> None:
        self._file = file
        self._schema = schema
        self._column = {name: index for index, name in enumerate(columns)}
        self._kinds = np.zeros(len(columns), np.int8)
        for field in schema:
            if field.name in self._column:
                self._kinds[self._column[field.name]] = _kind(field.type)
        shape = (len(columns), _PIECE)
        self._known = np.zeros(shape, np.bool_)
        self._whole = np.zeros(shape, np.int64)
        self._numbers = np.zeros(shape, np.float64)
        self._starts = np.zeros(shape, np.int64)
        self._lengths = np.zeros(shape, np.int64)
        self._repeated = {field.name: RepeatedTexts() for field in schema if pa.types.is_dictionary(field.type)}
        self._data = np.zeros(0, np.uint8)
        self._at = 0
        self.position = position

    def go_to(self, position: int) -> None:
        """Go on from another row."""
        self.position = position
        self._data, self._at = np.zeros(0, np.uint8), 0

    def next(self) -> pa.RecordBatch | None:
        """The next rows; None where the file ends, or goes on with what is left to the library.

        They stand as long as nothing more is asked for: what comes next is decoded into the same place.
        """
        rows, at, stopped = self._decode()
        # The data in hand ends in the middle of a row: put more behind it, as long as there is more.
        while not rows and stopped == _CUT and self._read_on():
            rows, at, stopped = self._decode()
        if not rows:
            return None
        columns = [self._array(field, rows) for field in self._schema]
        if any(column is None for column in columns):
            return None
        self.position += at - self._at
        self._at = at
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _decode(self) -> tuple[int, int, int]:
        rows, at, stopped = _decode(
            self._data, self._at, self._kinds, self._known, self._whole, self._numbers,
            self._numbers.view(np.uint64), self._starts, self._lengths,
        )  # fmt: skip
        return int(rows), int(at), int(stopped)

    def _read_on(self) -> bool:
        rest = self._data[self._at :]
        self._file.seek(self.position + len(rest))
        more = self._file.read(_CHUNK)
        self._data, self._at = np.concatenate((rest, np.frombuffer(more, np.uint8))), 0
        return bool(more)

    def _array(self, field: pa.Field, rows: int) -> pa.Array | None:
        column = self._column.get(field.name)
        if column is None:
            return pa.nulls(rows, field.type)
        known = self._known[column, :rows]
        absent = None if known.all() else ~known
        if field.type == pa.int64():
            return pa.array(self._whole[column, :rows], mask=absent)
        if field.type == pa.float64():
            return pa.array(self._numbers[column, :rows], mask=absent)
        starts, lengths = self._starts[column, :rows], self._lengths[column, :rows]
        if field.name in self._repeated:
            return self._repeated[field.name].numbered(self._data, starts, lengths, known)
        offsets, texts, plain = _gather(self._data, starts, lengths, known)
        if not plain:
            return None
        bits = None if absent is None else pa.py_buffer(np.packbits(known, bitorder="little"))
        return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(texts), bits)


def _kind(wanted: pa.DataType) -> int:
    return {pa.int64(): _WHOLE, pa.float64(): _NUMBER}.get(wanted, _TEXT)


@njit(cache=True, nogil=True)
def _decode(
    data: Any, at: int, kinds: Any, known: Any, whole: Any, numbers: Any, bits: Any, starts: Any, lengths: Any
) -> tuple[int, int, int]:
    """Decode rows from `at` on until there is no room, the data ends, or one has what is not read here.

    `bits` are those of `numbers`: a float is put there as it stands.
    Answers with how many rows, where the next begins, and which of the three it was.
    """
    columns, room = known.shape
    for row in range(room):
        here = at
        if here + 3 > len(data):
            return row, at, _CUT
        lead = data[here]
        if lead & 0xF0 == 0x90:
            size, here = lead & 0x0F, here + 1
        elif lead == 0xDC:
            size, here = data[here + 1] << 8 | data[here + 2], here + 3
        else:
            return row, at, _OTHER
        if size != columns:
            return row, at, _OTHER
        for column in range(columns):
            if here >= len(data):
                return row, at, _CUT
            kind, lead = kinds[column], data[here]
            if lead == 0xC0:
                known[column, row] = False
                here += 1
                continue
            known[column, row] = True
            if kind == _SKIPPED:
                here = _beyond(data, here)
                if here < 0:
                    return row, at, _CUT if here == -1 else _OTHER
                continue
            if kind == _TEXT:
                start, length = _text(data, here)
                if length >= 0:
                    starts[column, row], lengths[column, row] = start, length
                    here = start + length
                    if here > len(data):
                        return row, at, _CUT
                    continue
                if length == -1:
                    return row, at, _CUT
                # A list or a map; what else is no text is left to the library.
                if not (lead & 0xE0 == 0x80 or (lead >= 0xDC and lead <= 0xDF)):
                    return row, at, _OTHER
                start, here = here, _beyond(data, here)
                if here < 0:
                    return row, at, _CUT if here == -1 else _OTHER
                starts[column, row], lengths[column, row] = start, start - here
                continue
            if here + _number_size(lead) > len(data):
                return row, at, _CUT
            if lead == 0xCB:
                if kind == _WHOLE:
                    return row, at, _OTHER
                number = _eight(data, here + 1)
                bits[column, row] = number
                known[column, row] = number & _EXPONENT != _EXPONENT
            elif lead <= 0x7F or lead >= 0xE0 or (lead >= 0xCC and lead <= 0xD3):
                value, fits = _integer(data, here)
                if not fits or (kind == _NUMBER and abs(value) > _LARGEST_WHOLE):
                    return row, at, _OTHER
                if kind == _WHOLE:
                    whole[column, row] = value
                else:
                    numbers[column, row] = float(value)
            else:
                return row, at, _OTHER
            here += _number_size(lead)
        at = here
    return room, at, _FULL


@njit(cache=True, nogil=True)
def _number_size(lead: Any) -> int:
    """How many bytes a number takes, its first among them."""
    if lead == 0xCB or lead == 0xCF or lead == 0xD3:
        return 9
    if lead == 0xCA or lead == 0xCE or lead == 0xD2:
        return 5
    if lead == 0xCD or lead == 0xD1:
        return 3
    return 2 if lead == 0xCC or lead == 0xD0 else 1


@njit(cache=True, nogil=True)
def _big_endian(data: Any, at: int, size: int) -> Any:
    value = np.uint64(0)
    for place in range(size):
        value = value << np.uint64(8) | np.uint64(data[at + place])
    return value


@njit(cache=True, nogil=True)
def _integer(data: Any, at: int) -> Any:
    """A whole number, and whether it fits 64 bits with a sign."""
    lead = np.int64(data[at])
    if lead <= 0x7F:
        return lead, True
    if lead >= 0xE0:
        return lead - 256, True
    size = _number_size(lead) - 1
    value = _big_endian(data, at + 1, size)
    if lead <= 0xCF:
        return np.int64(value), value <= np.uint64(0x7FFFFFFFFFFFFFFF)
    unused = np.int64(64 - 8 * size)
    return np.int64(value << np.uint64(unused)) >> unused, True


@njit(cache=True, nogil=True)
def _eight(data: Any, at: int) -> Any:
    """Eight bytes at once: the compiler makes one load of this, which it does not of a loop."""
    first = np.uint64(data[at]) << np.uint64(56) | np.uint64(data[at + 1]) << np.uint64(48)
    second = np.uint64(data[at + 2]) << np.uint64(40) | np.uint64(data[at + 3]) << np.uint64(32)
    third = np.uint64(data[at + 4]) << np.uint64(24) | np.uint64(data[at + 5]) << np.uint64(16)
    return first | second | third | np.uint64(data[at + 6]) << np.uint64(8) | np.uint64(data[at + 7])


@njit(cache=True, nogil=True)
def _text(data: Any, at: int) -> Any:
    """Where a text begins, and its length; -1 where the data ends before that is known, -2 where it is no text."""
    lead = data[at]
    if lead & 0xE0 == 0xA0:
        return at + 1, np.int64(lead & 0x1F)
    if lead < 0xD9 or lead > 0xDB:
        return at, -2
    size = 1 << (lead - 0xD9)
    if at + 1 + size > len(data):
        return at, -1
    return at + 1 + size, np.int64(_big_endian(data, at + 1, size))


@njit(cache=True, nogil=True)
def _beyond(data: Any, at: Any) -> Any:
    """Where the value that begins at `at` has ended; -1 where the data ends first, -2 where it is of another kind."""
    left: Any = 1
    while left:
        if at >= len(data):
            return -1
        lead = data[at]
        left -= 1
        if lead <= 0x7F or lead >= 0xE0 or (lead >= 0xCA and lead <= 0xD3):
            at += _number_size(lead)
        elif lead == 0xC0 or lead == 0xC2 or lead == 0xC3:
            at += 1
        elif lead & 0xF0 == 0x90:
            left, at = left + (lead & 0x0F), at + 1
        elif lead & 0xF0 == 0x80:
            left, at = left + 2 * (lead & 0x0F), at + 1
        elif lead >= 0xDC and lead <= 0xDF:
            size = 2 if lead == 0xDC or lead == 0xDE else 4
            if at + 1 + size > len(data):
                return -1
            inside = np.int64(_big_endian(data, at + 1, size))
            left, at = left + (inside if lead <= 0xDD else 2 * inside), at + 1 + size
        else:
            start, length = _text(data, at)
            if length < 0:
                return length
            at = start + length
    return -1 if at > len(data) else at


@njit(cache=True, nogil=True)
def _gather(data: Any, starts: Any, lengths: Any, known: Any) -> Any:
    """Texts one behind the other, where each begins, and whether all of them are texts, and ASCII."""
    rows = len(starts)
    offsets = np.zeros(rows + 1, np.int32)
    for row in range(rows):
        if known[row] and lengths[row] < 0:
            return offsets, np.empty(0, np.uint8), False
        offsets[row + 1] = offsets[row] + (lengths[row] if known[row] else 0)
    texts = np.empty(offsets[rows], np.uint8)
    highest = np.uint8(0)
    for row in range(rows):
        if known[row]:
            for place in range(lengths[row]):
                byte = data[starts[row] + place]
                highest |= byte
                texts[offsets[row] + place] = byte
    return offsets, texts, highest < 0x80
