"""What a simulation showed: the sums, the latencies, and what happened each second."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulator.scenario import Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the series: what was offered and completed in it, and what stood at its end.

    `throttles` and `cold_starts` are all those so far.
    """

    t: int
    offered: int
    completed: int
    backlog: int
    concurrency: int
    pollers: int | None
    throttles: int = 0
    cold_starts: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """A simulation's outcome. Times in seconds since the scenario's start.

    Offered = rejected + completed + failed + dead_lettered + expired + unfinished + lost, and `lost` is 0 unless the
    simulator itself is wrong. `failed` counts FAILED results; a simulated function stores none, it hands records back.
    `expired` were given up with nowhere to go; `unfinished` is what was still inside at `until_s`. `duplicates` counts
    processings beyond a record's first.

    A row a record, in the order of arrival: `arrived_at`, when it was sent; `accepted_at`, when the buffer had it (NaN:
    refused); `started_at`, when the function had it in the delivery that completed it; `stored_at`, when its result was
    stored (both NaN unless completed); `ended_at`, when it was dead-lettered or expired (NaN otherwise);
    `deliveries`, how often it was processed. By row: `refusals`, the error a rejected record was answered with, and
    `given_up`, why a record was given up and whether it is kept (dead-lettered, else expired).
    """

    scenario: Scenario
    rejected_because: dict[str, int]
    given_up_because: dict[str, int]
    offered: int
    rejected: int
    completed: int
    failed: int
    dead_lettered: int
    expired: int
    unfinished: int
    lost: int
    duplicates: int
    drain_s: float | None
    cold_starts: int
    throttles: int
    received: int
    invocations: int
    busy_s: float
    downstream_calls: int
    downstream_throttles: int
    peak_concurrency: int
    events: int
    series: tuple[Second, ...]
    arrived_at: Floats
    accepted_at: Floats
    started_at: Floats
    stored_at: Floats
    ended_at: Floats
    deliveries: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    refusals: Mapping[int, str] = field(default_factory=dict)
    given_up: Mapping[int, tuple[str, bool]] = field(default_factory=dict)

    @property
    def latency_ms(self) -> Floats:
        """From sent to stored, of every completed record, ascending."""
        took = (self.stored_at - self.arrived_at)[~np.isnan(self.stored_at)] * 1_000
        took.sort()
        return took
