"""The stages of a request's way, each measured by itself; pipeline.result says where one ends and the next begins."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.quantiles import Quantiles, measure

if TYPE_CHECKING:
    from reports.joined import Joined

STAGES: Final = {
    "gateway": "from the intended send until the gateway took the request",
    "buffer": "waiting in the buffer and for a batch, cold start apart",
    "cold_start": "the execution environment started for this request's batch",
    "work": "in the handler: its turn in the batch, recognition, retries",
    "write": "writing the result",
}
_MEASURED: Final = "outcome IN ('completed', 'failed')"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a buffer's requests, ms.

    `times` are its quantiles; of cold_start over those requests that met one. `share` is its mean over all requests
    of which every stage is known, so that the shares of a buffer add up to their mean time to result.
    """

    name: str
    times: Quantiles
    share: float | None


def stages(joined: "Joined", buffer: str) -> dict[str, Stage]:
    """The stages of a buffer's accepted requests that have a result, in their order."""
    every = " AND ".join(f"{name}_ms IS NOT NULL" for name in STAGES if name != "cold_start")
    measured = {}
    for name in STAGES:
        met = " AND cold_start_ms > 0" if name == "cold_start" else ""
        times = measure(joined.values(f"{name}_ms", buffer, _MEASURED + met))
        shares = joined.values(f"coalesce({name}_ms, 0)", buffer, f"{_MEASURED} AND {every}")
        measured[name] = Stage(name, times, float(shares.mean()) if len(shares) else None)
    return measured
