"""What an architect asks: the spike, the objectives, and what stands behind and in front of the buffer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from delivery.quotas import Quotas
from simulator.duration import Fixed, Lognormal


@dataclass(frozen=True, slots=True)
class LatencyObjective:
    """The percentile of the time from sent to stored, over all requests of the spike, stays within some seconds.

    A request that is refused, given up or never ended ranks above all others: 1 % of them is all that p99 allows.
    """

    percentile: float
    within_s: float

    @property
    def share(self) -> float:
        """The percentile as a share, 0 to 1."""
        return self.percentile / 100

    @property
    def name(self) -> str:
        """As it is written: p99."""
        return f"p{self.percentile:g}"


@dataclass(frozen=True, slots=True)
class ShareObjective:
    """No more than a share of the spike's requests is rejected at the door, or lost after it was accepted."""

    name: Literal["lost", "rejected"]
    at_most: float


Objective = LatencyObjective | ShareObjective


@dataclass(frozen=True, slots=True)
class Question:
    """All that a plan depends on. Rates a second, times in seconds.

    `spike_per_s` comes on top of `baseline_per_s`. `downstream_per_s` None: nothing behind the function limits it.
    `ordered`: requests of one of `keys` keys must be worked through in their order. `per_record`, how long the function
    works on a request when the downstream lets it; `in_batch_concurrency` of a batch at the same time, 1 where order
    counts. `sdk_attempts` None: a throttled call is tried again for as long as the function has time, as Forebay's own
    handlers do.
    """

    spike_per_s: float
    spike_s: float
    baseline_per_s: float
    latency: LatencyObjective
    lost: ShareObjective = ShareObjective("lost", 0.0)
    rejected: ShareObjective | None = None
    downstream_per_s: float | None = None
    budget_usd: float | None = None
    ordered: bool = False
    keys: int = 10_000
    payload_bytes: int = 2_000
    per_record: Fixed | Lognormal = Lognormal(500, 1_500)
    cold_start: Fixed | Lognormal = Lognormal(300, 900)
    in_batch_concurrency: int = 5
    timeout_s: float = 30.0
    memory_mb: int = 1_024
    sdk_attempts: int | None = None
    spikes_per_month: float = 30.0
    api: bool = True
    quotas: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1

    @property
    def peak_per_s(self) -> float:
        """What arrives during the spike."""
        return self.spike_per_s + self.baseline_per_s

    @property
    def spike_requests(self) -> float:
        """How many arrive during the spike."""
        return self.peak_per_s * self.spike_s

    @property
    def limits(self) -> Quotas:
        """The numbers of AWS in force."""
        return Quotas.with_overrides(self.quotas)

    @property
    def per_month(self) -> float:
        """Requests a month of 730 hours."""
        return self.baseline_per_s * 730 * 3_600 + self.spikes_per_month * self.spike_per_s * self.spike_s
