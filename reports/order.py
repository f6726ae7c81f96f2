"""The order of requests, counted from the rows: which were overtaken by one that was sent after them.

A request is overtaken if another that left the generator after it was there before it (RFC 4737: a reordered packet);
how late it then was is counted from the first of those (the RFC's late time). Both are asked at three moments: when the
gateway had taken the request, when the function had it, and when its result was stored. What is overtaken at the first
was so before any buffer saw it. Two that came with the same batch, or in the same millisecond of the gateway's clock,
did not overtake each other.

A buffer that keeps an order keeps it within a group: a partition key of Kinesis, a message group of SQS FIFO. The
others are counted by the same groups, to be held beside them, and every buffer over all its requests.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from reports.buffer_rows import BufferRows

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]
    Late = tuple[int, float]

_MOMENTS: Final = {"accepted": "accepted_at", "delivered": "received_at", "stored": "stored_at"}
# More requests than these are gone through by compiled code.
_MANY: Final = 50_000


@dataclass(frozen=True, slots=True)
class Overtaken:
    """How many of `requests` had been overtaken when the gateway had `accepted` them, when they were `delivered` to the
    function, and when their results were `stored`. `latest_ms` is the greatest late time at delivery, None if none was.
    """

    requests: int
    accepted: int
    delivered: int
    stored: int
    latest_ms: float | None


@dataclass(frozen=True, slots=True)
class Order:
    """The order of one buffer's requests. `in_groups` looks at those that named a group, one of `groups`, and at each
    group by itself; it is None if none was named.
    """

    groups: int
    in_groups: Overtaken | None
    in_all: Overtaken


def order(rows: "BufferRows") -> Order:
    """The order of a buffer's requests that have a result: the others never came, so nothing can be said of when."""
    groups, sent_at = rows.texts("group"), rows.numbers("sent_at")
    compared = rows.processed & ~np.isnan(sent_at)
    turns = np.flatnonzero(compared)
    # Sent in the same moment, they went in the order of their sequence numbers, in which they are.
    turns = turns[np.argsort(sent_at[turns], kind="stable")]
    moments = {name: rows.numbers(column)[turns] for name, column in _MOMENTS.items()}
    codes = groups.codes[turns].astype(np.int64)
    number = groups.distinct(compared)
    return Order(
        groups=number,
        in_groups=_overtaken(moments, codes) if number else None,
        in_all=_overtaken(moments, np.zeros_like(codes)),
    )


def _overtaken(moments: "Mapping[str, Floats]", codes: "Codes") -> Overtaken:
    found = {name: late(times, codes) for name, times in moments.items()}
    delivered, latest_ms = found["delivered"]
    return Overtaken(
        requests=int(np.count_nonzero(codes >= 0)),
        accepted=found["accepted"][0],
        delivered=delivered,
        stored=found["stored"][0],
        latest_ms=latest_ms if delivered else None,
    )


def late(times: "Floats", codes: "Codes") -> "Late":
    """How many requests came later than one of those sent after them, and how much later than the first of these the
    latest came (ms; 0 if none was late).

    `times` (ms) are in the order of sending, and `codes` the group of each: only those of its own group count. Whatever
    has no time (NaN) or no group (-1) is left out.
    """
    earliest = np.full(int(codes.max(initial=-1)) + 1, np.inf)
    if len(times) > _MANY:
        return _compiled()(times, codes, earliest)
    # Python's own numbers, which a loop of Python is faster with.
    return _late(times.tolist(), codes.tolist(), earliest.tolist())


def _late(times: Any, codes: Any, earliest: Any) -> "Late":
    """Go through the requests from the last on; `earliest` is that of each group so far, infinity at first."""
    number, latest = 0, 0.0
    for place in range(len(times) - 1, -1, -1):
        group, came = codes[place], times[place]
        if group < 0:
            continue
        if came > earliest[group]:
            number += 1
            latest = max(latest, came - earliest[group])
        elif came < earliest[group]:
            earliest[group] = came
    return number, latest


@cache
def _compiled() -> "Callable[[Floats, Codes, Floats], Late]":
    from numba import njit

    compiled: Callable[[Floats, Codes, Floats], Late] = njit(cache=True, nogil=True)(_late)
    return compiled
