import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.conversation import MOST_ATTACHES, Message
from pipeline.intake import IntakeError
from pipeline.ownership import Ownership
from pipeline.watchers import hash_of
from tests.websocket_functions.refusals import REFUSALS, Refusal, attach, recognise
from tests.websocket_functions.world import PLENTY_MS, RESULT, World, api_error


@pytest.fixture
def world() -> World:
    world = World()
    world.connections["c1"] = 0
    return world


def test_recognise_goes_to_the_intake_with_its_connection_and_is_answered_with_the_id(world: World) -> None:
    assert world.send("recognise", recognise()).message == {"type": "accepted", "request_id": "h-1"}
    assert world.intake.taken == [
        {
            "body": {"image": {"key": "cat.jpg"}},
            "buffer": "sqs",
            "remaining_ms": PLENTY_MS,
            "accepted_at": 1732400000123,
            "connection_id": "c1",
            "owner": None,
        }
    ]


def test_an_attach_before_the_result_waits_for_it(world: World) -> None:
    assert world.attach() == {"type": "attached", "request_id": "id1"}

    assert world.watchers == {("id1", "c1"): hash_of("secret")}
    assert world.queue == []


def test_an_attach_after_the_result_has_it_pushed(world: World) -> None:
    world.store()

    assert world.attach() == {"type": "attached", "request_id": "id1"}

    assert [json.loads(body) for body in world.queue] == [{"request_id": "id1", "attach": hash_of("secret")}]


def test_an_attach_to_a_pending_request_waits_for_it(world: World) -> None:
    world.pending["id1"] = Ownership(RESULT.attach, done=False)

    assert world.attach()["type"] == "attached"
    assert world.queue == []


def test_an_unknown_request_is_answered_as_one_that_is_not_done_yet(world: World) -> None:
    assert world.attach(request_id="unknown") == {"type": "attached", "request_id": "unknown"}


def test_a_stranger_is_refused_and_nothing_is_pushed(world: World) -> None:
    world.store()

    assert world.attach(secret="guess")["status"] == 403

    world.push('{"request_id": "id1", "attach": "..."}')
    assert world.queue == []
    assert not world.pushed["c1"]


def test_another_owner_is_answered_as_to_an_unknown_id_and_is_pushed_nothing(world: World) -> None:
    world.conversation.open("c1", "iam:AIDABOB")
    for request_id, result in {"done": True, "pending": False, "unknown": None}.items():
        if result:
            world.store(request_id, owner="iam:AIDAALICE")
        elif result is not None:
            world.pending[request_id] = Ownership(RESULT.attach, done=False, owner="iam:AIDAALICE")

    for request_id in ("done", "pending", "unknown"):
        # Neither the right secret nor a wrong one makes a difference.
        for secret in ("secret", "guess"):
            assert world.attach(secret=secret, request_id=request_id) == {"type": "attached", "request_id": request_id}

    world.attach(request_id="done")
    assert world.queue == []
    world.push('{"request_id": "done", "attach": "..."}')
    assert not world.pushed["c1"]


def test_the_owner_is_told_as_ever(world: World) -> None:
    world.conversation.open("c1", "iam:AIDAALICE")
    world.store(owner="iam:AIDAALICE")

    assert world.attach()["type"] == "attached"
    world.push(*world.queue)
    assert len(world.pushed["c1"]) == 1


def test_a_request_is_its_connections_owners_who_is_asked_for_once(world: World) -> None:
    world.conversation.open("c1", "iam:AIDAALICE")
    asked: list[None] = []
    world.before = lambda: asked.append(None)

    for _ in range(2):
        world.send("recognise", recognise())

    assert [taken["owner"] for taken in world.intake.taken] == ["iam:AIDAALICE"] * 2
    assert len(asked) == 1


def test_an_attach_that_was_refused_once_may_be_made_again_with_the_secret(world: World) -> None:
    world.store()
    world.attach(secret="guess")

    assert world.attach()["type"] == "attached"
    world.push(*world.queue)
    assert len(world.pushed["c1"]) == 1


def test_the_last_attach_that_a_connection_may_make_is_made(world: World) -> None:
    world.connections["c1"] = MOST_ATTACHES - 1

    assert [world.attach()["type"] for _ in range(2)] == ["attached", "error"]


def test_a_message_that_overtook_the_end_of_its_connection_leaves_nothing(world: World) -> None:
    world.conversation.close("c1")

    assert world.attach()["status"] == 429
    assert (world.watchers, world.connections) == ({}, {})


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.why)
def test_what_is_refused_says_why_and_what_to_do(refusal: Refusal, world: World) -> None:
    refusal.given(world)

    reply = world.conversation.answer(
        Message("c1", refusal.route, refusal.text, None, refusal.binary), remaining_ms=PLENTY_MS
    )

    answer = reply.message
    assert (answer["type"], answer["status"], answer["message"]) == ("error", refusal.status, refusal.message)
    assert answer["remedy"]
    assert world.queue == []
    assert world.intake.taken == []
    json.dumps(answer, allow_nan=False).encode()


def test_what_the_intake_refuses_is_answered_in_its_words(world: World) -> None:
    world.intake.error = IntakeError(429, "The stream is full.", "Wait.", retry_after_s=2, request_id="h-7")

    assert world.send("recognise", recognise(correlation_id="seven")).message == {
        "type": "error",
        "status": 429,
        "message": "The stream is full.",
        "remedy": "Wait.",
        "request_id": "h-7",
        "retry_after_s": 2,
        "correlation_id": "seven",
    }


def test_what_a_table_said_is_for_the_log_alone(world: World) -> None:
    world.table_error = api_error(400, "AccessDeniedException")

    reply = world.send("attach", attach())

    assert reply.cause is not None
    assert "AccessDeniedException" in reply.cause
    assert "AccessDenied" not in json.dumps(reply.message)
    assert reply.message["retry_after_s"] == 1


@pytest.mark.parametrize("text", [recognise(correlation_id="7"), recognise(correlation_id="7", buffer=7)])
def test_an_answer_carries_its_messages_correlation(world: World, text: str) -> None:
    assert world.send("recognise", text).message["correlation_id"] == "7"


def test_a_connection_is_kept_from_its_begin_to_its_end(world: World) -> None:
    world.conversation.open("c2")
    assert world.connections == {"c1": 0, "c2": 0}

    world.conversation.close("c2")
    world.conversation.close("c2")
    assert world.connections == {"c1": 0}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["action", "buffer", "request", "request_id", "secret", "correlation_id"])


@given(
    st.sampled_from(["recognise", "attach", "$default"]),
    st.text(st.characters(codec=None))
    | st.dictionaries(names, anything | st.sampled_from(["sqs", "id1"])).map(json.dumps),
)
@example("attach", attach(secret="\udfff"))
def test_whatever_is_sent_is_answered(route: str, text: str) -> None:
    world = World()
    world.connections["c1"] = 0

    answer: dict[str, Any] = world.send(route, text).message

    assert answer["type"] in {"accepted", "attached", "error"}
    if answer["type"] == "error":
        assert {"status", "message", "remedy"} <= set(answer)
    json.dumps(answer).encode()
