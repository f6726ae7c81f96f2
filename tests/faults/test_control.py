"""The control service: how the embedded AWS stands, and the faults it is told of."""

import json
from typing import Any

import pytest

from local.control import Control
from local.faults.injector import Injector
from local.wire import WireRequest

FAULT = {"edge": "rekognition", "effect": "answer"}


async def ask(control: Control, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await control.handle(WireRequest(method, path, body=b"" if body is None else json.dumps(body).encode()))
    return answer.status, json.loads(answer.body)


async def test_the_state_has_the_buffers_and_the_servers_processes_as_they_are_now() -> None:
    pids = iter((7, 8))
    control = Control({"sqs": lambda: {"backlog": 3}}, lambda: 1.5, processes={"rekognition": lambda: next(pids)})
    said = {"at": 1_500, "buffers": {"sqs": {"backlog": 3}}, "processes": {"rekognition": 7}}
    assert await ask(control, "GET", "/state") == (200, said)
    assert (await ask(control, "GET", "/state"))[1]["processes"] == {"rekognition": 8}
    assert (await ask(control, "PUT", "/state"))[0] == 405
    assert (await ask(control, "GET", "/elsewhere"))[0] == 404


async def test_faults_are_taken_told_of_and_taken_back() -> None:
    control = Control({}, lambda: 1.0, injector=Injector(lambda: 1.0))
    told = {**FAULT, "struck": 0, "first_at": None, "last_at": None}
    assert await ask(control, "PUT", "/faults", {"faults": [FAULT]}) == (200, {"faults": [told]})
    assert await ask(control, "GET", "/faults") == (200, {"faults": [told]})
    assert await ask(control, "PUT", "/faults", {"faults": []}) == (200, {"faults": []})
    assert (await ask(control, "DELETE", "/faults"))[0] == 405


@pytest.mark.parametrize("plan", [None, [], {"faults": [{}]}, {"faults": 1}])
async def test_what_is_no_plan_is_refused_and_the_one_before_stays(plan: Any) -> None:
    control = Control({}, lambda: 1.0, injector=Injector(lambda: 1.0))
    await ask(control, "PUT", "/faults", {"faults": [FAULT]})
    status, said = await ask(control, "PUT", "/faults", plan)
    assert status == 400
    assert "this is no plan of faults" in said["message"]
    assert len((await ask(control, "GET", "/faults"))[1]["faults"]) == 1


async def test_an_embedded_aws_without_faults_takes_none() -> None:
    status, said = await ask(Control({}, lambda: 1.0), "PUT", "/faults", {"faults": [FAULT]})
    assert status == 404
    assert "--faults" in said["message"]
