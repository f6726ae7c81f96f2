"""Functions in real processes, run by AWS's own runtime client."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from delivery.protocol import Slot
from delivery.quotas import Quotas
from local.execution_environment import Answer, Ending
from local.function import Function
from local.function_log import FunctionLogs
from tests.local.conftest import MakeFunction
from tests.local.world import runs, until

COLD = Slot(0, cold=True)


async def invoke(function: Function, event: Any = None, slot: Slot = COLD, request_id: str = "request-1") -> Answer:
    return await function.invoke(slot, json.dumps({} if event is None else event).encode(), request_id)


async def invoke_in_a_slot_of_its_own(function: Function) -> None:
    (slot,) = function.environments.acquire_upto(0.0, 1)
    answer = await function.invoke(slot, b"{}", "request-1")
    function.environments.release(0.0, slot, lost=answer.lost)


def error(answer: Answer) -> Any:
    return json.loads(answer.payload)


async def test_a_handler_gets_its_event_and_what_it_returns_is_the_answer(make_function: MakeFunction) -> None:
    event = {"text": "é \u2028 \U0001f600", "number": 1.5, "nested": [None, True, {"a": []}]}
    answer = await invoke(make_function("sample.ok", timeout_s=12), event)
    assert answer.ending is Ending.RETURNED
    assert error(answer)["echo"] == event
    assert error(answer)["request_id"] == "request-1"
    assert 0 < error(answer)["remaining_ms"] <= 12_000


async def test_the_same_environment_keeps_its_process_and_another_has_its_own(make_function: MakeFunction) -> None:
    function = make_function("sample.environment")
    first, again = error(await invoke(function)), error(await invoke(function))
    other = error(await invoke(function, slot=Slot(1, cold=True)))
    streams = [variables["AWS_LAMBDA_LOG_STREAM_NAME"] for variables in (first, again, other)]
    assert streams[0] == streams[1] != streams[2]
    assert set(function.processes) == {0, 1}


async def test_the_environment_is_made_from_scratch(
    make_function: MakeFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the user")
    monkeypatch.setenv("AWS_PROFILE", "of the user")
    monkeypatch.setenv("ANYTHING", "of the user")
    variables = error(await invoke(make_function("sample.environment", variables={"RESULTS_TABLE": "results"})))
    assert variables["RESULTS_TABLE"] == "results"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "test-sample-environment"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert variables["TZ"] == ":UTC"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", variables["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert "of the user" not in variables.values()
    assert not {"HOME", "AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(variables)


async def test_a_handler_that_raises_is_an_error_and_its_environment_stays(make_function: MakeFunction) -> None:
    function = make_function("sample.raises")
    answer = await invoke(function)
    assert answer.ending is Ending.RAISED
    assert not answer.lost
    assert error(answer)["errorType"] == "RuntimeError"
    assert error(answer)["errorMessage"] == 'this handler always raises: é \u2028 "quoted"'
    assert "sample.py" in "".join(error(answer)["stackTrace"])
    assert function.processes[0].alive


async def test_a_handler_past_its_timeout_is_killed_with_all_it_has_started(
    make_function: MakeFunction, tmp_path: Path
) -> None:
    function = make_function("sample.hangs_with_a_child", timeout_s=1.0)
    answer = await invoke(function, {"pid_file": str(tmp_path / "pid")})
    assert answer.ending is Ending.TIMED_OUT
    assert answer.lost
    assert error(answer) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 1.00 seconds",
    }
    child = int((tmp_path / "pid").read_text())
    await until(lambda: not runs(child))
    assert not function.processes


@pytest.mark.parametrize(
    ("handler", "event", "said"),
    [
        ("sample.exits", {"status": 3}, "Runtime exited with error: exit status 3"),
        ("sample.exits", {"status": 0}, "Runtime exited without providing a reason"),
        ("sample.kills_itself", {}, "Runtime exited with error: signal: killed"),
    ],
)
async def test_a_process_that_ends_within_an_invocation_is_an_exit_error_and_lost(
    make_function: MakeFunction, handler: str, event: Any, said: str
) -> None:
    answer = await invoke(make_function(handler), event)
    assert answer.ending is Ending.EXITED
    assert answer.lost
    assert error(answer) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: request-1 Error: {said}"}


async def test_an_environment_whose_process_has_gone_is_started_again(make_function: MakeFunction) -> None:
    function = make_function("sample.ok")
    await invoke(function)
    gone = function.processes[0]
    os.kill(gone.pid, signal.SIGKILL)
    await gone.stop()
    assert (await invoke(function, slot=Slot(0, cold=False))).ending is Ending.RETURNED


async def test_an_idle_process_that_dies_is_struck_out_of_the_environments(make_function: MakeFunction) -> None:
    function = make_function("sample.ok")
    await invoke_in_a_slot_of_its_own(function)
    assert function.environments.idle == 1
    await function.processes[0].stop()
    await asyncio.sleep(0)
    assert function.environments.idle == 0


@pytest.mark.parametrize(
    ("handler", "kind", "said"),
    [
        ("broken_at_init.handler", "ValueError", "this module cannot be imported"),
        ("no_such_module.handler", "Runtime.ImportModuleError", "Unable to import module 'no_such_module'"),
        ("sample.no_such_handler", "Runtime.HandlerNotFound", "Handler 'no_such_handler' missing"),
        ("dies_at_init.handler", "Runtime.ExitError", "exit status 7"),
    ],
)
async def test_an_init_that_fails_answers_each_time_and_is_told_once_with_what_was_logged(
    make_function: MakeFunction, caplog: pytest.LogCaptureFixture, handler: str, kind: str, said: str
) -> None:
    function = make_function(handler)
    for number in range(3):
        answer = await invoke(function, slot=Slot(number, cold=True))
        assert answer.ending is Ending.NOT_STARTED
        assert answer.lost
        assert error(answer)["errorType"] == kind
        assert said in error(answer)["errorMessage"]
    assert len(caplog.records) == 1
    assert said in caplog.text
    if handler == "broken_at_init.handler":
        assert "on the way to its end" in caplog.text


async def test_an_answer_over_six_megabytes_is_an_error(make_function: MakeFunction) -> None:
    answer = await invoke(make_function("sample.answers_much"))
    assert answer.ending is Ending.RAISED
    assert error(answer)["errorType"] == "Function.ResponseSizeTooLarge"


async def test_a_large_event_arrives_whole(make_function: MakeFunction) -> None:
    text = "x" * 5_900_000
    answer = await invoke(make_function("sample.ok"), {"text": text})
    assert error(answer)["echo"]["text"] == text


async def test_logs_are_kept_with_lambdas_own_lines_between(make_function: MakeFunction, tmp_path: Path) -> None:
    function = make_function("sample.prints", logs=FunctionLogs(tmp_path / "logs"))
    await invoke(function, request_id="one")
    await invoke(function, request_id="two")
    await function.close()
    (log,) = (tmp_path / "logs").iterdir()
    text = log.read_text()
    assert text.index("START RequestId: one Version: $LATEST") < text.index("a line of the handler")
    assert text.index("another, to stderr") < text.index("END RequestId: one")
    (cold, warm) = re.findall(r"REPORT RequestId: \w+\tDuration: [\d.]+ ms\tMemory Size: 128 MB.*", text)
    assert "Init Duration" in cold
    assert "Init Duration" not in warm


async def test_environments_idle_too_long_are_stopped(make_function: MakeFunction) -> None:
    quotas = Quotas.with_overrides({"account_concurrency": 2, "environment_idle_s": 0.0})
    function = make_function("sample.ok", quotas=quotas)
    await invoke_in_a_slot_of_its_own(function)
    process = function.processes[0]
    await until(lambda: not function.processes)
    assert not runs(process.pid)


async def test_closing_leaves_no_process(make_function: MakeFunction) -> None:
    function = make_function("sample.hangs")
    running = [asyncio.create_task(invoke(function, slot=Slot(number, cold=True))) for number in range(2)]
    await until(lambda: len(function.processes) == 2)
    pids = [environment.pid for environment in function.processes.values()]
    await function.close()
    await asyncio.gather(*running)
    assert not any(runs(pid) for pid in pids)
