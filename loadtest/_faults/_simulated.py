"""The same faults in the simulator, where it can express them: a share of tries that fail, and records that always do.

Its command is asked for as a user asks for it, for the room of simulations is another one's.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadtest._faults._cell import Asked
    from pipeline.request import Buffer

_FOREBAY: Final = Path(sys.executable).with_name("forebay")
_SECONDS: Final = 300
# How a cause is called there: what is struck at random, and what is struck every time.
_RATES: Final = {"random": "error_rate", "every": "poison_rate"}
# What a record takes of one strand: Rekognition's median and spread, and two writes.
_BESIDE_REKOGNITION_MS: Final = 20.0
_P99_TO_MEDIAN: Final = 2.5
_FIGURES: Final = ("accepted", "completed", "failed", "dead_lettered", "unfinished", "lost", "duplicates")


def expressible(asked: "Asked") -> bool:
    """Whether a scenario can say what a fault does."""
    cause = asked.fault.cause
    return cause is not None and cause.edge == "rekognition" and cause.effect == "answer" and cause.requests in _RATES


def scenario(asked: "Asked", buffer: "Buffer", options: "Mapping[str, Any]", seed: int) -> dict[str, Any]:
    """The scenario of a cell. `options` are those in force in the embedded AWS, with the template's parameters."""
    assert asked.fault.cause is not None
    assert asked.fault.cause.requests is not None
    parameters = options["parameters"]
    quotas = asked.fault.setting.local.get("quota", {})
    assert not isinstance(quotas, str | int | float | bool)
    median = float(options["rekognition_median_ms"]) + _BESIDE_REKOGNITION_MS
    # A reservation of 0 is none.
    reserved = int(parameters["SnsReservedConcurrency"]) if buffer == "sns" else 0
    return {
        "name": f"{asked.fault.name}-{asked.rate:g}-{buffer}",
        "seed": seed,
        "until_s": 3_600,
        "buffer": buffer,
        "arrivals": {"rate": [[knot.second, knot.rate] for knot in asked.fault.load.rate.knots]},
        "payload_bytes": 15_000,
        "mapping": _mapping(buffer, parameters),
        "function": {
            "timeout_s": float(parameters["FunctionTimeout"]),
            "per_record_ms": {"p50": median, "p99": _P99_TO_MEDIAN * median},
            "in_batch_concurrency": int(parameters["InBatchConcurrency"]),
            _RATES[asked.fault.cause.requests]: asked.rate,
            **({"reserved_concurrency": reserved} if reserved else {}),
        },
        "quotas": {**quotas, "account_concurrency": int(options["account_concurrency"])},
    }


def simulate(
    trials: "Iterable[Asked]", options: "Mapping[str, Mapping[str, Any]]", seed: int
) -> "list[dict[str, Any]] | str":
    """The cells of all trials that can be expressed, simulated; or why they could not be."""
    cells = [
        (asked, buffer)
        for asked in trials
        if expressible(asked) and asked.fault.setting.name in options
        for buffer in asked.buffers
    ]
    if not cells:
        return []
    with tempfile.TemporaryDirectory(prefix="forebay-faults-") as scratch:
        files = []
        for number, (asked, buffer) in enumerate(cells):
            files.append(Path(scratch) / f"{number}.yaml")
            document = scenario(asked, buffer, options[asked.fault.setting.name], seed)
            files[-1].write_text(yaml.safe_dump(document), encoding="utf-8")
        out = Path(scratch) / "simulated.json"
        done = subprocess.run(  # noqa: S603 (our own command)
            [_FOREBAY, "simulate", *files, "--json", out], check=False, capture_output=True, text=True, timeout=_SECONDS
        )
        if not out.exists():
            return f"the simulation failed: {done.stderr.strip()[-500:]}"
        results = json.loads(out.read_text(encoding="utf-8"))
    results = results if isinstance(results, list) else [results]
    return [
        {"fault": asked.fault.name, "rate": asked.rate, "buffer": buffer, **{name: result[name] for name in _FIGURES}}
        for (asked, buffer), result in zip(cells, results, strict=True)
    ]


def _mapping(buffer: "Buffer", parameters: "Mapping[str, Any]") -> dict[str, Any]:
    """How the stack's parameters have the buffer delivered."""
    if buffer == "sns":
        return {"maximum_retry_attempts": int(parameters["SnsMaximumRetryAttempts"])}
    if buffer == "sqs":
        return {
            "batch_size": int(parameters["SqsBatchSize"]),
            "maximum_concurrency": int(parameters["SqsMaximumConcurrency"]),
            "visibility_timeout_s": float(parameters["SqsVisibilityTimeout"]),
            "max_receive_count": int(parameters["SqsMaxReceiveCount"]),
        }
    return {
        "batch_size": int(parameters["KinesisBatchSize"]),
        "shards": int(parameters["KinesisShardCount"]),
        "parallelization_factor": int(parameters["KinesisParallelizationFactor"]),
        "bisect": str(parameters["KinesisBisectBatch"]).lower() == "true",
        "maximum_retry_attempts": int(parameters["KinesisMaximumRetryAttempts"]),
    }
