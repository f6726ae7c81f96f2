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

_MOMENTS: Final = {"accepted": "accepted_at", "delivered": "received_at", "stored": "stored_at"}
# Of more requests than these, the groups are gone through by compiled code.
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
    groups = rows.texts("group")
    sent_at = rows.numbers("sent_at")
    compared = np.flatnonzero(rows.processed & ~np.isnan(sent_at))
    # Sent in the same moment, they went in the order of their sequence numbers, in which they are.
    compared = compared[np.argsort(sent_at[compared], kind="stable")]
    sent = {name: rows.numbers(column)[compared] for name, column in _MOMENTS.items()}
    codes = groups.codes[compared].astype(np.int64)
    named = codes >= 0
    return Order(
        groups=len(np.unique(codes[named])),
        in_groups=_overtaken({name: times[named] for name, times in sent.items()}, codes[named])
        if named.any()
        else None,
        in_all=_overtaken(sent),
    )


def _overtaken(sent: "Mapping[str, Floats]", codes: "Codes | None" = None) -> Overtaken:
    late = {name: late_ms(times, codes) for name, times in sent.items()}
    delivered = late["delivered"]
    return Overtaken(
        requests=len(sent["delivered"]),
        accepted=int((late["accepted"] > 0).sum()),
        delivered=int((delivered > 0).sum()),
        stored=int((late["stored"] > 0).sum()),
        latest_ms=float(delivered.max()) if (delivered > 0).any() else None,
    )


def late_ms(times: "Floats", codes: "Codes | None" = None) -> "Floats":
    """How much later than the first of those sent after it each request came; 0 for all that came in their order.

    `times` (ms) are in the order of sending; whatever has no time (NaN) is left out. With `codes`, the group of each,
    only those of its own group count.
    """
    known = np.isfinite(times)
    times = times[known]
    first: Floats
    if codes is None:
        first = _earliest_from(times)
        return times - first
    codes = codes[known]
    earliest = np.full(codes.max(initial=-1) + 1, np.inf)
    return (_compiled() if len(times) > _MANY else _late_in_groups)(times, codes, earliest)


def _late_in_groups(times: "Floats", codes: "Codes", earliest: "Floats") -> "Floats":
    """Go through the requests from the last on; `earliest` is that of each group so far, infinity at first."""
    late = np.empty(len(times))
    for place in range(len(times) - 1, -1, -1):
        group = codes[place]
        earliest[group] = min(earliest[group], times[place])
        late[place] = times[place] - earliest[group]
    return late


@cache
def _compiled() -> "Callable[[Floats, Codes, Floats], Floats]":
    from numba import njit

    compiled: Callable[[Floats, Codes, Floats], Floats] = njit(cache=True)(_late_in_groups)
    return compiled


def _earliest_from(moments: "npt.NDArray[Any]") -> "npt.NDArray[Any]":
    """For each in turn the earliest of its own moment and all behind it."""
    earliest: npt.NDArray[Any] = np.minimum.accumulate(moments[::-1])[::-1]
    return earliest
