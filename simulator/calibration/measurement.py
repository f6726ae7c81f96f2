"""What the embedded AWS did under a load test: the figures to be foretold, and the traits of the machine behind them.

A trait is what neither AWS's rules nor a setting says and what the simulator has to be given: how long this machine
takes to start a process, to answer a request, to do a record. What follows from them (throttles, a backlog, its drain)
is the simulator's own to find.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from delivery.quotas import Quotas
from pipeline.run import RunFolder, read_rows
from simulator.duration import Lognormal

FORMAT: Final = 1
# From the standard deviation of the logarithm to the 99th percentile.
_Z99: Final = 2.3263478740408408
_ACCEPTED: Final = 202


class MeasurementError(Exception):
    """A run that cannot serve as a measurement; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one buffer's turn showed. Latency in ms from the intended send until the result was stored."""

    offered: int
    completed: int
    throttles: int
    drain_s: float
    p50_ms: float
    p90_ms: float
    cold_starts: int


@dataclass(frozen=True, slots=True)
class Traits:
    """The machine's own times in one buffer's turn, each a lognormal by median and 99th percentile, ms."""

    gateway_ms: Lognormal
    cold_start_ms: Lognormal
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One buffer's turn."""

    outcome: Outcome
    traits: Traits


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load test of the embedded AWS.

    `record_ms` is a record's whole time in the handler where nothing made it wait: recognition and two writes.
    `options` are those of `forebay local`, `parameters` the template's, `quotas` those that were not AWS's own.
    """

    measured_at: str
    machine: str
    versions: Mapping[str, str]
    options: Mapping[str, float]
    parameters: Mapping[str, Any]
    quotas: Mapping[str, float]
    record_ms: Lognormal
    turns: Mapping[str, Turn]

    @classmethod
    def of_run(cls, folder: RunFolder) -> Self:
        """Read it off a run's folder.

        Raises:
            RunError: it cannot be read.
            MeasurementError: it is not valid, was not on this machine, or a buffer did not drain.
        """
        run = folder.described()
        if not run["valid"]:
            raise MeasurementError(f"the run is not valid: {'; '.join(run['invalid_because'])}")
        if run["target"] != "local":
            raise MeasurementError(f"its target was {run['target']}, not the embedded AWS")
        if late := [turn["buffer"] for turn in run["buffers"] if not turn["drained"]]:
            raise MeasurementError(f"{', '.join(late)} did not drain before the cut-off: nothing to compare")
        rows = _by_buffer(folder)
        options = run["options"]
        return cls(
            measured_at=f"{datetime.fromtimestamp(run['started_at'] / 1_000, UTC):%Y-%m-%d}",
            machine=f"{os.cpu_count()} CPUs, {run['versions']['platform']}",
            versions=run["versions"],
            options={
                name: options[name] for name in ("account_concurrency", "rekognition_rate", "rekognition_median_ms")
            },
            parameters=options["parameters"],
            quotas=_changed(options["quotas"]),
            record_ms=_lognormal(
                [
                    row["stored_at"] - row["received_at"]
                    for turn in rows.values()
                    for row in turn.results
                    if row["attempts"] == 1 and row["batch_size"] == 1
                ]
            ),
            turns={buffer: turn.measured() for buffer, turn in rows.items()},
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            MeasurementError: it is none.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise MeasurementError("it is a measurement of another format: measure anew with `--measure`")
            document["record_ms"] = Lognormal(**document["record_ms"])
            document["turns"] = {
                buffer: Turn(
                    Outcome(**turn["outcome"]),
                    Traits(
                        gateway_ms=Lognormal(**turn["traits"].pop("gateway_ms")),
                        cold_start_ms=Lognormal(**turn["traits"].pop("cold_start_ms")),
                        **turn["traits"],
                    ),
                )
                for buffer, turn in document["turns"].items()
            }
            return cls(**document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MeasurementError(f"this is no measurement: {error!r}; measure anew with `--measure`") from None

    def to_json(self) -> str:
        """As it stands in the repository."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, allow_nan=False) + "\n"


@dataclass(slots=True)
class _Rows:
    requests: list[dict[str, Any]]
    results: list[dict[str, Any]]
    observations: list[dict[str, Any]]

    def measured(self) -> Turn:
        intended = {row["sequence"]: row["intended_at"] for row in self.requests}
        stored = {row["sequence"]: row["stored_at"] for row in self.results if row["status"] == "SUCCEEDED"}
        took = [at - intended[sequence] for sequence, at in stored.items()]
        last = self.observations[-1]
        # Each environment tells its start with every record of its first batch.
        starts = {row["environment"]: row["init_ms"] for row in self.results if row["init_ms"]}
        arrived = [row["accepted_at"] - intended[row["sequence"]] for row in self.results]
        sizes = [row["bytes"] for row in self.requests if row["status"] == _ACCEPTED]
        return Turn(
            Outcome(
                offered=len(intended),
                completed=len(stored),
                throttles=last["throttles"],
                drain_s=round((max(stored.values()) - max(intended.values())) / 1_000, 3),
                p50_ms=round(float(np.quantile(took, 0.5)), 1),
                p90_ms=round(float(np.quantile(took, 0.9)), 1),
                cold_starts=last["cold_starts"],
            ),
            Traits(_lognormal(arrived), _lognormal(list(starts.values())), round(sum(sizes) / len(sizes))),
        )


def _by_buffer(folder: RunFolder) -> dict[str, _Rows]:
    rows: dict[str, _Rows] = defaultdict(lambda: _Rows([], [], []))
    for path in folder.all_requests():
        for row in read_rows(path):
            rows[row["buffer"]].requests.append(row)
    for row in read_rows(folder.results):
        rows[row["buffer"]].results.append(row)
    for row in read_rows(folder.observations):
        rows[row["buffer"]].observations.append(row)
    return dict(rows)


def _lognormal(times_ms: list[float]) -> Lognormal:
    """By the median, and by the spread of the logarithm, which a few dozen samples tell better than their largest."""
    logs = np.log([max(time, 0.1) for time in times_ms])
    median = float(np.exp(np.median(logs)))
    return Lognormal(round(median, 1), round(median * math.exp(_Z99 * float(np.std(logs))), 1))


def _changed(quotas: Mapping[str, float]) -> dict[str, float]:
    own = Quotas.table()
    return {name: value for name, value in quotas.items() if name in own and value != own[name].value}


def read(path: Path) -> Measurement:
    """The stored measurement.

    Raises:
        MeasurementError: there is none, or it is of another version.
    """
    try:
        return Measurement.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MeasurementError(f"there is no {path.name}: make one with `forebay calibrate --measure`") from None
