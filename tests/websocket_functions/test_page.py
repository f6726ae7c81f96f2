"""docs/websocket.md says what is sent and what comes back; this holds the page to the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from consumers.conversation import MOST_ATTACHES
from consumers.pusher import LARGEST_PUSH
from pipeline.intake import IntakeError
from pipeline.ownership import Ownership
from pipeline.request import BUFFERS
from pipeline.result import Label, Status
from tests.websocket_functions.refusals import REFUSALS
from tests.websocket_functions.world import RESULT, World

PAGE = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text(encoding="utf-8")
TYPES = {"text": str, "object": dict, "list": list, "number": int, "true": bool}


def section(name: str) -> str:
    return re.split(r"\n##+ ", PAGE.partition(f"\n### {name}\n")[2])[0]


def fields(name: str) -> dict[str, tuple[type, bool]]:
    """A message's fields: their type, and whether they are always there."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (required|optional) \|", section(name), re.MULTILINE)
    return {field: (TYPES[kind], must == "required") for field, kind, must in rows}


def answers() -> list[dict[str, Any]]:
    """Every kind of message that a client gets, as the code writes it."""
    world = World()
    world.connections["c1"] = 0
    said = []
    recognise = {"action": "recognise", "buffer": "sqs", "request": {}, "correlation_id": "7"}
    said.append(world.send("recognise", json.dumps(recognise)).message)
    said.append(world.attach())
    attach = {"action": "attach", "request_id": "id1", "secret": "secret", "correlation_id": "7"}
    said.append(world.send("attach", json.dumps(attach)).message)
    world.intake.error = IntakeError(503, "m", "r", retry_after_s=1, request_id="h-1")
    said.append(world.send("recognise", json.dumps(recognise)).message)
    said.append(world.send("$default", "").message)
    world.store()
    many = tuple(Label("x" * 1_000, 50.0) for _ in range(LARGEST_PUSH // 1_000))
    for result in ({}, {"labels": many}, {"status": Status.FAILED, "labels": (), "reason": "r", "model_version": None}):
        world.store(**result)
        world.push('{"request_id": "id1", "connection_id": "c1"}')
    return said + world.pushed_to("c1")


@pytest.mark.parametrize("name", ["accepted", "attached", "result", "error"])
def test_what_a_client_gets_has_the_fields_of_the_page(name: str) -> None:
    documented = fields(name)
    messages = [answer for answer in answers() if answer["type"] == name]
    seen = {field for message in messages for field in message}

    assert seen == set(documented)
    for message in messages:
        assert {field for field, (_, required) in documented.items() if required} <= set(message)
        for field, value in message.items():
            assert isinstance(value, documented[field][0])


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("recognise", {"action": "recognise", "buffer": "sqs", "request": {}, "correlation_id": "7"}),
        ("attach", {"action": "attach", "request_id": "id1", "secret": "secret", "correlation_id": "7"}),
    ],
)
def test_what_a_client_sends_needs_what_the_page_requires_and_nothing_else(name: str, whole: dict[str, Any]) -> None:
    world = World()
    world.connections["c1"] = 0
    documented = fields(name)
    assert set(documented) == set(whole)

    for field, (kind, required) in documented.items():
        assert isinstance(whole[field], kind)
        without = {other: value for other, value in whole.items() if other != field}
        # The gateway reads `action` itself, and chooses the route by it.
        route = name if field != "action" else "$default"
        assert (world.send(route, json.dumps(without)).message["type"] == "error") is required


def test_every_refusal_is_on_the_page_and_none_else() -> None:
    documented = {
        (int(status), message) for status, message in re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
    }
    said = {(refusal.status, re.sub(r"(on its way:) .*", r"\1 ...", refusal.message)) for refusal in REFUSALS}

    assert said == documented


def test_the_page_names_every_buffer_and_the_limits() -> None:
    assert all(f"`{buffer}`" in section("recognise") for buffer in BUFFERS)
    assert f"attach {MOST_ATTACHES:,} times" in PAGE
    assert LARGEST_PUSH == 128 * 1024


def test_a_stranded_request_is_refused_in_the_words_of_the_page() -> None:
    world = World()
    world.connections["c1"] = 0
    world.pending["id1"] = Ownership(RESULT.attach, done=False, stranded="the stream is full")

    assert world.attach()["message"] == "This request is not on its way: the stream is full"
