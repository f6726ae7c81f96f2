"""A made-up run whose clients wait for their results, by arithmetic, so that every figure can be checked by hand.

Request i of every way is meant to leave at 100 i ms and leaves 1 ms later; its result is stored 400 + i ms after the
intended send. 202 comes after 10 ms, by the handler after 30. By hand: `python tests/reports/known_run.py FOLDER`.
"""

import math
import sys
from pathlib import Path
from typing import Any

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    KNOWN_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RowWriter,
    RunFolder,
)

START_MS = 1_795_500_000_000.0
WAYS: dict[str, dict[str, Any]] = {
    "sync": {"pattern": "sync", "through": None},
    "polling-1s": {"pattern": "polling", "through": "sqs", "interval_s": 1.0, "door": "proxy"},
    "polling-1s-handler": {"pattern": "polling", "through": "sqs", "interval_s": 1.0, "door": "handler"},
    "polling": {"pattern": "polling", "through": "sqs", "interval_s": None, "door": "proxy"},
    "callback": {"pattern": "callback", "through": "sqs", "door": "proxy"},
    "websocket": {"pattern": "websocket", "through": "sqs", "connections": 20, "repeated": 3},
}


def write_known_run(
    path: Path,
    *,
    requests: int = 200,
    ways: tuple[str, ...] = tuple(WAYS),
    untold: int = 0,
    dead: int = 0,
    lost: int = 0,
    refused: int = 0,
    target: str = "local",
) -> RunFolder:
    """Write a run. Of each way's requests the last `untold` have clients that never knew, those before them `dead` a
    dead letter, `lost` nothing; the first `refused` of the synchronous ones were answered 504 and stored all the same.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(path)
    turns = []
    with (
        RowWriter(folder.requests(0), REQUEST_COLUMNS) as sent,
        RowWriter(folder.known(0), KNOWN_COLUMNS) as known,
        RowWriter(folder.results, RESULT_COLUMNS) as results,
        RowWriter(folder.dead_letters, DEAD_LETTER_COLUMNS) as letters,
        RowWriter(folder.observations, OBSERVATION_COLUMNS) as observations,
    ):
        for place, way in enumerate(ways):
            began = START_MS + place * 60_000
            for i in range(requests):
                _write(way, i, began, requests, (untold, dead, lost, refused), (sent, known, results, letters))
            observations.write(way, began + 1_000, requests, requests, requests, 0, 0, 0, 1, 0, 0, None)
            turns.append(_turn(way, began, requests))
    folder.describe(_description(ways, turns, target))
    return folder


def _write(
    way: str,
    i: int,
    began: float,
    requests: int,
    ends: tuple[int, int, int, int],
    rows: tuple[RowWriter, RowWriter, RowWriter, RowWriter],
) -> None:
    untold, dead, lost, refused = ends
    sent, known, results, letters = rows
    intended, after = began + 100 * i, 400 + i
    stored, request_id = intended + after, f"{way}-{i}"
    last = requests - i
    told = last > untold + dead + lost
    is_lost, is_dead = untold + dead < last <= untold + dead + lost, untold < last <= untold + dead
    gone_wrong = way == "sync" and i < refused
    status = 504 if gone_wrong else 200 if way == "sync" else 202
    if way == "sync":
        known_at, calls = stored + 5, 1
        responded = known_at
    else:
        responded = intended + (30 if way.endswith("handler") or way == "websocket" else 10)
        polls = math.ceil(after / 1_000)
        known_at, calls = {
            "polling-1s": (intended + 1_000 * polls + 20, 1 + polls),
            "polling-1s-handler": (intended + 1_000 * polls + 40, 1 + polls),
            "polling": (intended + 2_000, 2),
            "callback": (stored + 60, 1),
            "websocket": (stored + 40, 1),
        }[way]
    named = None if gone_wrong else request_id
    sent.write(way, i, intended, intended + 1, responded, status, named, None, "cat", 9_000, None)
    if not gone_wrong:
        why = None if told else "not known when the turn ended"
        known.write(way, i, request_id, known_at if told else None, "SUCCEEDED" if told else None, calls, why)
    if is_dead:
        letters.write(way, i, request_id, "MaxReceiveCountExceeded")
    elif not is_lost:
        times = (intended, intended + 2, intended + 100, stored - 5, stored)
        results.write(way, i, request_id, "SUCCEEDED", None, *times, 0.0, 1, 1, 1, "e1", [])


def _turn(way: str, began: float, requests: int) -> dict[str, Any]:
    return {
        "buffer": way,
        "started_at": began,
        "ended_at": began + 50_000,
        "drained": True,
        "cut_off": False,
        "scheduled": requests,
        "offered": requests,
        "dropped": 0,
        "lateness_ms": {"p50": 1.0, "p99": 1.0, "max": 1.0, "n": requests},
        "connections": 0,
        "repeated": 0,
        **WAYS[way],
    }


def _description(ways: tuple[str, ...], turns: list[dict[str, Any]], target: str) -> dict[str, Any]:
    return {
        "format": 1,
        "id": "known",
        "target": target,
        "started_at": START_MS,
        "ended_at": START_MS + 600_000,
        "seed": 5,
        "workload": {"name": "patterns", "patterns": ["..."], "buffer": "sqs", "rate": [[0, 10], [20, 10]]},
        "buffers": turns,
        "ways": list(ways),
        "generator": {"lateness_ms": {"p50": 1.0, "p99": 1.0, "max": 1.0, "n": 1_200}, "dropped": 0, "lost_rows": 0},
        "options": {"account_concurrency": 10, "parameters": {"FunctionMemory": 512}} if target == "local" else None,
        "stack": {},
        "versions": {},
        "valid": True,
        "invalid_because": [],
    }


if __name__ == "__main__":
    write_known_run(Path(sys.argv[1]))
