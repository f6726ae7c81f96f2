"""The cells that a simulation can express: their scenarios say what the cells do, and are the simulator's own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtest._faults._cell import Asked
from loadtest._faults._matrix import OWN, read
from loadtest._faults._matrix_run import trials_of
from loadtest._faults._simulated import expressible, scenario
from simulator import scenario_file
from simulator.scenario import Rate

OPTIONS: dict[str, Any] = {
    "account_concurrency": 24,
    "rekognition_median_ms": 100,
    "parameters": {
        "FunctionTimeout": 3, "InBatchConcurrency": 5, "SnsReservedConcurrency": 5, "SnsMaximumRetryAttempts": 2,
        "SqsBatchSize": 10, "SqsMaximumConcurrency": 3, "SqsVisibilityTimeout": 18, "SqsMaxReceiveCount": 5,
        "KinesisBatchSize": 10, "KinesisShardCount": 2, "KinesisParallelizationFactor": 2, "KinesisBisectBatch": "true",
        "KinesisMaximumRetryAttempts": 3,
    },
}  # fmt: skip


def trials() -> list[Asked]:
    own = read(OWN)
    return [asked for asked in trials_of(own, own.faults, own.buffers) if expressible(asked)]


def test_a_share_of_tries_and_records_that_always_fail_can_be_simulated() -> None:
    assert {asked.fault.name for asked in trials()} == {"poison", "errors"}


@pytest.mark.parametrize("asked", trials(), ids=lambda asked: asked.title)
def test_a_cell_s_scenario_is_one_of_the_simulator_s_and_says_the_same(tmp_path: Path, asked: Asked) -> None:
    for buffer in asked.buffers:
        path = tmp_path / f"{buffer}.yaml"
        path.write_text(yaml.safe_dump(scenario(asked, buffer, OPTIONS, 13)), encoding="utf-8")
        told = scenario_file.read(path, ())
        assert told.buffer == buffer
        rate = told.function.poison_rate if asked.fault.name == "poison" else told.function.error_rate
        assert rate == asked.rate
        assert isinstance(told.arrivals, Rate)
        assert told.arrivals.knots == tuple((knot.second, knot.rate) for knot in asked.fault.load.rate.knots)
        assert told.function.timeout_s == 3
        assert told.function.reserved_concurrency == (5 if buffer == "sns" else None)
        assert told.quotas["async_first_retry_s"] == 2
        assert told.quotas["account_concurrency"] == 24
