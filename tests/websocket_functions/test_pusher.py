import json
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from consumers.pusher import LARGEST_PUSH, Delivered, Failure, Pusher, Report, to_message
from pipeline.result import Label, Status
from pipeline.results_table import ItemError
from pipeline.watchers import hash_of
from tests.websocket_functions.world import RESULT, World, api_error

BY_CONNECTION = json.dumps({"request_id": "id1", "connection_id": "c1"})
BY_ATTACH = json.dumps({"request_id": "id1", "attach": hash_of("secret")})
BY_BOTH = json.dumps({"request_id": "id1", "connection_id": "c1", "attach": hash_of("secret")})
MESSAGE = {
    "type": "result",
    "request_id": "id1",
    "status": "SUCCEEDED",
    "model_version": "local",
    "labels": [{"name": "Cat", "confidence": 93.25, "parents": ["Animal"]}],
}


@pytest.fixture
def world() -> World:
    world = World()
    world.store()
    for connection_id in ("c1", "c2", "c3"):
        world.connections[connection_id] = 0
    return world


def watch(world: World, *connections: str, secret: str = "secret") -> None:
    for connection_id in connections:
        world.watchers["id1", connection_id] = hash_of(secret)


def test_the_connection_that_a_request_came_by_is_sent_the_result(world: World) -> None:
    assert world.push(BY_CONNECTION) == Report(messages=1, notified=1, pushed=1)

    assert world.pushed_to("c1") == [MESSAGE]


def test_everyone_who_has_shown_the_secret_is_sent_it_and_waits_no_longer(world: World) -> None:
    watch(world, "c1", "c2")
    watch(world, "c3", secret="guess")

    assert world.push(BY_ATTACH) == Report(messages=1, notified=1, pushed=2)

    assert world.pushed_to("c1") == world.pushed_to("c2") == [MESSAGE]
    assert world.pushed_to("c3") == []
    assert list(world.watchers) == [("id1", "c3")]


def test_a_connection_that_also_waits_is_sent_it_once(world: World) -> None:
    watch(world, "c1", "c2")

    assert world.push(BY_BOTH).pushed == 2

    assert len(world.pushed["c1"]) == 1
    assert world.watchers == {}


def test_a_hash_that_is_not_the_results_own_opens_nothing(world: World) -> None:
    watch(world, "c1", secret="forged")

    report = world.push(json.dumps({"request_id": "id1", "attach": hash_of("forged")}))

    assert report == Report(messages=1, notified=1)
    assert not world.pushed["c1"]


def test_a_result_without_a_hash_is_for_no_watcher(world: World) -> None:
    world.store(attach=None)
    watch(world, "c1")

    assert world.push(BY_ATTACH) == Report(messages=1, notified=1)


def test_a_request_that_nobody_waits_for_is_done(world: World) -> None:
    assert world.push(BY_ATTACH) == Report(messages=1, notified=1)


def test_a_connection_that_is_gone_is_forgotten_and_counts_as_told(world: World) -> None:
    watch(world, "c1", "c2")
    world.gone.add("c1")

    assert world.push(BY_ATTACH) == Report(messages=1, notified=1, pushed=1, gone=1)

    assert "c1" not in world.connections
    assert world.watchers == {}
    assert world.results["id1"] == RESULT


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(api_error(429, "LimitExceededException"), id="its buffer is full"),
        pytest.param(api_error(500, "InternalServerErrorException"), id="a fault of API Gateway"),
        pytest.param(api_error(403, "ForbiddenException"), id="no permission"),
        pytest.param(EndpointConnectionError(endpoint_url="https://x"), id="no way there"),
    ],
)
def test_what_fails_is_delivered_again_and_the_others_are_sent_it_meanwhile(world: World, error: Exception) -> None:
    watch(world, "c1", "c2")
    world.post_errors["c1"] = [error]

    report = world.push(BY_ATTACH)

    (failure,) = report.failures
    assert (report.notified, report.pushed, failure.token, failure.request_id) == (0, 1, "0", "id1")
    assert type(error).__name__ in failure.reason
    assert world.watchers == {("id1", "c1"): hash_of("secret")}
    assert world.push(BY_ATTACH) == Report(messages=1, notified=1, pushed=1)
    assert [len(world.pushed[name]) for name in ("c1", "c2")] == [1, 1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the message is not JSON"),
        ("[" * 100_000, "the message is not JSON"),
        ("[]", "the message is not a JSON object"),
        ("{}", "request_id is missing or not a text"),
        ('{"request_id": 7}', "request_id is missing or not a text"),
        ('{"request_id": ""}', "request_id is missing or not a text"),
        ('{"request_id": "id1", "connection_id": ["c1"]}', "connection_id is not a text"),
        ('{"request_id": "id1", "connection_id": ""}', "connection_id is not a text"),
    ],
)
def test_a_message_that_cannot_be_read_fails_alone(world: World, body: str, reason: str) -> None:
    report = world.push(BY_CONNECTION, body, BY_CONNECTION)

    assert report.notified == 2
    assert [(failure.token, failure.reason) for failure in report.failures] == [("1", reason)]


def test_a_result_that_is_not_there_ends_in_the_dead_letters(world: World) -> None:
    world.results.clear()

    assert world.push(BY_CONNECTION).failures == [Failure("0", "id1", "there is no result of it")]


def test_a_table_that_fails_fails_its_message(world: World) -> None:
    world.table_error = api_error(500, "InternalServerError")

    (failure,) = world.push(BY_CONNECTION).failures
    assert "InternalServerError" in failure.reason


def test_an_item_that_is_no_result_fails_its_message(world: World) -> None:
    class Broken:
        def read(self, request_id: str) -> Any:
            raise ItemError("no result")

    world.pusher._results = Broken()

    assert world.push(BY_CONNECTION).failures == [Failure("0", "id1", "no result")]


def test_whoever_there_is_no_time_for_is_sent_it_with_the_next_delivery(world: World) -> None:
    watch(world, "c1", "c2")

    def a_slow_post() -> None:
        world.now += 13

    world.before = a_slow_post
    first = world.push(BY_ATTACH)
    assert [failure.reason for failure in first.failures] == ["out of time"]
    assert first.pushed < 2

    world.before = lambda: None
    world.push(BY_ATTACH)
    assert [len(world.pushed[name]) for name in ("c1", "c2")] == [1, 1]


class Never:
    """Threads that never come to a task, or never end with it."""

    def __init__(self, *, begun: bool) -> None:
        self.begun = begun

    def submit(self, *_: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.begun:
            future.set_running_or_notify_cancel()
        return future


@pytest.mark.parametrize(("begun", "reason"), [(False, "out of time: not begun"), (True, "out of time: still at work")])
def test_what_the_time_does_not_suffice_for_is_delivered_again(begun: bool, reason: str) -> None:
    pusher = Pusher(None, None, None, None, threads=Never(begun=begun), clock=lambda: 0.0)  # type: ignore[arg-type]

    report = pusher.work([Delivered("m1", BY_CONNECTION)], remaining_ms=900)

    assert report == Report(messages=1, failures=[Failure("m1", None, reason)])


def test_a_result_too_large_is_sent_without_its_labels_and_says_so(world: World) -> None:
    world.store(labels=tuple(Label("x" * 1_000, 50.0) for _ in range(130)))

    world.push(BY_CONNECTION)

    assert world.pushed_to("c1") == [
        {
            "type": "result",
            "request_id": "id1",
            "status": "SUCCEEDED",
            "model_version": "local",
            "labels_omitted": True,
        }
    ]


def test_the_largest_message_is_sent_whole() -> None:
    def of(letters: int) -> bytes:
        return to_message(replace(RESULT, labels=(Label("x" * letters, 50.0),)))

    room = LARGEST_PUSH - len(of(0))
    assert len(of(room)) == LARGEST_PUSH
    assert b"labels_omitted" in of(room + 1)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(Status))
def test_a_message_is_json_in_utf8_and_never_too_large(text: str, status: Status) -> None:
    result = replace(RESULT, status=status, reason=text[:500], labels=(Label(text * 200, 50.0),) * 3)

    message = to_message(result)

    assert len(message) <= LARGEST_PUSH
    assert json.loads(message)["status"] == status
