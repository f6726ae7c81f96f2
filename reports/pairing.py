"""Which result and which dead letter belongs to which request, and which of several rows of one request counts.

Rows are brought together by buffer and sequence number: each is put in the place of its number. A sequence number is
sent once, but a connection that broke may have carried it twice: of several results the one stored first wins, and
every further delivery is a duplicate. A record so broken that its sequence or its buffer cannot be read is found by its
request id. Few rows repeat or are so broken; they go a slower way than the others.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.outcome import accepted
from reports.places import Places
from reports.raw_column import codes, column, whole

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]
    Rows = npt.NDArray[np.int32]
    Flags = npt.NDArray[np.bool_]

NO_ROW: Final = -1


def row_index(rows: "Rows") -> pa.Array:
    """Numbers of rows to take, null for NO_ROW."""
    missing = rows == NO_ROW
    return pa.array(rows, mask=missing if missing.any() else None)


@dataclass(frozen=True, slots=True)
class Again:
    """What was stored more than once: the place of each such request, how many results it has, and in how many
    deliveries they were stored.
    """

    place: "Whole"
    results: "Whole"
    deliveries: "Whole"

    def part(self, begin: int, end: int) -> "Again":
        """Those from one place to another, as places from 0 on."""
        those = slice(*np.searchsorted(self.place, (begin, end)))
        return Again(self.place[those] - begin, self.results[those], self.deliveries[those])


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of a buffer, one a request: its place, and of each request_id, reason and how many letters."""

    place: "Whole"
    table: pa.Table

    def flags(self, size: int) -> "Flags":
        """Which of so many requests have one."""
        dead = np.zeros(size, np.bool_)
        dead[self.place] = True
        return dead

    def index(self, size: int) -> pa.Array:
        """Which row of the table each of so many requests has, null without a letter."""
        row = np.full(size, NO_ROW, np.int32)
        row[self.place] = np.arange(len(self.place))
        return row_index(row)

    def of(self, name: str, size: int) -> pa.Array:
        """What it says to each of so many requests, null without a letter."""
        return column(self.table, name).take(self.index(size))

    def part(self, begin: int, end: int) -> "Letters":
        """Those from one place to another, as places from 0 on."""
        first, last = np.searchsorted(self.place, (begin, end)).tolist()
        return Letters(self.place[first:last] - begin, self.table.slice(first, last - first))


@dataclass(frozen=True, slots=True)
class Paired:
    """The requests of a buffer in the order of their sequence numbers, each with the numbers of its row among requests
    and of its row among results, NO_ROW where it has none. `drained` says whether the buffer ran empty.
    """

    buffer: str
    drained: bool
    sequence: "Whole"
    sent: "Rows"
    result: "Rows"
    again: Again
    letters: Letters


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of a run's rows, by buffer in the order of their names.

    `repeated_requests` counts rows of requests beyond the first of a sequence number, `unidentified` results and dead
    letters of no request that is known.
    """

    of: "dict[str, Paired]"
    repeated_requests: int
    unidentified: int


def pair(requests: pa.Table, results: pa.Table, dead_letters: pa.Table, drained: "Collection[str]") -> Pairs:
    """Pair the rows. Each of requests names its buffer and its sequence; `drained` are the buffers that ran empty."""
    sent, stored, dead = (_Located(table, requests) for table in (requests, results, dead_letters))
    buffers = sorted({*sent.buffers, *stored.buffers, *dead.buffers})
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda buffer: _pair(buffer, buffer in drained, sent, stored, dead), buffers))
    return Pairs(
        # A name may be that of broken rows alone.
        {buffer: paired for buffer, (paired, _) in zip(buffers, found, strict=True) if len(paired.sequence)},
        sum(further for _, further in found),
        stored.unidentified + dead.unidentified,
    )


class _Located:
    """Rows of one kind, by the buffer and sequence that they belong to. `unidentified` belong to none."""

    def __init__(self, table: pa.Table, requests: pa.Table) -> None:
        self.table = table
        buffers, sequence = column(table, "buffer"), column(table, "sequence")
        self._sequence = whole(sequence)
        self._names: list[str] = buffers.dictionary.to_pylist()
        self._codes = codes(buffers)
        self._mended: dict[str, list[tuple[int, int]]] = {}
        self.unidentified = 0
        if buffers.null_count or sequence.null_count:
            broken = np.flatnonzero(np.asarray(pc.or_(buffers.is_null(), sequence.is_null())))
            self._mend(broken, requests)
            # Whatever they are found to be, they are not among the others.
            self._codes = self._codes.copy()
            self._codes[broken] = NO_ROW

    @property
    def buffers(self) -> "set[str]":
        """Every buffer that any of the rows names, or belongs to."""
        return {*self._names, *self._mended}

    def of(self, buffer: str) -> "tuple[Rows, Whole]":
        """The numbers of a buffer's rows, and their sequence numbers."""
        rows = np.empty(0, np.int32)
        if buffer in self._names:
            rows = np.flatnonzero(self._codes == self._names.index(buffer)).astype(np.int32)
        sequence = self._sequence[rows]
        mended = np.array(self._mended.get(buffer, ()), np.int64).reshape(-1, 2)
        if len(mended):
            rows = np.concatenate((rows, mended[:, 0].astype(np.int32)))
            sequence = np.concatenate((sequence, mended[:, 1]))
        return rows, sequence

    def _mend(self, broken: "Whole", requests: pa.Table) -> None:
        """Find out by their request ids where rows belong that name no buffer or no sequence."""
        few = self.table.take(pa.array(broken))
        theirs, ids = column(few, "request_id"), column(requests, "request_id")
        named = requests.take(pa.array(np.flatnonzero(np.asarray(pc.is_in(ids, theirs.drop_null())))))
        # Of several requests with one id the first.
        found = pc.index_in(theirs, column(named, "request_id"))
        request = named.select(["buffer", "sequence"]).take(found)
        for row, buffer, number in zip(
            broken.tolist(),
            pc.coalesce(_texts(few, "buffer"), _texts(request, "buffer")).to_pylist(),
            pc.coalesce(column(few, "sequence"), column(request, "sequence")).to_pylist(),
            strict=True,
        ):
            if buffer is None or number is None:
                self.unidentified += 1
            else:
                self._mended.setdefault(buffer, []).append((row, number))


def _pair(buffer: str, drained: bool, requests: _Located, results: _Located, dead: _Located) -> tuple[Paired, int]:
    """The pairs of a buffer, and how many rows of requests repeat a sequence number."""
    (sent_rows, sent), (result_rows, stored), (letter_rows, died) = (
        located.of(buffer) for located in (requests, results, dead)
    )
    places = Places(sent, stored, died)
    sent_at, repeated = _each_at_its_place(sent_rows, places.of(sent), places.size)
    requested = _of_requests(requests.table.take(repeated.rows), repeated.place)
    sent_at[requested.place] = repeated.rows[requested.first]
    further = len(repeated.rows) - len(requested.place)

    result_at, repeated = _each_at_its_place(result_rows, places.of(stored), places.size)
    few = results.table.take(repeated.rows)
    ended = _Grouped(repeated.place, {name: column(few, name) for name in ("stored_at", "request_id")})
    result_at[ended.place] = repeated.rows[ended.first]
    again = Again(ended.place, ended.sizes, ended.sums(whole(column(few, "deliveries"), 1)))

    letters = _letters(dead.table.take(letter_rows), places.of(died))
    sequence = places.numbers
    known = (sent_at != NO_ROW) | (result_at != NO_ROW)
    known[letters.place] = True
    if not known.all():
        kept = np.flatnonzero(known)
        sequence, sent_at, result_at = sequence[kept], sent_at[kept], result_at[kept]
        again = replace(again, place=np.searchsorted(kept, again.place))
        letters = replace(letters, place=np.searchsorted(kept, letters.place))
    return Paired(buffer, drained, sequence, sent_at, result_at, again, letters), further


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Rows whose place another row has, too: their numbers, and their places."""

    rows: "Rows"
    place: "Whole"


def _each_at_its_place(rows: "Rows", place: "Whole", size: int) -> "tuple[Rows, _Repeated]":
    """The number of the row of each place, and the rows that share theirs: one of them stands there, whichever."""
    at = np.full(size, NO_ROW, np.int32)
    at[place] = rows
    if np.count_nonzero(at != NO_ROW) == len(rows):
        return at, _Repeated(rows[:0], place[:0])
    shared = np.zeros(size, np.bool_)
    shared[place[at[place] != rows]] = True
    few = shared[place]
    return at, _Repeated(rows[few], place[few])


class _Grouped:
    """Rows that share places, in the order of what `keys` holds of them, null last, and then as they came.

    `place` has each place once, `first` which row is its first, and `sizes` how many it has.
    """

    def __init__(self, place: "Whole", keys: "Mapping[str, pa.Array]") -> None:
        table = pa.table({"place": place, **keys})
        sort_keys = [(name, "ascending") for name in table.schema.names]
        order = pc.sort_indices(table, sort_keys=sort_keys)
        self._order: Whole = order.to_numpy().astype(np.int64)
        ordered = place[self._order]
        begins = np.ones(len(ordered), np.bool_)
        begins[1:] = ordered[1:] != ordered[:-1]
        self._starts = np.flatnonzero(begins)
        self.place = ordered[self._starts]
        self.first = self._order[self._starts]
        self.sizes: Whole = np.diff(self._starts, append=len(place))

    def sums(self, values: "Whole") -> "Whole":
        """The sum of the values of each place."""
        if not len(values):
            return values
        return np.add.reduceat(values[self._order], self._starts)


def _of_requests(few: pa.Table, place: "Whole") -> _Grouped:
    """Of the rows of one request the one that was accepted counts, then one that was sent, then the first answered."""
    return _Grouped(
        place,
        {
            "refused": pa.array(~accepted(whole(column(few, "status")))).cast(pa.int8()),
            "unsent": column(few, "sent_at").is_null().cast(pa.int8()),
            "responded_at": column(few, "responded_at"),
            "request_id": column(few, "request_id"),
        },
    )


def _letters(dead: pa.Table, place: "Whole") -> Letters:
    reasons, ids = _texts(dead, "reason"), column(dead, "request_id")
    grouped = _Grouped(place, {"reason": reasons, "request_id": ids})
    first = pa.array(grouped.first)
    table = pa.table({"request_id": ids.take(first), "reason": reasons.take(first), "letters": grouped.sizes})
    return Letters(grouped.place, table)


def _texts(table: pa.Table, name: str) -> pa.Array:
    return column(table, name).dictionary_decode()
