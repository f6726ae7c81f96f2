"""The requests of one buffer as columns, in the order of their sequence numbers: what every figure is computed from.

A column is gathered from the raw rows when it is first asked for (reports.pairing says which row is whose). Times are
ms, NaN where there is none; what one request takes is told from its times here and nowhere else.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.outcome import CODES, Outcome, accepted, outcomes
from reports.pairing import NO_ROW
from reports.raw_column import Texts, codes, column, floats, known_or_zero, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from reports.pairing import Paired

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_SUCCEEDED: Final = "SUCCEEDED"
_NUMBERS_OF_REQUEST: Final = ("sent_at", "responded_at", "bytes")
_TEXTS_OF_RESULT: Final = ("environment",)


class BufferRows:
    """The requests of one buffer. Not for several threads at a time."""

    def __init__(self, paired: "Paired", requests: pa.Table, results: pa.Table) -> None:
        self.paired = paired
        self._requests, self._results = requests, results
        self._sent, self._result = _taken(paired.sent), _taken(paired.result)
        self._floats: dict[str, Floats] = {}

    def __len__(self) -> int:
        return len(self.paired.sequence)

    def of_request(self, name: str) -> pa.Array:
        """A column of the rows of requests, null where there is none."""
        return column(self._requests, name).take(self._sent)

    def of_result(self, name: str) -> pa.Array:
        """A column of the rows of results, null where there is none."""
        return column(self._results, name).take(self._result)

    def numbers(self, name: str) -> "Floats":
        """A column of numbers, by its name in joined.parquet."""
        if name in _TIMES_TAKEN:
            # Clocks that are wild enough are further apart than a float reaches.
            with np.errstate(over="ignore", invalid="ignore"):
                return _TIMES_TAKEN[name](self)
        if name not in self._floats:
            self._floats[name] = self._read(name)
        return self._floats[name]

    def _read(self, name: str) -> "Floats":
        if name == "intended_at":
            sent, stored = floats(self.of_request(name)), floats(self.of_result(name))
            return np.where(np.isnan(sent), stored, sent)
        return floats(self.of_request(name) if name in _NUMBERS_OF_REQUEST else self.of_result(name))

    def texts(self, name: str) -> Texts:
        """A column of texts that repeat."""
        return Texts.of(self.of_result(name) if name in _TEXTS_OF_RESULT else self.of_request(name))

    @cached_property
    def deliveries(self) -> "Whole":
        """In how many deliveries the results of each request were stored; 0 without a result."""
        deliveries = whole(self.of_result("deliveries"), 1)
        if not self.has_result.all():
            deliveries = np.where(self.has_result, deliveries, 0)
        again = self.paired.again
        if len(again.place):
            deliveries = deliveries.copy()
            deliveries[again.place] = again.deliveries
        return deliveries

    @property
    def further_deliveries(self) -> "Whole":
        """How many deliveries of each request there were beyond its first."""
        further: Whole = np.maximum(self.deliveries - 1, 0)
        return further

    @cached_property
    def status(self) -> "Whole":
        """The HTTP status, 0 where no answer came."""
        return whole(self.of_request("status"))

    @cached_property
    def outcome(self) -> "npt.NDArray[np.int8]":
        """The outcome of each request, as its place in reports.outcome.ALL."""
        dead = np.zeros(len(self), np.bool_)
        dead[self.paired.letters.place] = True
        return outcomes(
            self.status,
            requested=self.paired.sent != NO_ROW,
            left=~np.isnan(self.numbers("sent_at")),
            succeeded=self._succeeded,
            has_result=self.has_result,
            dead=dead,
            buffer=self.paired.buffer,
            drained=self.paired.drained,
        )

    @property
    def _succeeded(self) -> "Flags":
        statuses = self.of_result("status")
        code = pc.index(statuses.dictionary, _SUCCEEDED).as_py()
        # Not found is -1, as no status is among the codes.
        succeeded: Flags = (codes(statuses) == code) & (code >= 0)
        return succeeded

    def ended(self, *those: Outcome) -> "Flags":
        """Which requests have one of these outcomes."""
        these: Flags = np.logical_or.reduce([self.outcome == CODES[outcome] for outcome in those])
        return these

    @cached_property
    def has_result(self) -> "Flags":
        """Which requests have a result, whatever became of them at the door."""
        there: Flags = self.paired.result != NO_ROW
        return there

    @cached_property
    def offered(self) -> "Flags":
        """Which requests were sent, as far as is known."""
        return ~self.ended(Outcome.DROPPED, Outcome.UNREQUESTED)

    @cached_property
    def taken(self) -> "Flags":
        """Which requests were answered with a 2xx."""
        return accepted(self.status)

    @cached_property
    def processed(self) -> "Flags":
        """Which accepted requests have a result, and so a time to it."""
        return self.ended(Outcome.COMPLETED, Outcome.FAILED)


def _taken(rows: "npt.NDArray[np.int32]") -> pa.Array:
    missing = rows == NO_ROW
    return pa.array(rows, mask=missing if missing.any() else None)


def _between(first: str, last: str) -> "Callable[[BufferRows], Floats]":
    return lambda rows: rows.numbers(last) - rows.numbers(first)


def _response(rows: BufferRows) -> "Floats":
    took = rows.numbers("responded_at") - rows.numbers("intended_at")
    took[rows.status == 0] = np.nan
    return took


def _in_the_buffer(rows: BufferRows) -> "Floats":
    return rows.numbers("received_at") - rows.numbers("accepted_at") - known_or_zero(rows.numbers("init_ms"))


_TIMES_TAKEN: Final[dict[str, "Callable[[BufferRows], Floats]"]] = {
    "lateness_ms": _between("intended_at", "sent_at"),
    "response_ms": _response,
    "latency_ms": _between("intended_at", "stored_at"),
    "gateway_ms": _between("intended_at", "accepted_at"),
    "buffer_ms": _in_the_buffer,
    "cold_start_ms": lambda rows: rows.numbers("init_ms"),
    "work_ms": _between("received_at", "recognised_at"),
    "write_ms": _between("recognised_at", "stored_at"),
}
