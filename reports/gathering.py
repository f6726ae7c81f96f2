"""Raw rows put where their requests are: each buffer gets its columns, in the order of its sequence numbers.

A raw column is let go of once every buffer has its part of it, so that no more than one is there twice.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.buffer_rows import TIMES, BufferRows
from reports.outcome import outcomes
from reports.pairing import NO_ROW, row_index
from reports.raw_column import codes, column, filled, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from reports.pairing import Paired, Pairs

_SUCCEEDED: Final = "SUCCEEDED"
# What both tell: of a request without a row, or that was told nothing, its result knows.
_OF_BOTH: Final = ("intended_at", "request_id")
_OF_REQUEST: Final = (*_OF_BOTH, "sent_at", "responded_at", "status", "error", "image", "bytes", "group")
_OF_RESULT: Final = (
    "status", "reason", "accepted_at", "received_at", "recognised_at", "stored_at", "init_ms", "batch_size", "attempts",
    "deliveries", "environment", "labels",
)  # fmt: skip


class RawRows:
    """Rows of one kind as they were read. Their room is free once whoever has the table, too, lets go of it."""

    def __init__(self, table: pa.Table) -> None:
        self._columns: dict[str, pa.Array] = {name: column(table, name) for name in table.schema.names}

    def give(self, name: str) -> pa.Array:
        """A column, which is then whoever's asked for it."""
        return self._columns.pop(name)


def gather(pairs: "Pairs", requests: RawRows, results: RawRows) -> dict[str, BufferRows]:
    """The rows of each buffer. The columns are given to it by `requests` and `results`."""
    buffers = [_Gathering(paired) for paired in pairs.of.values()]
    # Arrow lets the other thread run while it takes.
    with ThreadPoolExecutor(2) as threads:

        def each(take: "Callable[[_Gathering, str, pa.Array], None]", name: str, raw: pa.Array) -> None:
            list(threads.map(lambda buffer: take(buffer, name, raw), buffers))

        for name in _OF_REQUEST:
            each(_Gathering.take_of_request, name, requests.give(name))
        for name in _OF_BOTH:
            each(_Gathering.fill_from_result, name, results.give(name))
        for name in _OF_RESULT:
            each(_Gathering.take_of_result, name, results.give(name))
        return dict(zip(pairs.of, threads.map(_Gathering.rows, buffers), strict=True))


class _Gathering:
    """The columns of one buffer, as far as they are gathered: of its requests, and of their results."""

    def __init__(self, paired: "Paired") -> None:
        self._paired = paired
        self._sent, self._stored = row_index(paired.sent), row_index(paired.result)
        self._of_request: dict[str, pa.Array] = {}
        self._of_result: dict[str, pa.Array] = {}

    def take_of_request(self, name: str, raw: pa.Array) -> None:
        self._of_request[name] = _nan_for_null(raw.take(self._sent))

    def take_of_result(self, name: str, raw: pa.Array) -> None:
        self._of_result[name] = _nan_for_null(raw.take(self._stored))

    def fill_from_result(self, name: str, raw: pa.Array) -> None:
        """Where the request does not tell, its result may."""
        self._fill(name, self._stored, raw)

    def rows(self) -> BufferRows:
        paired, sent, stored = self._paired, self._of_request, self._of_result
        letters = paired.letters
        self._fill("request_id", letters.index(len(paired.sequence)), column(letters.table, "request_id"))
        status, told, delivered = filled(sent.pop("status")), stored.pop("status"), whole(stored.pop("deliveries"), 1)
        has_result = paired.result != NO_ROW
        deliveries = np.where(has_result, delivered, 0)
        deliveries[paired.again.place] = paired.again.deliveries
        columns = sent | stored | {"result_status": told}
        times = {name: columns.pop(name).to_numpy() for name in TIMES}
        return BufferRows(
            buffer=paired.buffer,
            sequence=paired.sequence,
            status=status,
            outcome=outcomes(
                status,
                requested=paired.sent != NO_ROW,
                left=~np.isnan(times["sent_at"]),
                succeeded=_are(told, _SUCCEEDED),
                has_result=has_result,
                dead=letters.flags(len(status)),
                buffer=paired.buffer,
                drained=paired.drained,
            ),
            has_result=has_result,
            deliveries=deliveries,
            again=paired.again,
            letters=letters,
            times=times,
            columns=columns,
        )

    def _fill(self, name: str, index: pa.Array, raw: pa.Array) -> None:
        """Put in what others tell, by the row that each request has of theirs, where nothing is known of it."""
        told = self._of_request[name]
        wanted = pc.and_(told.is_null(nan_is_null=True), index.is_valid())
        # To put in nothing would copy all there is.
        if pc.any(wanted).as_py():
            self._of_request[name] = pc.replace_with_mask(told, wanted, _nan_for_null(raw.take(index.filter(wanted))))


def _nan_for_null(values: pa.Array) -> pa.Array:
    return pc.fill_null(values, np.nan) if values.null_count and pa.types.is_floating(values.type) else values


def _are(texts: pa.DictionaryArray, text: str) -> "npt.NDArray[np.bool_]":
    """Which of the texts are this one."""
    code = pc.index(texts.dictionary, text).as_py()
    # Not found is -1, as no text is among the codes.
    these: npt.NDArray[np.bool_] = (codes(texts) == code) & (code >= 0)
    return these
