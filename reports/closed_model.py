"""What a closed model would have measured of a run: the latency that is not corrected for coordinated omission.

A load test of so many users, of whom each sends, waits for its result and only then sends again, asks least when
things are slowest. To show how much that hides, its users are let loose on the requests that this run measured: whoever
is free takes the next that is due and is gone until that one's result is there. What all are too busy for, nobody
measures.

The times are still those of the whole load. Had the users themselves been the load, less would have waited, and they
would have seen even less.
"""

from dataclasses import dataclass
from functools import cache
from heapq import heapreplace
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.quantiles import Curve, Quantiles, distribution

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

# As many as in benchmarks/stall.py, which lets real ones send (docs/open-model.md).
USERS: Final = 50
_MANY: Final = 200_000


@dataclass(frozen=True, slots=True)
class ClosedModel:
    """What `users` would have measured, ms; `latency_curve` as in reports.quantiles.

    A user whose request never ends waits for it for good: it counts among the endless, and takes no other.
    """

    users: int
    latency: Quantiles
    latency_curve: Curve


def closed_model(due_ms: "Floats", took_ms: "Floats", users: int = USERS) -> ClosedModel:
    """What users would have measured of requests that were due at `due_ms` and took so long, infinity for ever."""
    due, took = due_ms, took_ms
    if not (due[1:] >= due[:-1]).all():
        order = np.argsort(due, kind="stable")
        due, took = due[order], took[order]
    taken = took[(_compiled() if len(due) > _MANY else _taken)(due, due + took, users)]
    ended = taken[np.isfinite(taken)]
    return ClosedModel(users, *distribution(ended, len(taken) - len(ended)))


def _taken(due: "Floats", ends: "Floats", users: int) -> "npt.NDArray[np.bool_]":
    """Which requests the users take: in the order in which they are due, each whenever somebody is free."""
    free_at = [-np.inf] * users
    taken = np.zeros(len(due), np.bool_)
    for place in range(len(due)):
        if free_at[0] <= due[place]:
            heapreplace(free_at, ends[place])
            taken[place] = True
    return taken


@cache
def _compiled() -> "Callable[[Floats, Floats, int], npt.NDArray[np.bool_]]":
    """The same, compiled: that takes a second the first time on a machine, and of a small run more than it saves."""
    from numba import njit

    compiled: Callable[[Floats, Floats, int], npt.NDArray[np.bool_]] = njit(cache=True, nogil=True)(_taken)
    return compiled
