"""What the embedded AWS did under a load test: the figures to be foretold, and the traits of the machine behind them.

A trait is what neither AWS's rules nor a setting says and what the simulator has to be given: how long this machine
takes to start a process, to answer a request, to do a record. What follows from them (throttles, a backlog, its drain)
is the simulator's own to find.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from heapq import heapreplace
from pathlib import Path
from statistics import mean
from typing import Any, Final, Self

import numpy as np

from delivery.async_invoke import AsyncInvoke
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.quotas import Quotas
from delivery.sqs_mapping import SqsMapping
from delivery.transcript import name_of_kind
from pipeline.run import RunFolder, read_rows
from simulator.duration import Lognormal
from simulator.replay import replay

FORMAT: Final = 1
# Of the measurements, the latest: each of them is simulated whenever the page is made or checked.
KEPT: Final = 4
# Percentiles of the standard normal distribution.
_Z90: Final = 1.2815515655446004
_Z99: Final = 2.3263478740408408
# Clocks of two processes may differ by more than a request takes.
_LEAST_MS: Final = 0.1
_ACCEPTED: Final = 202
_BUFFERS: Final[Mapping[str, str]] = {
    name_of_kind(kind): buffer
    for buffer, kind in (
        ("sns", AsyncInvoke), ("sqs", SqsMapping), ("kinesis", KinesisMapping), ("kinesis-efo", KinesisFanOutMapping),
    )
}  # fmt: skip
_TIMES: Final = ("gateway_ms", "cold_start_ms", "record_ms")


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
    """The machine's own times in one buffer's turn, each a lognormal by median and 99th percentile.

    `gateway_ms`: from the client until the buffer has it. `record_ms`: a record's whole time in the handler where
    nothing made it wait, recognition and two writes. `beside_ms`: what an invocation takes beside its records (event,
    pipe, answer), shared out over its rounds, a round being as many records as it has strands.
    """

    gateway_ms: Lognormal
    cold_start_ms: Lognormal
    record_ms: Lognormal
    beside_ms: float
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One buffer's turn."""

    outcome: Outcome
    traits: Traits


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load test of the embedded AWS.

    `options` are those of `forebay local`, `parameters` the template's, `quotas` those that were not AWS's own.
    `load_average` is the machine's over the run's last minute; `replayed` are the machines' calls that the run's
    recording holds, each of which fresh machines answered alike.
    """

    measured_at: str
    machine: str
    versions: Mapping[str, str]
    options: Mapping[str, float]
    parameters: Mapping[str, Any]
    quotas: Mapping[str, float]
    load_average: float
    replayed: int
    turns: Mapping[str, Turn]

    @classmethod
    def of_run(cls, folder: RunFolder, recording: Sequence[str]) -> Self:
        """Read it off a run's folder, and the lines of what its machines decided.

        Raises:
            RunError, TranscriptError: one of them cannot be read.
            DifferentDecisionError: fresh machines decide otherwise.
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
        warm_s = _warm_invocations_s(recording)
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
            load_average=round(os.getloadavg()[0], 1),
            replayed=replay(recording).total,
            turns={
                buffer: turn.measured(int(options["parameters"]["InBatchConcurrency"]), warm_s[buffer])
                for buffer, turn in rows.items()
            },
        )

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """What `asdict` made a document of."""
        turns = {
            buffer: Turn(Outcome(**turn["outcome"]), _traits(turn["traits"]))
            for buffer, turn in document["turns"].items()
        }
        return cls(**(document | {"turns": turns}))


def _traits(document: dict[str, Any]) -> Traits:
    return Traits(**(document | {name: Lognormal(**document[name]) for name in _TIMES}))


@dataclass(slots=True)
class _Rows:
    requests: list[dict[str, Any]]
    results: list[dict[str, Any]]
    observations: list[dict[str, Any]]

    def measured(self, strands: int, warm_s: Sequence[float]) -> Turn:
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
            Traits(
                gateway_ms=_lognormal(arrived),
                cold_start_ms=_lognormal(list(starts.values())),
                record_ms=_lognormal(self._unhindered_ms(strands)),
                beside_ms=round(self._beside_ms(strands, warm_s), 1),
                payload_bytes=round(sum(sizes) / len(sizes)),
            ),
        )

    def _unhindered_ms(self, strands: int) -> list[float]:
        """How long records took that did not wait for Rekognition's quota, from when they had their turn in the batch.

        A batch is worked through in its order by so many strands: a record's turn is when the first of them is free.
        """
        took = []
        for batch in self._batches():
            free_at = [batch[0]["received_at"]] * min(strands, len(batch))
            for row in batch:
                began_at = heapreplace(free_at, row["stored_at"])
                if row["attempts"] == 1:
                    took.append(row["stored_at"] - began_at)
        return took

    def _beside_ms(self, strands: int, warm_s: Sequence[float]) -> float:
        """What a warm invocation takes on average, as its machine saw it, beyond its batch in the handler, a round."""
        warm = [batch for batch in self._batches() if not batch[0]["init_ms"]]
        in_handler_ms: float = mean(max(row["stored_at"] for row in batch) - batch[0]["received_at"] for batch in warm)
        rounds = mean(math.ceil(len(batch) / strands) for batch in warm)
        return max(0.0, mean(warm_s) * 1_000 - in_handler_ms) / rounds

    def _batches(self) -> list[list[dict[str, Any]]]:
        """The results, batch by batch, each in the order in which it was sent."""
        batches: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
        for row in sorted(self.results, key=lambda row: row["sequence"]):
            batches[row["environment"], row["received_at"]].append(row)
        return list(batches.values())


def _warm_invocations_s(recording: Iterable[str]) -> dict[str, list[float]]:
    """How long invocations of environments that ran already took, by buffer, from poll to settle."""
    buffers: dict[str, str] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for line in recording:
        event = json.loads(line)
        if isinstance(event, dict):
            if (buffer := _BUFFERS.get(event.get("kind", ""))) is not None:
                buffers[event["make"]] = buffer
        elif event[1] == "settle":
            now, invocation, _ = event[2]
            if not invocation["slot"]["cold"]:
                took[buffers[event[0]]].append(now - invocation["start"])
    return took


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
    """By P10, P50 and P90, which a few dozen samples tell better than their largest; P99 is what follows from these."""
    p10, p50, p90 = (max(float(value), _LEAST_MS) for value in np.quantile(times_ms, (0.1, 0.5, 0.9)))
    return Lognormal(round(p50, 1), round(p50 * (p90 / p10) ** (_Z99 / (2 * _Z90)), 1))


def _changed(quotas: Mapping[str, float]) -> dict[str, float]:
    own = Quotas.table()
    return {name: value for name, value in quotas.items() if name in own and value != own[name].value}


def to_json(measurements: Sequence[Measurement]) -> str:
    """The last few measurements, the latest first, as they stand in the repository."""
    runs = [asdict(measurement) for measurement in measurements[:KEPT]]
    return json.dumps({"format": FORMAT, "runs": runs}, indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> list[Measurement]:
    """Read what `to_json` wrote.

    Raises:
        MeasurementError: it is none, or one of another version.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise MeasurementError("these are measurements of another format: measure anew with `--measure`")
        return [Measurement.of_document(run) for run in document["runs"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MeasurementError(f"this is no measurement: {error!r}; measure anew with `--measure`") from None


def read(path: Path) -> list[Measurement]:
    """The stored measurements, the latest first; there is one at least.

    Raises:
        MeasurementError: there is none, or they are of another version.
    """
    measurements = from_json(path.read_text(encoding="utf-8")) if path.exists() else []
    if not measurements:
        raise MeasurementError(f"{path.name} holds no measurement: make one with `forebay calibrate --measure`")
    return measurements
