"""The requests of one buffer as columns, in the order of their sequence numbers: what every figure is computed from.

Times are ms, NaN where there is none; what one request takes is told from its times here and nowhere else.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.outcome import CODES, Outcome, accepted
from reports.raw_column import Texts, floats, known_or_zero

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt
    import pyarrow as pa

    from reports.pairing import Again, Letters

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

# As they were measured: moments, and how long a cold start took.
TIMES: Final = (
    "intended_at", "sent_at", "responded_at", "accepted_at", "received_at", "recognised_at", "stored_at", "init_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BufferRows:
    """The requests of one buffer (reports.gathering), for any number of threads.

    `status` is the HTTP status, 0 where no answer came; `outcome` the place of each one's in reports.outcome.ALL;
    `has_result` whether there is one, whatever became of the request at the door; `deliveries` in how many its results
    were stored, 0 without a result. `again` and `letters` tell of those few that have several results, and dead
    letters. `times` are the TIMES, `columns` the others by their names in joined.parquet, null where there is none.
    """

    buffer: str
    sequence: "Whole"
    status: "npt.NDArray[Any]"
    outcome: "npt.NDArray[np.int8]"
    has_result: "Flags"
    deliveries: "Whole"
    again: "Again"
    letters: "Letters"
    times: "Mapping[str, Floats]"
    columns: "Mapping[str, pa.Array]"

    def __len__(self) -> int:
        return len(self.sequence)

    def part(self, begin: int, end: int) -> "BufferRows":
        """The requests from one place to another, which stay where they are in memory."""
        those = slice(begin, end)
        return BufferRows(
            self.buffer, self.sequence[those], self.status[those], self.outcome[those], self.has_result[those],
            self.deliveries[those], self.again.part(begin, end), self.letters.part(begin, end),
            {name: values[those] for name, values in self.times.items()},
            {name: values[those] for name, values in self.columns.items()},
        )  # fmt: skip

    def nothing(self, buffer: str) -> "BufferRows":
        """A buffer without a request."""
        return replace(self.part(0, 0), buffer=buffer)

    def numbers(self, name: str) -> "Floats":
        """A column of numbers, by its name in joined.parquet. It is not for the caller to change."""
        if name in _TIMES_TAKEN:
            # Clocks that are wild enough are further apart than a float reaches.
            with np.errstate(over="ignore", invalid="ignore"):
                return _TIMES_TAKEN[name](self)
        return self.times[name] if name in self.times else floats(self.columns[name])

    def texts(self, name: str) -> Texts:
        """A column of texts that repeat."""
        return Texts.of(self.columns[name])

    @property
    def further_deliveries(self) -> "Whole":
        """How many deliveries of each request there were beyond its first."""
        further: Whole = np.maximum(self.deliveries - 1, 0)
        return further

    def ended(self, *those: Outcome) -> "Flags":
        """Which requests have one of these outcomes."""
        return reduce(np.logical_or, [self.outcome == CODES[outcome] for outcome in those])

    @property
    def offered(self) -> "Flags":
        """Which requests were sent, as far as is known."""
        return ~self.ended(Outcome.DROPPED, Outcome.UNREQUESTED)

    @property
    def taken(self) -> "Flags":
        """Which requests were answered with a 2xx."""
        return accepted(self.status)

    @property
    def processed(self) -> "Flags":
        """Which accepted requests have a result, and so a time to it."""
        return self.ended(Outcome.COMPLETED, Outcome.FAILED)


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
