"""What a closed model would have measured of a run: the latency that is not corrected for coordinated omission.

A load test of so many users, of whom each sends, waits for its result and only then sends again, asks least when
things are slowest. To show how much that hides, its users are let loose on the requests that this run measured: whoever
is free takes the next that is due and is gone until that one's result is there. What all are too busy for, nobody
measures.

The times are still those of the whole load. Had the users themselves been the load, less would have waited, and they
would have seen even less.
"""

from bisect import bisect_left
from dataclasses import dataclass
from heapq import heapreplace
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.quantiles import Quantiles, curve, measure

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

# As many as in benchmarks/stall.py, which lets real ones send (docs/open-model.md).
USERS: Final = 50


@dataclass(frozen=True, slots=True)
class ClosedModel:
    """What `users` would have measured, ms; `latency_curve` as in quantiles.curve.

    A user whose request never ends waits for it for good: it counts among the endless, and takes no other.
    """

    users: int
    latency: Quantiles
    latency_curve: list[tuple[float, float]]


def closed_model(due_ms: "Floats", took_ms: "Floats", users: int = USERS) -> ClosedModel:
    """What users would have measured of requests that were due at `due_ms` and took so long, infinity for ever."""
    taken = np.asarray(took_ms)[_taken(due_ms, took_ms, users)]
    ended = taken[np.isfinite(taken)]
    endless = len(taken) - len(ended)
    return ClosedModel(users, measure(ended, endless), curve(ended, endless))


def _taken(due_ms: "Floats", took_ms: "Floats", users: int) -> list[int]:
    """Which requests the users take."""
    order = np.argsort(due_ms, kind="stable")
    due, ends = due_ms[order], (due_ms + took_ms)[order]
    # Only what is taken costs a step: from one to the next it is searched, not walked.
    moments = due.data
    free_at = [-np.inf] * users
    taken: list[int] = []
    place = bisect_left(moments, free_at[0])
    while place < len(due):
        taken.append(int(order[place]))
        heapreplace(free_at, float(ends[place]))
        place = bisect_left(moments, free_at[0], place + 1)
    return taken
