"""A simulation's folder holds the rows of a measured run, and says the same sums as the result."""

import json
from array import array
from collections import Counter

import pytest

from pipeline.run import RunFolder, read_rows
from simulator.duration import Fixed, Lognormal
from simulator.run_folder import write
from simulator.scenario import Burst, Function, MappingSettings, Rate, Recorded, Scenario
from simulator.simulation import simulate

# Five a second more than a shard takes, and every fifth record fails for good.
KINESIS = Scenario(
    name="kinesis",
    buffer="kinesis",
    arrivals=Rate(((0.0, 1_500.0), (3.0, 1_500.0)), poisson=False),
    mapping=MappingSettings(shards=1, batch_size=10, parallelization_factor=10, maximum_retry_attempts=1),
    function=Function(per_record_ms=Fixed(1), poison_rate=0.01),
)
SILENT = Scenario(
    name="silent",
    seed=2,
    buffer="sns",
    arrivals=Burst(200),
    mapping=MappingSettings(maximum_retry_attempts=0, on_failure=False),
    function=Function(error_rate=0.3),
    transit_ms=Lognormal(20, 200),
)
CUT_OFF = Scenario(name="cut-off", until_s=3.0, arrivals=Burst(500), function=Function(per_record_ms=Fixed(900)))


@pytest.fixture(scope="module")
def results():
    return [simulate(scenario) for scenario in (KINESIS, SILENT, CUT_OFF)]


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    return write(tmp_path_factory.mktemp("run"), results)


def rows(path, buffer):
    return [row for row in read_rows(path) if row["buffer"] == buffer]


@pytest.mark.parametrize("which", range(3), ids=["kinesis", "sns", "sqs"])
def test_the_rows_add_up_to_the_result(results, folder, which):
    result = results[which]
    buffer = result.scenario.buffer
    requests, stored = rows(folder.requests(0), buffer), rows(folder.results, buffer)
    seen = rows(folder.observations, buffer)

    assert sorted(row["sequence"] for row in requests) == list(range(result.offered))
    assert Counter(row["status"] for row in requests) == Counter(
        {202: result.offered - result.rejected, 429: result.rejected}
    )
    assert len(stored) == result.completed
    assert sum(row["deliveries"] - 1 for row in stored) == result.duplicates
    assert len(rows(folder.dead_letters, buffer)) == result.dead_lettered
    assert (seen[-1]["offered"], seen[-1]["completed"]) == (result.offered, result.completed)
    assert (seen[-1]["dead_lettered"], seen[-1]["backlog"]) == (result.dead_lettered, result.unfinished)
    assert (seen[-1]["throttles"], seen[-1]["cold_starts"]) == (result.throttles, result.cold_starts)


def test_something_of_every_kind_is_among_them(results):
    kinesis, silent, cut_off = results

    assert kinesis.rejected > 0
    assert kinesis.dead_lettered > 0
    assert silent.expired > 0
    assert cut_off.unfinished > 0


def test_a_sequence_is_the_place_in_the_order_of_sending(folder):
    for buffer in ("kinesis", "sns"):
        sent = sorted(rows(folder.requests(0), buffer), key=lambda row: row["sequence"])
        assert [row["intended_at"] for row in sent] == sorted(row["intended_at"] for row in sent)


def test_times_of_a_record_are_in_order_and_from_second_0(folder):
    for row in read_rows(folder.results):
        assert 0 <= row["intended_at"] <= row["accepted_at"] <= row["received_at"] <= row["stored_at"]


def test_a_refusal_and_a_dead_letter_tell_their_reason(folder):
    refused = {row["error"] for row in rows(folder.requests(0), "kinesis") if row["status"] == 429}

    assert refused == {"ProvisionedThroughputExceededException"}
    assert {row["reason"] for row in read_rows(folder.dead_letters)} == {"RetriesExhausted"}


def test_the_description_tells_each_turn(results, folder):
    told = folder.described()

    assert (told["target"], told["seed"], told["valid"]) == ("simulated", None, True)
    assert [(turn["buffer"], turn["drained"], turn["cut_off"]) for turn in told["buffers"]] == [
        ("kinesis", True, False),
        ("sns", True, False),
        ("sqs", False, True),
    ]
    assert told["buffers"][1]["expired"] == {"RetriesExhausted": results[1].expired}
    assert told["options"]["scenarios"]["kinesis"]["mapping"]["shards"] == 1
    assert json.dumps(told, allow_nan=False)


def test_a_load_that_all_were_given_is_told_once(tmp_path):
    times = Recorded(array("d", [0.0, 0.5, 0.5]), "smoke")
    both = [simulate(Scenario(buffer=buffer, arrivals=times)) for buffer in ("sns", "sqs")]

    assert write(tmp_path, both).described()["workload"] == {
        "name": "scenario",
        "buffers": ["sns", "sqs"],
        "workload": "smoke",
    }


def test_the_same_results_give_the_same_bytes(results, folder, tmp_path):
    again = write(tmp_path, [simulate(scenario) for scenario in (KINESIS, SILENT, CUT_OFF)])

    assert {path.name: path.read_bytes() for path in again.path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.path.iterdir()
    }


def test_two_results_of_one_buffer_are_refused(results, tmp_path):
    with pytest.raises(ValueError, match="kinesis is there more than once"):
        write(tmp_path, [results[0], results[0]])

    assert not RunFolder(tmp_path).description.exists()
