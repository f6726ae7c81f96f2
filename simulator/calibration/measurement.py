"""What the embedded AWS did under a load test: the figures to be foretold, and the traits of the machine behind them.

A trait is what neither AWS's rules nor a setting says and what the simulator has to be given: how long this machine
takes to start a process, to answer a request, to do a record. What follows from them (throttles, a backlog, its drain)
is the simulator's own to find.
"""

import json
import os
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from heapq import heapreplace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from delivery.quotas import Quotas
from pipeline.run import RunFolder, read_rows
from simulator.calibration.recording import Ran, Told, told_of
from simulator.duration import Lognormal
from simulator.replay import replay

FORMAT: Final = 2
# Of the measurements, the latest: each of them is simulated whenever the page is made or checked.
KEPT: Final = 4
# Percentiles of the standard normal distribution.
_Z90: Final = 1.2815515655446004
_Z99: Final = 2.3263478740408408
# Clocks of two processes may differ by more than a request takes; by so much at the most.
_LEAST_MS: Final = 0.1
_CLOCKS_MS: Final = 2.0
_ACCEPTED: Final = 202
_TIMES: Final = ("gateway_ms", "cold_start_ms", "invocation_ms", "record_ms")
_HASH_KEY_BYTES: Final = 16
_STORED_TIME: Final = np.dtype("<f4")


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

    `gateway_ms`: from the client until the buffer has it. `invocation_ms`: what an invocation of a warm environment
    takes beside its records, both ways (event, pipe, answer). `record_ms`: a record's whole time in the handler where
    nothing made it wait, recognition and two writes.
    """

    gateway_ms: Lognormal
    cold_start_ms: Lognormal
    invocation_ms: Lognormal
    record_ms: Lognormal
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One buffer's turn, and of what was drawn in it what is known.

    `hash_keys` are those of its records, as they came to the stream; none if it is no stream. `record_times_ms` is how
    long each record took that did not wait for Rekognition's quota, in the order in which they began.
    """

    outcome: Outcome
    traits: Traits
    hash_keys: tuple[int, ...]
    record_times_ms: tuple[float, ...]


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
            MeasurementError: it is not valid, was not on this machine, a buffer did not drain, or a request is missing
                from its stream.
        """
        run = folder.described()
        if not run["valid"]:
            raise MeasurementError(f"the run is not valid: {'; '.join(run['invalid_because'])}")
        if run["target"] != "local":
            raise MeasurementError(f"its target was {run['target']}, not the embedded AWS")
        if late := [turn["buffer"] for turn in run["buffers"] if not turn["drained"]]:
            raise MeasurementError(f"{', '.join(late)} did not drain before the cut-off: nothing to compare")
        rows = _by_buffer(folder)
        told = told_of(recording)
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
                buffer: turn.measured(int(options["parameters"]["InBatchConcurrency"]), told[buffer])
                for buffer, turn in rows.items()
            },
        )

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """What `document` made."""
        turns = {
            buffer: Turn(
                Outcome(**turn["outcome"]),
                _traits(turn["traits"]),
                _keys(turn["hash_keys"]),
                tuple(np.frombuffer(b64decode(turn["record_times_ms"]), _STORED_TIME).tolist()),
            )
            for buffer, turn in document["turns"].items()
        }
        return cls(**(document | {"turns": turns}))

    @property
    def document(self) -> dict[str, Any]:
        """It in plain values; hash keys and times, of which there are many, as the base64 of 16 and 4 bytes each."""
        whole = asdict(self)
        for buffer, turn in self.turns.items():
            packed = b"".join(key.to_bytes(_HASH_KEY_BYTES, "big") for key in turn.hash_keys)
            whole["turns"][buffer]["hash_keys"] = b64encode(packed).decode()
            times = np.array(turn.record_times_ms, _STORED_TIME).tobytes()
            whole["turns"][buffer]["record_times_ms"] = b64encode(times).decode()
        return whole


def _traits(document: dict[str, Any]) -> Traits:
    return Traits(**(document | {name: Lognormal(**document[name]) for name in _TIMES}))


def _keys(packed: str) -> tuple[int, ...]:
    raw = b64decode(packed)
    return tuple(
        int.from_bytes(raw[start : start + _HASH_KEY_BYTES], "big") for start in range(0, len(raw), _HASH_KEY_BYTES)
    )


@dataclass(slots=True)
class _Rows:
    requests: list[dict[str, Any]]
    results: list[dict[str, Any]]
    observations: list[dict[str, Any]]

    def measured(self, strands: int, told: Told) -> Turn:
        intended = {row["sequence"]: row["intended_at"] for row in self.requests}
        stored = {row["sequence"]: row["stored_at"] for row in self.results if row["status"] == "SUCCEEDED"}
        took = [at - intended[sequence] for sequence, at in stored.items()]
        last = self.observations[-1]
        # Each environment tells its start with every record of its first batch.
        starts = {row["environment"]: row["init_ms"] for row in self.results if row["init_ms"]}
        unhindered_ms = self._unhindered_ms(strands)
        arrived = [row["accepted_at"] - intended[row["sequence"]] for row in self.results]
        sizes = [row["bytes"] for row in self.requests if row["status"] == _ACCEPTED]
        if told.hash_keys and len(told.hash_keys) != len(intended):
            raise MeasurementError(f"of {len(intended):,} requests {len(told.hash_keys):,} came to the stream")
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
                invocation_ms=_lognormal(self._beside_ms(told.warm)),
                record_ms=_lognormal(unhindered_ms),
                payload_bytes=round(sum(sizes) / len(sizes)),
            ),
            tuple(told.hash_keys),
            # As precise as they are stored.
            tuple(np.maximum(unhindered_ms, _LEAST_MS).astype(_STORED_TIME).tolist()),
        )

    def _unhindered_ms(self, strands: int) -> list[float]:
        """How long records took that did not wait for Rekognition's quota, from when they had their turn in the batch,
        in the order of these.

        A batch is worked through in its order by so many strands: a record's turn is when the first of them is free.
        """
        took = []
        for batch in self._batches():
            free_at = [batch[0]["received_at"]] * min(strands, len(batch))
            for row in batch:
                began_at = heapreplace(free_at, row["stored_at"])
                if row["attempts"] == 1:
                    took.append((began_at, row["stored_at"] - began_at))
        return [took_ms for _, took_ms in sorted(took, key=lambda one: one[0])]

    def _beside_ms(self, warm: Sequence[Ran]) -> list[float]:
        """What each warm invocation took, as its machine saw it, beyond its batch in the handler.

        A row does not name its invocation: of those that it can lie in, it is the first to end.
        """
        left = sorted(warm, key=lambda ran: ran.ended_at)
        took = []
        for batch in self._batches():
            if batch[0]["init_ms"]:
                continue
            received_at, done_at = batch[0]["received_at"], max(row["stored_at"] for row in batch)
            for ran in left:
                beside_ms = (ran.ended_at - ran.began_at) * 1_000 - (done_at - received_at)
                apart_ms = max(ran.began_at * 1_000 - received_at, done_at - ran.ended_at * 1_000)
                if apart_ms <= _CLOCKS_MS and len(batch) <= ran.records and beside_ms >= 0:
                    took.append(beside_ms)
                    left.remove(ran)
                    break
        return took

    def _batches(self) -> list[list[dict[str, Any]]]:
        """The results, batch by batch, each in the order in which it was sent."""
        batches: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
        for row in sorted(self.results, key=lambda row: row["sequence"]):
            batches[row["environment"], row["received_at"]].append(row)
        return list(batches.values())


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
    runs = [measurement.document for measurement in measurements[:KEPT]]
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
