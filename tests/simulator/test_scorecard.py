"""The JSON of a result: every key, the same bytes, and no percentile without the samples for it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from simulator.result import Result, Second
from simulator.scenario import Burst, Function, MappingSettings, Rate, Scenario
from simulator.scorecard import latency_ms, scorecard, to_json
from simulator.simulation import simulate

TOLD = (
    "target", "name", "seed", "buffer", "offered", "accepted", "rejected", "rejected_because", "completed", "failed",
    "dead_lettered", "expired", "given_up_because", "unfinished", "lost", "duplicates", "drain_s", "cold_starts",
    "throttles", "peak_concurrency", "latency_ms", "series", "cost",
)  # fmt: skip
FAILING = Scenario(
    name="failing",
    buffer="sns",
    arrivals=Rate(((0.0, 40.0), (5.0, 40.0))),
    mapping=MappingSettings(maximum_retry_attempts=0),
    function=Function(error_rate=0.2),
)


@pytest.fixture(scope="module")
def failing() -> Result:
    return simulate(FAILING)


def test_every_figure_is_told(failing):
    told = scorecard(failing)

    assert tuple(told) == TOLD
    assert told["target"] == "simulated"
    assert tuple(told["latency_ms"]) == ("p10", "p50", "p90", "p99", "max", "n")
    assert {tuple(second) for second in told["series"]} == {
        ("t", "offered", "completed", "backlog", "concurrency", "pollers")
    }
    assert [second["t"] for second in told["series"]] == list(range(len(told["series"])))
    assert told["cost"]["total"] == pytest.approx(sum(line["usd"] for line in told["cost"]["lines"]), abs=1e-5)


def test_every_record_has_one_end(failing):
    told = scorecard(failing)

    ends = ("rejected", "completed", "failed", "dead_lettered", "expired", "unfinished", "lost")
    assert told["offered"] == sum(told[end] for end in ends) == sum(second["offered"] for second in told["series"])
    assert told["completed"] == sum(second["completed"] for second in told["series"])
    assert 0 < told["dead_lettered"] == sum(told["given_up_because"].values())


def test_two_runs_give_the_same_bytes_and_another_seed_others():
    once = to_json([simulate(FAILING)])

    assert to_json([simulate(FAILING)]) == once
    assert to_json([simulate(replace(FAILING, seed=2))]) != once


def test_several_results_are_a_list(failing):
    assert json.loads(to_json([failing, failing])) == [json.loads(to_json([failing]))] * 2


def result_of(latencies, *, endless=0):
    """A result of those latencies, in ms, and so many records without an end."""
    done = np.sort(np.asarray(latencies, np.float64)) / 1_000
    blank = simulate(Scenario(arrivals=Burst(1)))
    nothing = np.full(endless, np.nan)
    return replace(
        blank,
        offered=len(done) + endless,
        completed=len(done),
        unfinished=endless,
        arrived_at=np.zeros(len(done) + endless),
        stored_at=np.concatenate([done, nothing]),
        series=(Second(0, 0, 0, 0, 0, None),),
    )


@pytest.mark.parametrize(
    ("done", "endless", "p10", "p50", "p90", "p99", "why"),
    [
        (range(1, 1_001), 0, 100, 500, 900, 990, "a thousand samples have ten beyond each"),
        (range(1, 1_000), 0, 100, 500, 900, None, "999 have not"),
        (range(1, 101), 0, 10, 50, 90, None, "a hundred are enough for p10 and p90"),
        (range(1, 100), 0, None, 50, None, None, "99 are not"),
        (range(1, 20), 0, None, None, None, None, "19 are not enough for a median"),
        (range(1, 601), 400, 100, 500, None, None, "what never ended ranks last, and a percentile among it is none"),
        ([], 50, None, None, None, None, "nothing was done"),
    ],
)
def test_a_percentile_needs_ten_samples_beyond_it(done, endless, p10, p50, p90, p99, why):
    found = latency_ms(result_of(list(done), endless=endless))

    assert [found[name] for name in ("p10", "p50", "p90", "p99")] == [p10, p50, p90, p99], why
    assert found["n"] == len(done)
    assert found["max"] == (max(done) if done else None)
