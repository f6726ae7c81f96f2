"""What each request of a turn came to, in the order of its schedule: what comparing two single runs looks into."""

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.run import ROUTE
from reports.comparison_within import Requests
from reports.key_figures import Sample
from reports.outcome import Outcome

if TYPE_CHECKING:
    import numpy.typing as npt

    from reports.buffer_rows import BufferRows
    from reports.joined import Joined
    from reports.key_figures import KeyFigure

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

_EVENTS: Final = {
    "failed": Outcome.FAILED,
    "dead_lettered": Outcome.DEAD_LETTERED,
    "unfinished": Outcome.UNFINISHED,
    "lost": Outcome.LOST,
}
_ACCEPTED: Final = (Outcome.COMPLETED, *_EVENTS.values())


def requests(joined: "Joined", way: str, figure: "KeyFigure") -> Requests | None:
    """What each request of a buffer or way came to by a figure; None for one that is no request's own."""
    rows = joined.rows(way)
    if figure.sample is Sample.KNOWN:
        return _requests(rows, _know_ms(joined, rows), rows.ended(*_ACCEPTED))
    if figure.sample is Sample.RESULT:
        took = rows.numbers("latency_ms")
        # As in the report: a result without its time is in no latency, and what never ended ranks as slower than all.
        return _requests(rows, took, rows.ended(*_ACCEPTED) & ~(rows.processed & np.isnan(took)))
    if figure.sample is Sample.RESPONSE:
        answered = rows.ended(Outcome.ANSWERED, Outcome.UNANSWERED) if way == ROUTE else rows.taken
        return _requests(rows, rows.numbers("response_ms"), answered)
    events = _events(rows, figure.path)
    return None if events is None else _requests(rows, events.astype(np.float64), rows.offered)


def _events(rows: "BufferRows", path: str) -> "npt.NDArray[np.int64] | Flags | None":
    if path == "duplicates":
        return rows.further_deliveries
    if path == "rejected":
        unanswered = rows.ended(Outcome.UNANSWERED, Outcome.ACCEPTED_UNANSWERED)
        refused: Flags = ~rows.taken & ((rows.status != 0) | unanswered)
        return refused
    return rows.ended(_EVENTS[path]) if path in _EVENTS else None


def _know_ms(joined: "Joined", rows: "BufferRows") -> "Floats":
    known = joined.frame(
        "SELECT sequence, know_ms FROM knowledge WHERE buffer = $buffer", buffer=rows.buffer
    ).set_index("sequence")
    found: Floats = known.know_ms.reindex(rows.sequence).to_numpy(np.float64)
    return found


def _requests(rows: "BufferRows", values: "Floats", those: "Flags") -> Requests:
    due = rows.numbers("intended_at")
    those = those & ~np.isnan(due)
    began = np.fmin.reduce(due[rows.offered], initial=np.nan)
    # NaN, where there is no value, ranks as what never ended.
    return Requests(np.fmax((due[those] - began) / 1_000, 0.0), np.nan_to_num(values[those], nan=np.inf))
