"""The idle-latency table: each buffer, simulated with its fitted transit, beside what was published.

The fit knows nothing of the machines; here they are run. What they add (a poll's wait, a second record in the same
poll) is theirs.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from delivery.quotas import Quotas
from simulator.calibration.cell import Cell, cells
from simulator.calibration.fitting import Plan
from simulator.duration import Fixed, Transit
from simulator.scenario import BUFFERS, Buffer, Function, MappingSettings, Rate, Scenario
from simulator.simulation import simulate
from simulator.transits import PUBLISHED

_QUOTAS: Final = Quotas()
_POLL_MS: Final = _QUOTAS.kinesis_poll_interval_s * 1_000
_PUSH_MS: Final = (_QUOTAS.kinesis_fan_out_push_min_s * 1_000, _QUOTAS.kinesis_fan_out_push_max_s * 1_000)

# Where each search starts, and what it may move. A lognormal above a least time is the usual shape of a network's
# latency. A record of a polled stream waits for its tick, which is AWS's rule; only the base, and how often a poll
# misses a record, are fitted. A pushed one waits as long as AWS says is typical.
_LOGNORMAL: Final = ("base_ms", "tail_ms", "tail_sigma")
PLANS: Final[Mapping[Buffer, Plan]] = {
    "sns": Plan(Transit(50, tail_ms=15, tail_sigma=1), _LOGNORMAL),
    "sqs": Plan(Transit(10, tail_ms=5, tail_sigma=1), _LOGNORMAL),
    "sqs-fifo": Plan(Transit(20, tail_ms=8, tail_sigma=1), _LOGNORMAL),
    "kinesis": Plan(Transit(150, rare=0.01, rare_ms=_POLL_MS), ("base_ms", "rare"), wait_ms=(0.0, _POLL_MS)),
    "kinesis-efo": Plan(Transit(0, tail_ms=3, tail_sigma=1), _LOGNORMAL[1:], wait_ms=_PUSH_MS),
}

# Few enough that a record hardly ever meets another one, and enough that P99 rests on hundreds.
SENDS: Final = 20_000
_EVERY_S: Final = 2.0


def scenario(buffer: Buffer) -> Scenario:
    """As it was measured: one record at a time through an idle system to a warm function."""
    seconds = SENDS * _EVERY_S
    return Scenario(
        name=f"idle-{buffer}",
        until_s=seconds + 60,
        buffer=buffer,
        arrivals=Rate(((0.0, 1 / _EVERY_S), (seconds, 1 / _EVERY_S))),
        mapping=MappingSettings(batch_size=1, shards=1),
        function=Function(cold_start_ms=Fixed(0), per_record_ms=Fixed(1)),
        transit_ms=PUBLISHED[buffer],
    )


def table(published: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Cell]]:
    """Every published cell with the model's figure, by buffer and quantile."""
    return {
        buffer: cells(published[buffer], simulated(scenario(buffer), tuple(published[buffer])))
        for buffer in BUFFERS
        if buffer in published
    }


def simulated(asked: Scenario, quantiles: tuple[str, ...]) -> dict[str, float]:
    """A scenario's latency from send to the handler's start, in ms, by quantile (`p50`)."""
    result = simulate(asked)
    waited = (result.started_at - result.arrived_at) * 1_000
    found = np.nanquantile(waited, [int(name[1:]) / 100 for name in quantiles])
    return dict(zip(quantiles, map(float, found), strict=True))
