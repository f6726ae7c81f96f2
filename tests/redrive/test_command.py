"""`forebay redrive` as a user meets it."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from producers.redrive import command
from producers.redrive.place import PLACES
from producers.redrive.stopping import stopping
from tests.redrive.conftest import ACCEPTED_AT, NOW, World, batch_failure, event_failure, invocation, record


@pytest.fixture
def ready(world: World, tmp_path: Path) -> Path:
    """The ready line of an embedded AWS that serves the world."""
    environment = {f"AWS_ENDPOINT_URL_{name.upper()}": url for name, url in world.target.endpoints.items()}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    path = tmp_path / "ready.json"
    path.write_text(json.dumps({"outputs": world.outputs, "environment": {**environment, **keys}}) + "\n")
    return path


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["redrive", *map(str, arguments)], input=text)


@pytest.fixture
def laid(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A few letters of each buffer, an hour after they were accepted."""
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: NOW))
    stack = world.stack
    world.lay_messages(stack.sqs_dead_letter_queue_url, [record("q1"), record("q2"), "junk"])
    slow = {"responsePayload": {"errorMessage": "out of time: ThrottlingException: Slow\u001b[2J down"}}
    world.lay_messages(stack.sns_failure_queue_url, [event_failure(record("n1"), **slow)])
    batch = [(each, record(each, ACCEPTED_AT - 86_400).encode()) for each in ("k1", "k2")]
    world.lay_objects(stack.kinesis_failure_bucket, [batch_failure(*batch)])
    world.answer("q2")
    return world


def test_show_says_which_request_why_when_and_how_often(laid: World, ready: Path) -> None:
    shown = run("show", "--local", ready)

    assert shown.exit_code == 0
    text = shown.output
    assert "SQS dead-letter queue: 3 letters with 2 requests, 1 of them with their result by now" in text
    assert "received as often as its queue allows, and never done (MaxReceiveCountExceeded)" in text
    assert "it is no" not in text
    assert "the record is not JSON" in text
    assert "failed as often as Lambda tries (RetriesExhausted): out of time: ThrottlingException: Slow" in text
    assert "\u001b" not in text
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("    ")}
    assert lines["q1"] == ["q1", "2024-11-23", "22:13:20", "60", "min", "0", "s", "5", "dead"]
    assert lines["q2"][-2:] == ["5", "done"]
    assert lines["k1"][1:] == "2024-11-22 22:13:20 25 h 0 min 2024-11-23 22:15:00 4 dead".split()
    assert "Kinesis enhanced fan-out failure bucket: empty" in text


def test_show_as_json_has_all_that_the_words_have(laid: World, ready: Path) -> None:
    shown = json.loads(run("show", "--local", ready, "--json").output)

    places = {place["place"]: place for place in shown["places"]}
    assert list(places) == list(PLACES)
    assert (shown["stopped"], shown["errors"]) == (False, {})
    (event,) = places["sns"]["requests"]
    assert (event["request_id"], event["tries"], event["receives"], event["done"]) == ("n1", 3, 1, False)
    assert (event["accepted_at"], event["given_up_at"]) == (ACCEPTED_AT, 1_732_400_100.0)
    assert "ThrottlingException" in event["reason"]
    (foreign,) = places["sqs"]["foreign"]
    assert "junk" in foreign["problem"]


def test_show_takes_a_choice_and_a_place(laid: World, ready: Path) -> None:
    shown = json.loads(run("show", "--local", ready, "--json", "--from", "kinesis", "--older-than", "2h").output)
    assert [[each["request_id"] for each in place["requests"]] for place in shown["places"]] == [["k1", "k2"]]

    shown = json.loads(run("show", "--local", ready, "--json", "--younger-than", "2h", "--reason", "throttl").output)
    assert [each["request_id"] for place in shown["places"] for each in place["requests"]] == ["n1"]


def test_a_long_list_is_cut_and_says_how_to_see_the_rest(laid: World, ready: Path) -> None:
    assert (
        "... and 1 more: --limit 0 shows all" in run("show", "--local", ready, "--from", "sqs", "--limit", "1").output
    )
    assert "more" not in run("show", "--local", ready, "--from", "sqs", "--limit", "0").output


def test_a_dry_run_says_what_a_replay_then_does(laid: World, ready: Path) -> None:
    dry = run("replay", "--local", ready, "--all", "--dry-run")
    assert dry.exit_code == 0
    assert (
        "SQS dead-letter queue: 1 request would be sent and 1 would be only removed (with their result by now)\n"
        "  2 letters would be removed\n"
        "  1 letter holds what cannot be sent; `forebay redrive show` says why\n"
    ) in dry.output

    done = run("replay", "--local", ready, "--all")
    assert done.exit_code == 0
    assert "SQS dead-letter queue: 1 request sent and 1 only removed (with their result by now)" in done.output
    assert "SNS failure queue: 1 request sent\n  1 letter removed\n" in done.output
    assert "Kinesis failure bucket: 2 requests sent\n  1 letter removed\n" in done.output
    assert "Push dead-letter queue: nothing chosen lies there" in done.output

    assert laid.published() == [record("n1")]
    assert [json.loads(body)["request_id"] for body in laid.messages(laid.stack.queue_url)] == ["q1"]
    assert len(laid.records(laid.stack.stream_name)) == 2
    again = json.loads(run("replay", "--local", ready, "--all", "--json").output)
    assert sum(place["sent"] + place["done"] + place["removed"] for place in again["places"]) == 0


def test_a_replay_of_some_ids_leaves_the_others(laid: World, ready: Path) -> None:
    done = json.loads(run("replay", "--local", ready, "--json", "--id", "k2", "--id", "n1").output)

    assert {place["place"]: place["sent"] for place in done["places"] if place["sent"]} == {"sns": 1, "kinesis": 1}
    assert laid.depth(laid.stack.sqs_dead_letter_queue_url) == (3, 0)


def test_a_buffer_that_refuses_ends_with_one_and_the_reason(
    world: World, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a topic takes: it came another way, or the topic took more then.
    world.lay_messages(world.stack.sns_failure_queue_url, [event_failure(record("large", note="x" * 300_000))])

    done = run("replay", "--local", ready, "--all", "--from", "sns")

    assert done.exit_code == 1
    assert "not sent: large: too large: 300," in done.output
    assert world.depth(world.stack.sns_failure_queue_url) == (1, 0)


def test_where_one_place_fails_the_others_are_done_all_the_same(laid: World, ready: Path) -> None:
    said = json.loads(ready.read_text())
    said["environment"]["AWS_ENDPOINT_URL_KINESIS"] = "http://127.0.0.1:1"
    ready.write_text(json.dumps(said))

    done = run("replay", "--local", ready, "--all", "--from", "kinesis", "--from", "sqs")

    assert done.exit_code == 1
    assert "SQS dead-letter queue: 1 request sent" in done.output
    assert "Error: kinesis: " in done.output
    assert "is the embedded AWS of that ready line still running?" in done.output


MISUSES: list[tuple[str, list[str], str]] = [
    ("nobody is named", ["show"], "Give one of --stack NAME and --local FILE"),
    ("two are named", ["show", "--stack", "s", "--local", "READY"], "Give one of --stack NAME and --local FILE"),
    ("nothing is chosen", ["replay", "--local", "READY"], "choose what to replay: --all, or any of --id"),
    ("all, and a choice", ["replay", "--local", "READY", "--all", "--id", "x"], "--all goes with no choice"),
    (
        "an age without a unit",
        ["show", "--local", "READY", "--older-than", "15"],
        "is no age: write 90s, 15m, 2h or 3d",
    ),
    ("a place that nobody knows", ["show", "--local", "READY", "--from", "fax"], "'fax' is not one of"),
    ("a file that is not there", ["show", "--local", "nowhere.json"], "No such file"),
]


@pytest.mark.parametrize(("arguments", "told"), [row[1:] for row in MISUSES], ids=[row[0] for row in MISUSES])
def test_a_misuse_says_what_to_write(ready: Path, arguments: list[str], told: str) -> None:
    answer = run(*(str(ready) if each == "READY" else each for each in arguments))
    assert answer.exit_code == 2
    assert told in answer.output


@pytest.mark.parametrize("line", ["", "no JSON", "[]", "{}", '{"outputs": {}, "environment": {"A": 7}}', "[" * 100_000])
def test_what_is_no_ready_line_says_where_to_get_one(line: str) -> None:
    answer = run("show", "--local", "-", text=line)
    assert answer.exit_code == 1
    assert "start it with `forebay local --json > ready.json`" in answer.output


def test_a_stack_without_fan_out_is_not_asked_for_it(make_world: Any, tmp_path: Path) -> None:
    world = make_world(KinesisFanOut="false")
    line = json.dumps({"outputs": world.outputs, "environment": {"AWS_DEFAULT_REGION": "us-east-1"}})
    answer = run("show", "--local", "-", "--from", "kinesis-efo", text=line)
    assert answer.exit_code == 1
    assert "the stack has no kinesis-efo: it was deployed with KinesisFanOut=false" in answer.output


def test_ctrl_c_ends_what_is_in_hand_and_says_that_it_goes_on_from_there(
    laid: World, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid.lay_messages(laid.stack.sqs_dead_letter_queue_url, [record(f"more{number}") for number in range(30)])
    answered = command.Choice.takes
    asked: list[int] = []

    def interrupt(*arguments: Any) -> bool:
        if not asked:
            asked.append(1)
            os.kill(os.getpid(), signal.SIGINT)
        return answered(*arguments)

    monkeypatch.setattr(command.Choice, "takes", interrupt)
    stopped = run("replay", "--local", ready, "--all", "--from", "sqs", "--from", "kinesis")

    assert stopped.exit_code == 130
    assert "Stopping once the letters in hand are done" in stopped.output
    assert "Stopped; the same command goes on from here." in stopped.output
    sent = len(laid.messages(laid.stack.queue_url))
    visible, hidden = laid.depth(laid.stack.sqs_dead_letter_queue_url)
    assert 0 < sent < 32
    assert hidden == 0
    assert laid.records(laid.stack.stream_name) == []

    assert run("replay", "--local", ready, "--all", "--from", "sqs", "--from", "kinesis").exit_code == 0
    assert sent + len(laid.messages(laid.stack.queue_url)) == 31
    assert visible > 0


def test_a_second_ctrl_c_does_not_wait_and_the_handlers_of_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopping() as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_record_of_any_time_is_shown(world: World, ready: Path) -> None:
    stack = world.stack
    world.lay_messages(stack.sqs_dead_letter_queue_url, [record("late", 9e12 - 1), record("early", 0)])
    odd = {"timestamp": "9999-12-31T23:59:59.999-23:59"}
    world.lay_messages(stack.sns_failure_queue_url, [json.dumps({**invocation(), **odd})])

    shown = run("show", "--local", ready)

    assert shown.exit_code == 0
    assert "no date" in shown.output
    assert "1970-01-01 00:00:00" in shown.output
