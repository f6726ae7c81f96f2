"""A made-up run of any number of rows, as a load test leaves one: seeded, and with what real runs have."""

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RowWriter,
    RunFolder,
)
from pipeline.run_head import head

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

BUFFERS: Final = ("sns", "sqs", "kinesis", "kinesis-efo")
_START_MS: Final = 1_795_500_000_000.0
_RATE_PER_S: Final = 1_000
_IMAGES: Final = (("chelsea-200", 9_156), ("flower", 22_825), ("coffee-1200", 118_000))
_REFUSED: Final = 0.005
_DEAD: Final = 0.0005
_TWICE: Final = 0.001
_BLOCK: Final = 100_000
_LABELS: Final = [
    [{"name": name, "confidence": 97.780804} for name in names]
    for names in (("Animal", "Mammal", "Carnivore", "Feline", "Cat", "Domestic Cat"), (), ("Coffee", "Cup"))
]


def write(path: "Path", rows: int, seed: int) -> RunFolder:
    """Write a run of about `rows` rows of requests and results together, the same of the same seed."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    each = rows // 2 // len(BUFFERS)
    began, turns = _START_MS, []
    with (
        RowWriter(folder.requests(0), REQUEST_COLUMNS) as first,
        RowWriter(folder.requests(1), REQUEST_COLUMNS) as second,
        RowWriter(folder.results, RESULT_COLUMNS) as results,
        RowWriter(folder.dead_letters, DEAD_LETTER_COLUMNS) as letters,
        RowWriter(folder.observations, OBSERVATION_COLUMNS) as observations,
    ):
        for number, buffer in enumerate(BUFFERS):
            random = np.random.default_rng([seed, number])
            for begin in range(0, each, _BLOCK):
                _write_block(random, buffer, began, begin, min(_BLOCK, each - begin), (first, second), results, letters)
            seconds = math.ceil(each / _RATE_PER_S) + 60
            for second_ in range(seconds):
                done = min(each, second_ * _RATE_PER_S)
                observations.write(
                    buffer, began + second_ * 1_000, done, done, max(0, done - 5_000), 0, min(done, 5_000), 50, 50,
                    second_, 50, 1.5,
                )  # fmt: skip
            turns.append(_turn(buffer, began, seconds, each))
            began += (seconds + 5) * 1_000.0
    folder.describe(_description(path.name, seed, turns, began))
    return folder


def _write_block(
    random: np.random.Generator, buffer: str, began: float, begin: int, n: int, requests: tuple[RowWriter, RowWriter],
    results: RowWriter, letters: RowWriter,
) -> None:  # fmt: skip
    sequences = np.arange(begin, begin + n)
    intended = began + sequences * (1_000 / _RATE_PER_S)
    sent = intended + random.lognormal(-1, 0.7, n)
    accepted = np.floor(sent + random.lognormal(1.4, 0.4, n))
    responded = accepted + random.lognormal(2, 0.5, n)
    # A backlog that comes and goes, and a tail.
    received = accepted + 2_500 * (1 + np.sin(sequences / 90_000)) + random.lognormal(3, 1, n)
    recognised = received + random.lognormal(6, 0.35, n)
    stored = recognised + random.lognormal(1.8, 0.4, n)
    chance, image = random.random(n), random.integers(0, len(_IMAGES), n)
    columns = [_rounded(values) for values in (intended, sent, responded, accepted, received, recognised, stored)]
    for row, (sequence, due, left, answered, taken, got, known, written) in enumerate(
        zip(sequences.tolist(), *columns, strict=True)
    ):
        name, size = _IMAGES[image[row]]
        luck = chance[row]
        taken_in = luck >= _REFUSED
        request_id = f"{sequence:014x}{buffer[:1]}=" if taken_in else None
        requests[sequence % 2].write(
            buffer, sequence, due, left, answered, 202 if taken_in else 429, request_id, None, name, size,
            f"g{sequence % 1_000}",
        )  # fmt: skip
        if not taken_in:
            continue
        if luck > 1 - _DEAD:
            letters.write(buffer, sequence, request_id, "MaxReceiveCountExceeded")
            continue
        results.write(
            buffer, sequence, request_id, "SUCCEEDED", None, due, taken, got, known, written, 0.0, 10, 1,
            2 if luck > 1 - _TWICE else 1, f"2026/11/26/[$LATEST]{sequence % 50:032x}", _LABELS[image[row]],
        )  # fmt: skip


def _rounded(values: "npt.NDArray[Any]") -> "list[float]":
    rounded: list[float] = np.round(values, 3).tolist()
    return rounded


def _turn(buffer: str, began: float, seconds: int, requests: int) -> dict[str, Any]:
    return {
        "buffer": buffer,
        "started_at": began,
        "ended_at": began + seconds * 1_000,
        "drained": True,
        "cut_off": False,
        "scheduled": requests,
        "dropped": 0,
        "lateness_ms": {"p50": 0.4, "p99": 2.0, "max": 8.0, "n": requests},
    }


def _description(name: str, seed: int, turns: list[dict[str, Any]], ended_at: float) -> dict[str, Any]:
    return {
        **head(run_id=name, target="local", started_at=_START_MS, ended_at=ended_at, seed=seed, versions={}),
        "workload": {"name": "large", "why": "made up", "buffers": list(BUFFERS)},
        "buffers": turns,
        "generator": {"workers": 2},
        "options": {"parameters": {"FunctionMemory": 1024}},
        "stack": {},
    }
