"""The embedded AWS foretold: the measured load test as a scenario, simulated with the machine's own traits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from pipeline.workload_file import arrival_times
from simulator.calibration.measurement import Measurement, Outcome
from simulator.duration import RecordedTimes
from simulator.scenario import (
    BUFFERS,
    Buffer,
    Downstream,
    Function,
    MappingSettings,
    Recorded,
    RecordedKeys,
    Scenario,
    Uniform,
)
from simulator.simulation import simulate

WORKLOAD: Final = Path(__file__).parent / "workload.yaml"
TOLERANCE: Final = 0.15
# The measured run is one draw of its back-offs and recognition times; so many simulated ones show how far they reach.
SEEDS: Final = 25

# pipeline.recognition: a throttled call is tried again for as long as the function has time.
_PATIENCE: Final = Downstream(sdk_attempts=None, backoff_first_s=0.2, backoff_max_s=5.0)
# A partition key is a request's id, and so each is another.
_DRAWN_KEYS: Final = Uniform(100_000)
_LONGEST_S: Final = 3_600.0
FIGURES: Final = ("completed", "throttles", "drain_s", "p50_ms", "p90_ms")


@dataclass(frozen=True, slots=True)
class Foretold:
    """One figure: measured once, simulated with many seeds. `simulated` is their median."""

    measured: float
    simulated: float
    least: float
    most: float

    @property
    def error(self) -> float:
        """How far the simulation is off, as a share of what was measured; where nothing was, 0 or infinity."""
        if self.measured == 0:
            return 0.0 if self.simulated == 0 else float("inf")
        return self.simulated / self.measured - 1

    @property
    def holds(self) -> bool:
        """Whether it is within the tolerance."""
        return abs(self.error) <= TOLERANCE


def table(measurement: Measurement) -> dict[str, dict[str, Foretold]]:
    """Every figure of every measured buffer, beside the simulated one."""
    found: dict[str, dict[str, Foretold]] = {}
    for buffer in BUFFERS:
        if buffer not in measurement.turns:
            continue
        found[buffer] = _foretold(measurement.turns[buffer].outcome, scenario(measurement, buffer))
    return found


def drains(measurement: Measurement, buffer: Buffer) -> tuple[Foretold, Foretold]:
    """A stream's drain by what of the run's own draws is given: nothing; its keys.

    With its keys and its records' times it is that of `table`.
    """
    turn = measurement.turns[buffer]
    given = scenario(measurement, buffer)
    keys_given = replace(given, function=replace(given.function, per_record_ms=turn.traits.record_ms))
    nothing_given = replace(keys_given, partition_keys=_DRAWN_KEYS)
    nothing, keys = (_foretold(turn.outcome, asked)["drain_s"] for asked in (nothing_given, keys_given))
    return nothing, keys


def _foretold(measured: Outcome, asked: Scenario) -> dict[str, Foretold]:
    runs = [_figures(replace(asked, seed=seed)) for seed in range(1, SEEDS + 1)]
    return {
        name: Foretold(
            float(getattr(measured, name)),
            median(run[name] for run in runs),
            min(run[name] for run in runs),
            max(run[name] for run in runs),
        )
        for name in FIGURES
    }


def scenario(measurement: Measurement, buffer: Buffer) -> Scenario:
    """One buffer's turn as a scenario: the same arrivals, keys, settings and quotas, and the machine's times."""
    parameters = measurement.parameters
    turn = measurement.turns[buffer]
    traits = turn.traits
    return Scenario(
        name=f"embedded-{buffer}",
        until_s=_LONGEST_S,
        buffer=buffer,
        arrivals=Recorded(arrival_times(WORKLOAD), WORKLOAD.stem),
        payload_bytes=traits.payload_bytes,
        partition_keys=RecordedKeys(turn.hash_keys) if turn.hash_keys else _DRAWN_KEYS,
        mapping=_mapping(buffer, parameters),
        function=Function(
            timeout_s=float(parameters["FunctionTimeout"]),
            cold_start_ms=traits.cold_start_ms,
            invocation_ms=traits.invocation_ms,
            per_record_ms=RecordedTimes(turn.record_times_ms),
            in_batch_concurrency=int(parameters["InBatchConcurrency"]),
        ),
        downstream=replace(_PATIENCE, rate_per_s=measurement.options["rekognition_rate"]),
        transit_ms=traits.gateway_ms,
        quotas=measurement.quotas,
    )


def _mapping(buffer: Buffer, parameters: Mapping[str, Any]) -> MappingSettings:
    """The template's parameters as a scenario's settings."""
    if buffer == "sns":
        return MappingSettings(
            maximum_retry_attempts=int(parameters["SnsMaximumRetryAttempts"]),
            maximum_event_age_s=float(parameters["SnsMaximumEventAge"]),
        )
    if buffer in ("sqs", "sqs-fifo"):
        return MappingSettings(
            batch_size=int(parameters["SqsBatchSize"]),
            batching_window_s=float(parameters["SqsBatchingWindow"]),
            maximum_concurrency=int(parameters["SqsMaximumConcurrency"]) or None,
            visibility_timeout_s=float(parameters["SqsVisibilityTimeout"]),
            max_receive_count=int(parameters["SqsMaxReceiveCount"]),
        )
    return MappingSettings(
        batch_size=int(parameters["KinesisBatchSize"]),
        batching_window_s=float(parameters["KinesisBatchingWindow"]),
        shards=int(parameters["KinesisShardCount"]),
        parallelization_factor=int(parameters["KinesisParallelizationFactor"]),
        bisect=str(parameters["KinesisBisectBatch"]) == "true",
        maximum_retry_attempts=int(parameters["KinesisMaximumRetryAttempts"]),
        maximum_record_age_s=float(parameters["KinesisMaximumRecordAge"]),
    )


def _figures(asked: Scenario) -> dict[str, float]:
    result = simulate(asked)
    p50, p90 = np.quantile(result.latency_ms, (0.5, 0.9))
    # A turn that does not end within the hour has no drain time, and the infinity says so.
    drain_s = float("inf") if result.drain_s is None else result.drain_s
    return {
        "completed": float(result.completed),
        "throttles": float(result.throttles),
        "drain_s": drain_s,
        "p50_ms": float(p50),
        "p90_ms": float(p90),
    }
