"""Callers that wait for a function."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from delivery.protocol import Refusal
from delivery.quotas import Quotas
from delivery.sync_invoke import SyncInvoke
from local.clock import epoch_clock
from local.execution_environment import Ending
from local.function import Function
from local.sync_calls import RefusedError, SyncCalls
from tests.local.conftest import MakeFunction
from tests.local.world import until

MakeCalls = Callable[..., tuple[Function, SyncCalls]]


@pytest.fixture
def make_calls(make_function: MakeFunction) -> MakeCalls:
    def make(handler: str, *, concurrency: int = 2, **settings: Any) -> tuple[Function, SyncCalls]:
        quotas = Quotas.with_overrides({"account_concurrency": concurrency})
        function = make_function(handler, quotas=quotas, **settings)
        timeout_s = function.configuration.timeout_s
        machine = SyncInvoke(capacity=function.environments, quotas=quotas, function_timeout_s=timeout_s)
        return function, SyncCalls(function, machine, epoch_clock())

    return make


async def test_a_caller_gets_the_functions_answer_and_the_environment_is_free_again(make_calls: MakeCalls) -> None:
    function, calls = make_calls("sample.ok")
    for number in range(3):
        answer = await calls.invoke(json.dumps({"n": number}).encode())
        assert json.loads(answer.payload)["echo"] == {"n": number}
        assert json.loads(answer.payload)["request_id"] == answer.request_id
    await until(lambda: function.environments.running == 0)
    state = calls.state()
    assert (state["accepted"], state["completed"], state["cold_starts"]) == (3, 3, 1)
    assert (state["backlog"], state["concurrency"], state["throttles"], state["oldest_age_s"]) == (0, 0, 0, None)


async def test_callers_over_the_concurrency_are_refused_at_once_and_counted(make_calls: MakeCalls) -> None:
    function, calls = make_calls("sample.hangs", concurrency=1)
    running = asyncio.create_task(calls.invoke(b"{}"))
    await until(lambda: len(function.processes) == 1)
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            await calls.invoke(b"{}")
        assert refused.value.reason is Refusal.CONCURRENCY
    await until(lambda: calls.state()["throttles"] == 2)
    assert (calls.state()["accepted"], calls.state()["in_flight"]) == (1, 1)
    await function.close()
    assert (await running).ending is Ending.NOT_STARTED


async def test_an_event_that_lambda_does_not_take_is_refused(make_calls: MakeCalls) -> None:
    _, calls = make_calls("sample.ok")
    with pytest.raises(RefusedError) as refused:
        await calls.invoke(b'"' + b"x" * (6 * 1024 * 1024) + b'"')
    assert refused.value.reason is Refusal.TOO_LARGE


async def test_an_error_of_the_function_is_its_callers_and_counts_as_expired(make_calls: MakeCalls) -> None:
    function, calls = make_calls("sample.raises")
    answer = await calls.invoke(b"{}")
    assert answer.ending is Ending.RAISED
    await until(lambda: calls.state()["expired"] == 1)
    assert function.environments.running == 0


async def test_a_caller_that_leaves_leaves_the_function_running_to_its_end(make_calls: MakeCalls) -> None:
    function, calls = make_calls("sample.ok", concurrency=1)
    with pytest.raises(TimeoutError):
        # Its first invocation has a process to start, which takes longer than no time at all.
        await asyncio.wait_for(calls.invoke(b"{}"), 0.001)
    assert function.environments.running == 1
    await until(lambda: calls.state()["completed"] == 1)
    assert function.environments.idle == 1


async def test_who_waits_when_everything_ends_is_told_so(make_calls: MakeCalls) -> None:
    function, calls = make_calls("sample.hangs")
    running = asyncio.create_task(calls.invoke(b"{}"))
    await until(lambda: len(function.processes) == 1)
    await calls.close()
    answer = await running
    assert answer.lost
    assert b"stopped" in answer.payload


async def test_a_defect_on_the_way_leaves_nobody_waiting(
    make_calls: MakeCalls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    function, calls = make_calls("sample.ok")

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(function, "invoke", broken)
    answer = await calls.invoke(b"{}")
    assert answer.lost
    assert json.loads(answer.payload)["errorType"] == "Sandbox.Failure"
    assert "ZeroDivisionError" in caplog.text
    assert function.environments.running == 0
