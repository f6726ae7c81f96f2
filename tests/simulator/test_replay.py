"""What the embedded AWS decided by the real clock, fresh machines decide again."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.protocol import Error, Invocation, Offer, Ok
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from delivery.transcript import TranscriptError
from local.recorder import UNRECORDED, DecisionRecorder, Recorder
from simulator.replay import DifferentDecisionError, replay, replay_command
from tests.simulator.recorded_run import EACH, STORED, record


def push(recorder: Recorder) -> list[Invocation]:
    """Six messages through a topic to a function of two environments; one fails once. What was started."""
    quotas = Quotas.with_overrides({"account_concurrency": 2})
    account = recorder.make("account", Account, quotas)
    environments = recorder.make("environments", Environments, account, quotas)
    events = recorder.make("events", AsyncInvoke, capacity=environments, random=Random(1), quotas=quotas)
    topic = recorder.make("topic", SnsTopic, [events], quotas)
    topic.offer(0.0, Offer(range(6), 100))
    started: list[Invocation] = []
    failed = False
    running = events.poll(0.0)
    while running or events.wake_at() < 400:
        if running:
            started += running
            now = running[0].start + 0.5
            for invocation in running:
                events.settle(now, invocation, Ok() if failed else Error())
                failed = True
        else:
            now = events.wake_at()
        running = events.poll(now)
        events.drain()
    environments.expire(1_000.0)
    return started


@pytest.fixture
def recorded(tmp_path: Path) -> list[str]:
    path = tmp_path / "decisions.jsonl"
    recorder = DecisionRecorder.to_file(path)
    push(recorder)
    recorder.close()
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def test_a_recording_replays_call_by_call(recorded: list[str]) -> None:
    calls = replay(recorded).calls
    assert list(calls) == ["account", "environments", "events", "topic"]
    assert (calls["topic"], calls["environments"]) == (1, 1)
    assert calls["events"] > 20


def test_recording_changes_nothing_of_what_is_decided(tmp_path: Path) -> None:
    recorder = DecisionRecorder.to_file(tmp_path / "decisions.jsonl")
    assert push(recorder) == push(UNRECORDED)
    recorder.close()


def test_what_machines_say_to_each_other_is_not_recorded(recorded: list[str]) -> None:
    said = Counter(tuple(event[:2]) for event in map(json.loads, recorded) if isinstance(event, list))
    assert ("events", "offer") not in said
    assert ("environments", "acquire_upto") not in said


@pytest.mark.parametrize("call", ["poll", "drain"])
def test_a_decision_that_differs_is_told_with_its_line(recorded: list[str], call: str) -> None:
    number = max(index for index, line in enumerate(recorded) if f'"events","{call}"' in line)
    event = json.loads(recorded[number])
    event[-1] = "something else"
    recorded[number] = json.dumps(event) + "\n"
    with pytest.raises(DifferentDecisionError, match=rf"line {number + 1}: events\.{call}.*\n.*something else"):
        replay(recorded)


def test_another_seed_is_found_out(recorded: list[str]) -> None:
    number = next(index for index, line in enumerate(recorded) if '"make":"events"' in line)
    event = json.loads(recorded[number])
    version, state, gauss = Random(2).getstate()
    event["kwargs"]["random"]["of"] = [version, list(state), gauss]
    recorded[number] = json.dumps(event) + "\n"
    with pytest.raises(DifferentDecisionError):
        replay(recorded)


def test_a_last_line_that_breaks_off_is_left_out(recorded: list[str]) -> None:
    whole = replay(recorded).total
    assert replay([*recorded[:-1], recorded[-1][:10]]).total == whole - 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{}\n", "neither made nor called"),
        ("not json\n", "no JSON in the middle of the file"),
        ('["nobody","poll",[0.0],{},[]]\n', "a machine that was not made"),
        ('["events","_sleep",[0.0],{},null]\n', "a call that no driver makes"),
        ('{"make":"x","kind":"environments.Account","args":[],"kwargs":{"limit":1}}\n', "settings of another version"),
    ],
)
def test_a_line_that_cannot_be_replayed_is_named(recorded: list[str], line: str, why: str) -> None:
    with pytest.raises(TranscriptError, match=f"^line {len(recorded) + 1} "):
        replay([*recorded, line])


@pytest.mark.parametrize("first", ["", "{}\n", '{"format":2}\n', "name: a scenario\n"])
def test_what_is_no_recording_is_refused(first: str) -> None:
    with pytest.raises(TranscriptError, match="forebay local --record-decisions"):
        replay([first])


def test_the_stored_recording_of_a_real_run_replays_identically() -> None:
    result = CliRunner().invoke(replay_command, [str(STORED)])
    assert result.exit_code == 0, result.output
    assert "calls, each answered as it was" in result.output
    for machine in ("SqsMapping", "KinesisMapping", "KinesisEfoMapping", "events of forebay-SnsFunction"):
        assert machine in result.output


def test_the_command_ends_with_1_where_a_decision_differs(recorded: list[str], tmp_path: Path) -> None:
    path = tmp_path / "changed.jsonl"
    path.write_text("".join(line.replace('"cold":true', '"cold":false', 1) for line in recorded), encoding="utf-8")
    result = CliRunner().invoke(replay_command, [str(path)])
    assert result.exit_code == 1
    assert "was answered" in result.output


@pytest.mark.end_to_end
def test_a_run_of_real_processes_replays_identically(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    record(path)
    replayed = replay(path.read_text(encoding="utf-8").splitlines(keepends=True))
    assert replayed.calls["Topic"] == replayed.calls["Queue"] == EACH
    for machine in ("SqsMapping", "KinesisMapping", "KinesisEfoMapping", "events of forebay-SnsFunction"):
        assert replayed.calls[machine] > 2 * EACH
