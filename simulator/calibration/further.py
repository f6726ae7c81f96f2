"""The other published figures: what the model makes of those it was not fitted to, and which it has no word for."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final

import numpy as np

from simulator.calibration.cell import Cell, cells
from simulator.calibration.published import Group, Quantiles
from simulator.duration import Duration, Fixed, Lognormal
from simulator.scenario import Burst, Function, Scenario
from simulator.simulation import simulate

Row = dict[str, Cell]

# By which a lognormal is told.
_GIVEN: Final = ("p50", "p99")
_BURST: Final = 100
# A burst of 100 has one largest; many of them have a P99.
_BURSTS: Final = 50


def trigger_bench(group: Group, idle: Mapping[str, Row]) -> dict[str, Row]:
    """TriggerBench's spans beside the model's nearest: for SQS its idle latency; a synchronous call it has not."""
    sqs = {name: cell.simulated for name, cell in idle["sqs"].items() if cell.simulated is not None}
    return {row: cells(figures, sqs if row == "sqs" else None) for row, figures in group.rows.items()}


def cold_starts(group: Group) -> dict[str, Row]:
    """A cold start is given to the model by its median and P99; what it makes of P90 shows whether the form fits."""
    return {
        row: cells(figures, _quantiles(_lognormal(figures), tuple(figures)), _GIVEN)
        for row, figures in group.rows.items()
    }


def bursts(group: Group, cold_start: Quantiles) -> dict[str, Row]:
    """A burst of 100 at once, warm and cold. The way there is the published one of a single warm call."""
    way = _lognormal(group.rows["one-warm"])
    found = {"one-warm": _quantiles(way, ("p50", "p99"))}
    for row, start in (("burst-warm", Fixed(0)), ("burst-cold", _lognormal(cold_start))):
        found[row] = _burst(way, start)
    return {row: cells(figures, found[row], _GIVEN if row == "one-warm" else ()) for row, figures in group.rows.items()}


def not_modelled(group: Group) -> dict[str, Row]:
    """Figures of something that the model does not have."""
    return {row: cells(figures, None) for row, figures in group.rows.items()}


def _burst(way: Duration, cold_start: Duration) -> dict[str, float]:
    started = [
        (result.started_at - result.arrived_at) * 1_000
        for seed in range(1, _BURSTS + 1)
        if (result := simulate(_burst_scenario(way, cold_start, seed)))
    ]
    p50, p99 = np.quantile(np.concatenate(started), (0.5, 0.99))
    return {"p50": float(p50), "p99": float(p99)}


def _burst_scenario(way: Duration, cold_start: Duration, seed: int) -> Scenario:
    return Scenario(
        name="burst",
        seed=seed,
        until_s=60,
        buffer="sns",
        arrivals=Burst(_BURST),
        function=Function(cold_start_ms=cold_start, per_record_ms=Fixed(1)),
        transit_ms=way,
    )


def _lognormal(figures: Quantiles) -> Lognormal:
    return Lognormal(figures["p50"], figures["p99"])


def _quantiles(times: Lognormal, names: tuple[str, ...]) -> dict[str, float]:
    normal = NormalDist()
    return {name: times.p50_ms * math.exp(times.sigma * normal.inv_cdf(int(name[1:]) / 100)) for name in names}
