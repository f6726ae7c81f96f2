"""A scenario in the form of its file, less what does nothing for its buffer: what a report says was simulated."""

from dataclasses import asdict
from typing import Any, Final

from simulator.duration import Duration, Fixed, Lognormal, RecordedTimes
from simulator.scenario import Arrivals, Buffer, Burst, Hot, PartitionKeys, Rate, RecordedKeys, Scenario, Uniform

_OF_A_QUEUE: Final = (
    "batch_size", "batching_window_s", "maximum_concurrency", "provisioned", "visibility_timeout_s",
    "max_receive_count", "partial_failures",
)  # fmt: skip
_OF_A_STREAM: Final = (
    "batch_size", "batching_window_s", "shards", "parallelization_factor", "bisect", "maximum_retry_attempts",
    "maximum_record_age_s", "partial_failures", "on_failure",
)  # fmt: skip
# The settings of a mapping that a buffer has.
SETTINGS: "Final[dict[Buffer, tuple[str, ...]]]" = {
    "sns": ("maximum_retry_attempts", "maximum_event_age_s", "on_failure"),
    "sqs": _OF_A_QUEUE,
    "sqs-fifo": (*(name for name in _OF_A_QUEUE if name != "batching_window_s"), "high_throughput"),
    "kinesis": _OF_A_STREAM,
    "kinesis-efo": _OF_A_STREAM,
}
_KEYED: Final = ("sqs-fifo", "kinesis", "kinesis-efo")


def document(scenario: Scenario) -> dict[str, Any]:
    """The keys and values of a scenario file that says the same; of recorded keys and times, how many they are."""
    mapping = asdict(scenario.mapping)
    function = asdict(scenario.function)
    for name in ("cold_start_ms", "invocation_ms", "per_record_ms"):
        function[name] = _duration(getattr(scenario.function, name))
    whole: dict[str, Any] = {
        "name": scenario.name,
        "seed": scenario.seed,
        "until_s": scenario.until_s,
        "buffer": scenario.buffer,
        "arrivals": arrivals(scenario.arrivals),
        "payload_bytes": scenario.payload_bytes,
        "partition_keys": _keys(scenario.partition_keys),
        "mapping": {name: mapping[name] for name in SETTINGS[scenario.buffer]},
        "function": function,
        "downstream": asdict(scenario.downstream),
        "api": scenario.api,
        "transit_ms": _duration(scenario.transit_ms),
        "quotas": dict(sorted(scenario.quotas.items())),
    }
    if scenario.buffer not in _KEYED:
        del whole["partition_keys"]
    if scenario.downstream.rate_per_s is None:
        del whole["downstream"]
    return whole


def arrivals(given: Arrivals) -> dict[str, Any]:
    """What arrives, in the form of the file; of times given one by one, the label."""
    if isinstance(given, Burst):
        return {"burst": given.count}
    if isinstance(given, Rate):
        return {"rate": [list(knot) for knot in given.knots], "poisson": given.poisson}
    return {"workload": given.label}


def _keys(keys: PartitionKeys) -> dict[str, Any]:
    if isinstance(keys, Uniform):
        return {"uniform": keys.keys}
    if isinstance(keys, Hot):
        return {"hot": [keys.keys, keys.share]}
    if isinstance(keys, RecordedKeys):
        return {"recorded": len(keys.hash_keys)}
    return {"zipf": [keys.keys, keys.s]}


def _duration(duration: Duration | RecordedTimes) -> dict[str, Any]:
    if isinstance(duration, Fixed):
        return {"fixed": duration.ms}
    if isinstance(duration, Lognormal):
        return {"p50": duration.p50_ms, "p99": duration.p99_ms}
    if isinstance(duration, RecordedTimes):
        return {"recorded": len(duration.times_ms)}
    return asdict(duration)
