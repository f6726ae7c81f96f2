"""The stages of a request's way, each measured by itself; pipeline.result says where one ends and the next begins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.quantiles import Quantiles, measure
from reports.raw_column import known_or_zero

if TYPE_CHECKING:
    from collections.abc import Collection

    from reports.buffer_rows import BufferRows
    from reports.joined import Joined

STAGES: Final = {
    "gateway": "from the intended send until the gateway took the request",
    "buffer": "waiting in the buffer and for a batch, cold start apart",
    "cold_start": "the execution environment started for this request's batch",
    "work": "in the handler: its turn in the batch, recognition, retries",
    "write": "writing the result",
}
# A simulation writes nothing, and does not tell what a cold start took from the waiting.
_OF_SIMULATION: Final = {
    "gateway": "from the sender until the buffer had it",
    "buffer": "waiting in the buffer, for a batch and for a cold start",
    "work": "in the function: its turn in the batch, its work, the downstream, retries",
}
_COLD_START: Final = "cold_start"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a buffer's requests, ms.

    `times` are its quantiles; of cold_start over those requests that met one. `share` is its mean over all requests
    of which every stage is known, so that the shares of a buffer add up to their mean time to result.
    """

    name: str
    times: Quantiles
    share: float | None


def of_simulation(joined: "Joined") -> dict[str, str]:
    """The stages of a simulation and what each means. The way to the buffer is one only if it took time."""
    on_the_way = any((joined.rows(buffer).numbers("gateway_ms") > 0).any() for buffer in joined.buffers)
    return {name: meaning for name, meaning in _OF_SIMULATION.items() if on_the_way or name != "gateway"}


def stages(rows: "BufferRows", names: "Collection[str]" = tuple(STAGES)) -> dict[str, Stage]:
    """The stages called `names` of a buffer's accepted requests that have a result, in their order."""
    taken = {name: rows.numbers(f"{name}_ms")[rows.processed] for name in names}
    if _COLD_START in taken:
        # A request that met no cold start was none the slower for it.
        taken[_COLD_START] = known_or_zero(taken[_COLD_START])
    known = np.logical_and.reduce([np.isfinite(times) for times in taken.values()])
    whole = taken if known.all() else {name: times[known] for name, times in taken.items()}
    return {
        name: Stage(
            name,
            measure(times[times > 0] if name == _COLD_START else times),
            float(whole[name].mean()) if known.any() else None,
        )
        for name, times in taken.items()
    }
