"""Invocations that a fault strikes: real processes, and what whoever delivers is told of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.protocol import Slot
from local.execution_environment import Answer, Ending
from local.faults.faulty_function import FaultyFunction
from tests.faults.conftest import MakeFaulty
from tests.local.world import runs

COLD = Slot(0, cold=True)


def event(tmp_path: Path, number: int = 1, **more: Any) -> bytes:
    run = {"id": "run", "sequence": number, "intended_at": 1.0}
    body = json.dumps({"request_id": "r", "request": {"run": run}})
    return json.dumps({"Records": [{"body": body}], "trace": str(tmp_path / "trace"), **more}).encode()


def trace(tmp_path: Path) -> list[str]:
    path = tmp_path / "trace"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def error(answer: Answer) -> Any:
    return json.loads(answer.payload)


async def again(function: FaultyFunction, tmp_path: Path) -> Answer:
    """The same record's next delivery; what has struck the first is used up."""
    (slot,) = function.environments.acquire_upto(0.0, 1)
    return await function.invoke(slot, event(tmp_path, seconds=0), "request-2")


def fault(effect: str, **more: Any) -> dict[str, Any]:
    return {"effect": effect, "requests": {"run": {"1": 1}}, **more}


@pytest.mark.parametrize(
    ("struck", "seconds", "timeout_s", "ending", "says"),
    [
        (fault("kill", after_ms=20), 30, 30.0, Ending.EXITED, "Runtime exited with error: signal: killed"),
        (fault("starve", memory_mb=1), 30, 30.0, Ending.EXITED, "Runtime exited with error: signal: killed"),
        # By itself it would be done in time.
        (fault("hang", after_ms=20), 0.4, 2.0, Ending.TIMED_OUT, "Task timed out after 2.00 seconds"),
    ],
)
async def test_a_process_that_is_struck_at_work_ends_with_its_invocation_and_the_next_one_has_another(
    make_faulty: MakeFaulty,
    tmp_path: Path,
    struck: dict[str, Any],
    seconds: float,
    timeout_s: float,
    ending: Ending,
    says: str,
) -> None:
    function = make_faulty("worker.slow", struck, timeout_s=timeout_s)
    answer = await function.invoke(COLD, event(tmp_path, seconds=seconds), "request-1")
    assert answer.ending is ending
    assert answer.lost
    assert says in error(answer)["errorMessage"]
    assert "done" not in trace(tmp_path)
    assert not function.processes
    assert (await again(function, tmp_path)).ending is Ending.RETURNED
    assert trace(tmp_path)[-1] == "done"


async def test_a_handler_that_is_quicker_than_its_fault_gets_away(make_faulty: MakeFaulty, tmp_path: Path) -> None:
    function = make_faulty("worker.quick", fault("kill", after_ms=60_000))
    assert (await function.invoke(COLD, event(tmp_path), "request-1")).ending is Ending.RETURNED
    assert runs(function.processes[0].pid)


async def test_another_request_is_not_struck(make_faulty: MakeFaulty, tmp_path: Path) -> None:
    function = make_faulty("worker.quick", fault("garble"))
    assert (await function.invoke(COLD, event(tmp_path, number=2), "request-1")).ending is Ending.RETURNED


async def test_an_event_that_breaks_off_is_an_error_of_the_runtime_client_and_the_environment_stays(
    make_faulty: MakeFaulty, tmp_path: Path
) -> None:
    function = make_faulty("worker.quick", fault("garble"))
    answer = await function.invoke(COLD, event(tmp_path), "request-1")
    assert answer.ending is Ending.RAISED
    assert error(answer)["errorType"] == "Runtime.UnmarshalError"
    assert trace(tmp_path) == []
    assert function.processes[0].alive


async def test_an_answer_that_is_lost_is_of_work_that_was_done(make_faulty: MakeFaulty, tmp_path: Path) -> None:
    function = make_faulty("worker.quick", fault("lose-answer"))
    answer = await function.invoke(COLD, event(tmp_path), "request-1")
    assert answer.ending is Ending.RAISED
    assert trace(tmp_path) == ["done"]
    assert not answer.lost


@pytest.mark.parametrize(("concurrency", "environments"), [(2, 2), (1, 1)])
async def test_a_repeated_event_is_handled_twice_and_answered_once(
    make_faulty: MakeFaulty, tmp_path: Path, concurrency: int, environments: int
) -> None:
    function = make_faulty("worker.quick", fault("repeat"), concurrency=concurrency)
    (slot,) = function.environments.acquire_upto(0.0, 1)
    answer = await function.invoke(slot, event(tmp_path), "request-1")
    assert answer.ending is Ending.RETURNED
    assert answer.request_id == "request-1"
    assert trace(tmp_path) == ["done", "done"]
    assert len(function.processes) == environments
    assert function.environments.running == 1
