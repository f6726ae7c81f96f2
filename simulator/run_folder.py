"""A run's folder of simulated results, as a load test leaves one, so that the same report is built of it.

Second 0 of a scenario is 0 ms since the epoch: a simulation happens at no date, and two of them give the same bytes.
"""

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from delivery.protocol import Refusal
from pipeline.result import Status
from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RowWriter,
    RunFolder,
)
from pipeline.run_head import head
from simulator.scenario_document import arrivals, document
from simulator.scorecard import bill
from simulator.simulation import partition_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simulator.result import Floats, Result

TARGET: Final = "simulated"
_MS: Final = 1_000
# What the API answers; infra.yaml maps every error of a buffer that is a limit to 429.
_ACCEPTED: Final = 202
_STATUS: Final = {str(Refusal.TOO_LARGE): 413}
_OTHER_STATUS: Final = 429


def write(path: "Path", results: "Sequence[Result]") -> RunFolder:
    """Write the folder of one or more results, of different buffers, into an empty folder.

    Raises:
        ValueError: two results are of the same buffer.
    """
    buffers = [result.scenario.buffer for result in results]
    twice = sorted({buffer for buffer in buffers if buffers.count(buffer) > 1})
    if twice:
        raise ValueError(f"a report compares buffers, and {twice[0]} is there more than once")
    folder = RunFolder(path)
    with (
        RowWriter(folder.requests(0), REQUEST_COLUMNS) as requests,
        RowWriter(folder.results, RESULT_COLUMNS) as stored,
        RowWriter(folder.dead_letters, DEAD_LETTER_COLUMNS) as dead_letters,
        RowWriter(folder.observations, OBSERVATION_COLUMNS) as observations,
    ):
        for result in results:
            _write_rows(result, requests, stored, dead_letters)
            _write_seconds(result, observations)
    folder.describe(_description(results))
    return folder


def _write_rows(result: "Result", requests: RowWriter, stored: RowWriter, dead_letters: RowWriter) -> None:
    buffer, size = result.scenario.buffer, result.scenario.payload_bytes
    # Rows are in the order of arrival in the buffer; a sequence number is the place in the order of sending.
    sequences = np.empty(len(result.arrived_at), np.int64)
    sequences[np.argsort(result.arrived_at, kind="stable")] = np.arange(len(sequences))
    rows = zip(
        sequences.tolist(), _ms(result.arrived_at), _ms(result.accepted_at), _ms(result.started_at),
        _ms(result.stored_at), result.deliveries.tolist(), partition_keys(result.scenario, len(sequences)).tolist(),
        strict=True,
    )  # fmt: skip
    for row, (sequence, sent_at, accepted_at, received_at, stored_at, deliveries, key) in enumerate(rows):
        name = f"{buffer}-{sequence}"
        error = result.refusals.get(row)
        status = _ACCEPTED if error is None else _STATUS.get(error, _OTHER_STATUS)
        answered_at = sent_at if accepted_at is None else accepted_at
        requests.write(buffer, sequence, sent_at, sent_at, answered_at, status, name, error, None, size, f"g{key}")
        if stored_at is not None:
            stored.write(
                buffer, sequence, name, Status.SUCCEEDED, None, sent_at, accepted_at, received_at, stored_at, stored_at,
                None, None, None, deliveries, None, None,
            )  # fmt: skip
        elif row in result.given_up and result.given_up[row][1]:
            dead_letters.write(buffer, sequence, name, result.given_up[row][0])


def _ms(seconds: "Floats") -> list[float | None]:
    """To the nanosecond, which is what a float of this size holds; None where there is no time."""
    rounded = np.round(seconds * _MS, 6)
    return [None if absent else time for time, absent in zip(rounded.tolist(), np.isnan(rounded).tolist(), strict=True)]


def _write_seconds(result: "Result", observations: RowWriter) -> None:
    seconds = len(result.series)
    kept = np.zeros(len(result.ended_at), np.bool_)
    kept[[row for row, (_, dead) in result.given_up.items() if dead]] = True
    ends = np.arange(1, seconds + 1)
    accepted = np.searchsorted(np.sort(result.accepted_at[~np.isnan(result.accepted_at)]), ends, side="left")
    # What is given up is noticed at the end of a second, and belongs to it.
    dead = np.searchsorted(np.sort(result.ended_at[kept]), ends, side="right")
    offered = completed = 0
    for second in result.series:
        offered += second.offered
        completed += second.completed
        observations.write(
            result.scenario.buffer, float(second.t + 1) * _MS, offered, int(accepted[second.t]), completed,
            int(dead[second.t]), second.backlog, None, second.concurrency, second.throttles, second.cold_starts, None,
        )  # fmt: skip


def _description(results: "Sequence[Result]") -> dict[str, Any]:
    scenarios = [result.scenario for result in results]
    names = list(dict.fromkeys(scenario.name for scenario in scenarios))
    seeds = {scenario.seed for scenario in scenarios}
    ways = [arrivals(scenario.arrivals) for scenario in scenarios]
    lost = [
        f"{result.scenario.buffer}: the simulator lost {result.lost:,} records" for result in results if result.lost
    ]
    told = head(
        run_id="-".join(names),
        target=TARGET,
        started_at=0.0,
        ended_at=max(_end(result) for result in results),
        seed=seeds.pop() if len(seeds) == 1 else None,
        versions={"forebay": version("forebay")},
        faults=lost,
    )
    return {
        **told,
        "workload": {
            "name": ", ".join(names),
            "buffers": [scenario.buffer for scenario in scenarios],
            **(ways[0] if all(way == ways[0] for way in ways) else {}),
        },
        "buffers": [_turn(result) for result in results],
        "generator": {},
        "options": {"scenarios": {scenario.buffer: _settings(document(scenario)) for scenario in scenarios}},
        "stack": {},
    }


def _settings(told: "Mapping[str, Any]") -> dict[str, Any]:
    """What of a scenario is said nowhere else in the report."""
    return {key: value for key, value in told.items() if key not in ("name", "buffer", "arrivals")}


def _end(result: "Result") -> float:
    return float(len(result.series)) * _MS


def _turn(result: "Result") -> dict[str, Any]:
    drained = not result.unfinished
    return {
        "buffer": result.scenario.buffer,
        "started_at": 0.0,
        "ended_at": _end(result),
        "drained": drained,
        "cut_off": not drained,
        "scheduled": result.offered,
        "dropped": 0,
        "lateness_ms": {},
        "expired": _expired(result),
        "cost": bill(result),
        "peak_concurrency": result.peak_concurrency,
    }


def _expired(result: "Result") -> dict[str, int]:
    """What was given up and kept nowhere, by the reason."""
    return dict(sorted(Counter(reason for reason, dead in result.given_up.values() if not dead).items()))
