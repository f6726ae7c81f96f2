"""The compiled code that takes packed rows apart: numbers as they are, texts as the number under which they are known.

All of it is in one file, since what numba keeps compiled lasts until the file it stands in changes, whatever it calls.
Bytes are read eight at a time wherever that helps, so that every array of bytes has SLACK of them behind its last.
"""

from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

SLACK: Final = 64

# What a column is wanted for.
SKIPPED, WHOLE, NUMBER, TEXT, REPEATED = range(5)
# Why decoding stopped: no room for another row, the data ends, a value that is not read here, no room for a new text.
FULL, CUT, OTHER, CROWDED = range(4)
# What is known of a text that repeats: where its packed bytes are kept, how many, whose it is, its number there.
START, LENGTH, COLUMN, CODE = range(4)
# Its number as long as nobody has read it, and if it is not what this can read.
UNREAD, UNREADABLE = -1, -2
# A row of more bytes is left to the library; so all that is counted in one fits 32 bits.
MOST_ROW: Final = 64 << 20
# How many places there are to look for a text, and for a list or map by its beginning, as a power of two.
SLOT_BITS: Final = 19
RECENT_BITS: Final = 8

# Nothing here makes an array or keeps one. To count references to them, which numba does wherever a function is handed
# one, took four times as long as all the rest; `_nrt` is numba's own option, and without it this is right too.
# A function that is called for each value has to stand in its place.
_njit: Final[Any] = njit
_compiled: Final = _njit(cache=True, nogil=True, _nrt=False)
_inlined: Final = _njit(cache=True, nogil=True, _nrt=False, forceinline=True)
_instruction: Final[Any] = intrinsic

# From here on a float does not hold every whole number.
_LARGEST_WHOLE: Final = 1 << 53
# Of the bits of a float, those that are all set in NaN and the infinities.
_EXPONENT: Final = np.uint64(0x7FF0000000000000)
_HIGH_BITS: Final = np.uint64(0x8080808080808080)
_EIGHT: Final = np.uint64(8)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
# Odd and at random: the highest bits of a sum of products with them are spread evenly, whatever words have in common.
_WEIGHTS: Final = np.random.default_rng(0).integers(1, 1 << 62, 19, np.uint64) | np.uint64(1)
_OF_LENGTH, _OF_COLUMN, _OF_REST = 16, 17, 18
_SLOT: Final = np.uint64(64 - SLOT_BITS)
_RECENT: Final = np.uint64(64 - RECENT_BITS)


@_instruction
def _eight(_typing: Any, data: Any, at: Any) -> Any:
    """The eight bytes from `at` on as one number, the first as its lowest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments), align=1)

    return types.uint64(data, at), generate


@_instruction
def _put_eight(_typing: Any, data: Any, at: Any, _word: Any) -> Any:
    """The other way round."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature, arguments), align=1)
        return context.get_dummy_value()

    return types.void(data, at, types.uint64), generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), context.get_value_type(types.uint64).as_pointer())


@_instruction
def _turned(_typing: Any, _word: Any) -> Any:
    """A word from its last byte to its first: packed numbers begin with their highest."""
    return types.uint64(types.uint64), lambda _context, builder, _signature, arguments: builder.bswap(arguments[0])


@_compiled
def decode(
    data: Any, size: int, at: int, kinds: Any, values: Any, numbers: Any, known: Any, nulls: Any, fresh: Any,
    slots: Any, recent: Any, entries: Any, kept: Any, used: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Decode rows from `at` on until there is no room, the data ends at `size`, or one has what is not read here.

    Row by row each column of `values` gets a whole number; a text that repeats, its number in its column, or the
    complement of its entry if it has none as yet, which `fresh` counts; any other text, where it begins, and its length
    in the lower half. `numbers` are the same bits, for floats. What is null is 0 and not `known`, all of which has to
    be true before, and `nulls` counts it.
    Answers with how many rows, where the next begins, and why it stopped.
    """
    columns, room = values.shape
    for row in range(room):
        here = at
        if here + 3 > size:
            return row, at, CUT
        lead = np.int64(data[here])
        if lead & 0xF0 == 0x90:
            found, here = lead & 0x0F, here + 1
        elif lead == 0xDC:
            found, here = np.int64(data[here + 1]) << 8 | np.int64(data[here + 2]), here + 3
        else:
            return row, at, OTHER
        if found != columns:
            return row, at, OTHER
        for column in range(columns):
            if here >= size:
                return row, at, CUT
            kind, lead = kinds[column], np.int64(data[here])
            if lead == 0xC0:
                values[column, row], known[column, row] = 0, False
                nulls[column] += 1
                here += 1
            elif kind == NUMBER and lead == 0xCB:
                bits = _turned(_eight(data, here + 1))
                if bits & _EXPONENT == _EXPONENT:
                    bits, known[column, row] = np.uint64(0), False
                    nulls[column] += 1
                values[column, row] = np.int64(bits)
                here += 9
            elif kind in (NUMBER, WHOLE):
                value, length = _integer(data, here, lead)
                if here + abs(length) > size:
                    return row, at, CUT
                if length <= 0 or (kind == NUMBER and (value > _LARGEST_WHOLE or value < -_LARGEST_WHOLE)):
                    return row, at, OTHER
                if kind == WHOLE:
                    values[column, row] = value
                else:
                    numbers[column, row] = float(value)
                here += length
            elif kind == REPEATED:
                entry, length = _entry(data, size, here, lead, column, slots, recent, entries, kept, used)
                if entry < 0:
                    return row, at, -entry
                code = entries[entry, CODE]
                if code < 0:
                    code = ~np.int64(entry)
                    fresh[column] += 1
                values[column, row] = code
                here += length
            elif kind == TEXT:
                start, length = _text(data, size, here, lead)
                if length < 0:
                    return row, at, -length
                if start + length > size:
                    return row, at, CUT
                if not _ascii(data, start, length):
                    return row, at, OTHER
                values[column, row] = start << 32 | length
                here = start + length
            else:
                # What is in a list or a map may be no row to the library.
                here = -OTHER if _listed(lead) else _beyond(data, size, here)
                if here < 0:
                    return row, at, -here
        if here > size:
            return row, at, CUT
        at = here
    return room, at, FULL


@_compiled
def gather(data: Any, spans: Any, known: Any, texts: Any, ends: Any) -> int:
    """Texts one behind the other, and where each ends. Answers with how many bytes they take.

    `spans` are as `decode` leaves them, and `texts` has to have room for all of them.
    """
    end = 0
    for row in range(len(spans)):
        if known[row]:
            length = spans[row] & 0xFFFFFFFF
            _copy(data, spans[row] >> 32, texts, end, length)
            end += length
        ends[row] = end
    return end


@_inlined
def _integer(data: Any, at: int, lead: Any) -> Any:
    """A whole number and how many bytes it takes; 0 if it is none, and less if it does not fit 64 bits with a sign."""
    if lead <= 0x7F:
        return lead, 1
    if lead >= 0xE0:
        return lead - 256, 1
    if lead < 0xCC or lead > 0xD3:
        return np.int64(0), 0
    size = 1 << (lead & 3)
    word = _turned(_eight(data, at + 1))
    unused = np.int64(64 - 8 * size)
    if lead >= 0xD0:
        return np.int64(word) >> unused, 1 + size
    value = np.int64(word >> np.uint64(unused))
    return value, 1 + size if value >= 0 else -1 - size


@_inlined
def _text(data: Any, size: int, at: int, lead: Any) -> Any:
    """Where a text begins, and its length; else the negative of why that is not known."""
    if lead & 0xE0 == 0xA0:
        return at + 1, lead & 0x1F
    if lead < 0xD9 or lead > 0xDB:
        return at, np.int64(-OTHER)
    width = 1 << (lead - 0xD9)
    if at + 1 + width > size:
        return at, np.int64(-CUT)
    length = np.int64(_turned(_eight(data, at + 1)) >> np.uint64(64 - 8 * width))
    return at + 1 + width, length


@_inlined
def _listed(lead: Any) -> Any:
    return lead & 0xE0 == 0x80 or (lead >= 0xDC and lead <= 0xDF)


@_inlined
def _beyond(data: Any, size: int, at: Any) -> Any:
    """Where the value that begins at `at` has ended; else the negative of why that is not known."""
    left = np.int64(1)
    while left:
        if at >= size:
            return -CUT
        lead = np.int64(data[at])
        left -= 1
        if lead <= 0x7F or lead >= 0xE0:
            at += 1
        elif lead & 0xE0 == 0xA0:
            at += 1 + (lead & 0x1F)
        elif lead == 0xCA:
            at += 5
        elif lead == 0xCB:
            at += 9
        elif lead >= 0xCC and lead <= 0xD3:
            at += 1 + (1 << (lead & 3))
        elif lead & 0xF0 == 0x90:
            left, at = left + (lead & 0x0F), at + 1
        elif lead & 0xF0 == 0x80:
            left, at = left + 2 * (lead & 0x0F), at + 1
        elif lead == 0xC0 or lead == 0xC2 or lead == 0xC3:
            at += 1
        elif lead >= 0xDC:
            width = 2 if lead == 0xDC or lead == 0xDE else 4
            inside = np.int64(_turned(_eight(data, at + 1)) >> np.uint64(64 - 8 * width))
            left, at = left + (inside if lead <= 0xDD else 2 * inside), at + 1 + width
        else:
            start, length = _text(data, size, at, lead)
            if length < 0:
                return length
            at = start + length
    return -CUT if at > size else at


@_inlined
def _entry(
    data: Any, size: int, at: int, lead: Any, column: int, slots: Any, recent: Any, entries: Any, kept: Any, used: Any
) -> Any:
    """The entry of a text, list or map, and how many bytes it takes; else the negative of why there is none."""
    listed = _listed(lead)
    near = np.int64(0)
    if listed:
        # No packed value begins another: what begins as one that is known is that one, and need not be walked through.
        near = np.int64(_mixed(data, at, 32, column) >> _RECENT)
        entry = recent[near]
        if entry >= 0:
            length = entries[entry, LENGTH]
            if at + length <= size and _is(entry, data, at, length, column, entries, kept):
                return np.int64(entry), length
        end = _beyond(data, size, at)
        if end < 0:
            return end, np.int64(0)
        length = end - at
    else:
        start, length = _text(data, size, at, lead)
        if length < 0:
            return length, np.int64(0)
        length += start - at
        if at + length > size:
            return np.int64(-CUT), np.int64(0)
    found = _known_entry(data, at, length, column, slots, entries, kept, used)
    if listed and found >= 0:
        recent[near] = found
    return found, length


@_inlined
def _known_entry(data: Any, at: int, length: Any, column: int, slots: Any, entries: Any, kept: Any, used: Any) -> Any:
    last = len(slots) - 1
    slot = np.int64(_mixed(data, at, length, column) >> _SLOT)
    entry = np.int64(slots[slot])
    while entry >= 0:
        if _is(entry, data, at, length, column, entries, kept):
            return entry
        slot = (slot + 1) & last
        entry = np.int64(slots[slot])
    entry, end = used[0], used[1]
    if entry == len(entries) or end + length + SLACK > len(kept):
        return np.int64(-CROWDED)
    _copy(data, at, kept, end, length)
    entries[entry, START], entries[entry, LENGTH] = end, length
    entries[entry, COLUMN], entries[entry, CODE] = column, UNREAD
    slots[slot] = entry
    used[0], used[1] = entry + 1, end + length
    return entry


@_inlined
def _mixed(data: Any, at: int, length: Any, column: int) -> Any:
    """A number for a text of a column, of which the highest bits say where to look for it."""
    mixed = np.uint64(length) * _WEIGHTS[_OF_LENGTH] + np.uint64(column) * _WEIGHTS[_OF_COLUMN]
    for word in range(length >> 3):
        mixed += _eight(data, at + 8 * word) * _WEIGHTS[word & 15]
    return mixed + _rest(data, at, length) * _WEIGHTS[_OF_REST]


@_inlined
def _is(entry: Any, data: Any, at: int, length: Any, column: int, entries: Any, kept: Any) -> Any:
    return (
        entries[entry, LENGTH] == length
        and entries[entry, COLUMN] == column
        and _same(data, at, kept, entries[entry, START], length)
    )


@_inlined
def _same(data: Any, at: int, kept: Any, start: Any, length: Any) -> Any:
    for place in range(0, length - 7, 8):
        if _eight(data, at + place) != _eight(kept, start + place):
            return False
    return _rest(data, at, length) == _rest(kept, start, length)


@_inlined
def _ascii(data: Any, at: int, length: Any) -> Any:
    high = _rest(data, at, length)
    for place in range(0, length - 7, 8):
        high |= _eight(data, at + place)
    return high & _HIGH_BITS == np.uint64(0)


@_inlined
def _copy(data: Any, at: int, to: Any, begin: Any, length: Any) -> None:
    for place in range(0, length, 8):
        _put_eight(to, begin + place, _eight(data, at + place))


@_inlined
def _rest(data: Any, at: int, length: Any) -> Any:
    """What is behind the last of the eights, with zeros where the next value begins."""
    left = np.uint64(length & 7)
    word = _eight(data, at + (length & ~7))
    return word & ~(_ALL << (left * _EIGHT))
