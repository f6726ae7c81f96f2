"""The file of the matrix: Forebay's own has every fault that it should, and what is wrong with another is said."""

from pathlib import Path

import pytest

from loadtest._faults._matrix import OWN, read
from loadtest._faults._matrix_run import trials_of
from loadtest._faults._plan import document, draw
from local.faults.fault import read_faults
from pipeline.workload_file import WorkloadError

SMALL = """
name: small
why: To be read.
seed: 1
buffers: [sqs]
callback_every: 0
settings:
  quick: {why: Quick., local: {account_concurrency: 5, quota: {sns_immediate_retries: 1}}, tries: {sqs: 5}}
loads:
  short: {rate: [[0, 5], [2, 5]], cut_off_s: 20}
faults:
  - name: errors
    what: Some fail.
    rates: [0.1]
    setting: quick
    load: short
    does: {edge: rekognition, effect: answer, requests: first}
    expect: {all: {failed: 0}}
    because: They are tried again.
"""


def matrix(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in SMALL
    path = tmp_path / "matrix.yaml"
    path.write_text(SMALL.replace(old, new) if old else SMALL)
    return path


def test_the_own_matrix_has_every_fault_at_every_edge_and_expects_something_of_each() -> None:
    own = read(OWN)
    assert own.buffers == ("sns", "sqs", "kinesis")
    rates = {fault.name: fault.rates for fault in own.faults}
    assert rates["poison"] == (0.001,)
    assert rates["errors"] == (0.01, 0.05, 0.1)
    effects = {(fault.cause.edge, fault.cause.effect) for fault in own.faults}
    assert effects >= {
        *(("function", effect) for effect in ("kill", "hang", "starve", "garble", "repeat", "lose-answer")),
        *(("rekognition", effect) for effect in ("answer", "slow")),
        *(("dynamodb", effect) for effect in ("answer", "break-off")),
        ("api", "answer"),
        ("code", "deploy"),
    }
    assert {fault.cause.process for fault in own.faults} == {None, "rekognition", "storage", "embedded"}
    for fault in own.faults:
        assert set(fault.expected) == set(own.buffers)
        assert all(fault.expected.values()), fault.name


def test_the_embedded_aws_takes_every_plan_of_the_own_matrix() -> None:
    for fault in read(OWN).faults:
        for rate in fault.rates:
            plan = draw(fault.cause, rate, 100, "seed")
            runs = {"sns": "run.sns", "sqs": "run.sqs", "kinesis": "run.kinesis"}
            read_faults({"faults": document(fault.cause, plan, runs, 0.0, "seed")})


def test_trials_stand_by_setting_each_behind_what_it_is_compared_with_and_the_last_kills_the_machine() -> None:
    own = read(OWN)
    trials = trials_of(own, own.faults, own.buffers)
    seen: set[str] = set()
    for trial in trials:
        seen.add(trial.fault.name)
        assert trial.fault.cause is None or trial.compared_with in seen
    settings = [trial.fault.setting.name for trial in trials]
    assert settings == sorted(settings, key=settings.index)
    assert trials[-1].fault.name == "embedded-killed"
    assert len(trials) == len({trial.title for trial in trials})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: 1\n", "", "seed is missing"),
        ("buffers: [sqs]", "buffers: [sq]", "did you mean sqs"),
        ("setting: quick", "setting: quik", "did you mean quick"),
        ("load: short", "load: long", "'long' is none of short"),
        ("rates: [0.1]", "rates: [1.5]", "1.5 is more than all requests"),
        ("    rates: [0.1]\n", "", "rates is missing"),
        ("requests: first", "requests: random", None),
        ("effect: answer, requests: first", "effect: answer, for_s: 3", "it has no rates"),
        ("effect: answer", "effect: explode", "'explode' is none of"),
        ("{failed: 0}", "{failed: few}", "'few' is no expectation"),
        ("{failed: 0}", "{fialed: 0}", "did you mean failed"),
        ("name: errors", "name: Errors!", "not made of at most 40"),
        ("requests: first}", "requests: first, after_ms: {sqs: [9]}}", "not the least and the most ms"),
        ("because: They are tried again.", "because: They are.\n    differs: {mars: Red.}", "there is no such key"),
    ],
)
def test_what_is_wrong_in_a_matrix_is_said_with_its_line(tmp_path: Path, old: str, new: str, says: str | None) -> None:
    path = matrix(tmp_path, old, new)
    if says is None:
        assert read(path).faults[0].cause.requests == "random"
        return
    with pytest.raises(WorkloadError, match=says) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:")


def test_one_that_is_struck_at_random_is_not_struck_always(tmp_path: Path) -> None:
    path = matrix(tmp_path)
    path.write_text(SMALL.replace("requests: first", "requests: random").replace("[0.1]", "[1]"))
    with pytest.raises(WorkloadError, match="1 is for every"):
        read(path)
