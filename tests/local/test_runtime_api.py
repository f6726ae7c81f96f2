"""The Runtime API against runtimes that do not behave."""

import asyncio
import json

import pytest

from local.runtime_api import Call, RuntimeApi, RuntimeGoneError
from local.wire import WireRequest, WireResponse

PREFIX = "/2018-06-01/runtime"


def call(request_id: str = "one") -> Call:
    return Call(request_id, b'{"a":1}', 1_700_000_000_000, "arn:aws:lambda:us-east-1:0:function:f", "Root=1")


async def ask(api: RuntimeApi, method: str, path: str, body: bytes = b"") -> WireResponse:
    return await api.handle(WireRequest(method, PREFIX + path, body=body))


def kind(response: WireResponse) -> str:
    return str(json.loads(response.body)["errorType"])


async def test_next_waits_for_a_call_and_carries_its_headers() -> None:
    api = RuntimeApi()
    waiting = asyncio.create_task(ask(api, "GET", "/invocation/next"))
    await api.ready
    assert not waiting.done()
    reply = api.invoke(call())
    given = await waiting
    assert given.body == b'{"a":1}'
    assert given.headers["lambda-runtime-aws-request-id"] == "one"
    assert given.headers["lambda-runtime-deadline-ms"] == "1700000000000"
    assert given.headers["lambda-runtime-invoked-function-arn"].endswith(":f")
    assert given.headers["lambda-runtime-trace-id"] == "Root=1"
    assert (await ask(api, "POST", "/invocation/one/response", b"done")).status == 202
    assert (await reply).payload == b"done"


@pytest.mark.parametrize("way", ["response", "error"])
@pytest.mark.parametrize(
    "request_id",
    ["two", "", "..", "%6Fne", "one/..", "one\x00", "o" * 100_000, "\u0661"],
)
async def test_an_answer_under_an_id_that_is_not_running_is_refused_and_ends_nothing(way: str, request_id: str) -> None:
    api = RuntimeApi()
    reply = api.invoke(call())
    refused = await ask(api, "POST", f"/invocation/{request_id}/{way}", b"{}")
    assert refused.status in (400, 404)
    assert not reply.done()


async def test_a_second_answer_to_the_same_call_is_refused() -> None:
    api = RuntimeApi()
    reply = api.invoke(call())
    assert (await ask(api, "POST", "/invocation/one/response", b"first")).status == 202
    assert kind(await ask(api, "POST", "/invocation/one/error", b"second")) == "InvalidRequestID"
    assert (await reply).payload == b"first"


async def test_an_answer_after_the_timeout_is_refused_and_the_next_call_is_not_taken_for_it() -> None:
    api = RuntimeApi()
    late = api.invoke(call("late"))
    await ask(api, "GET", "/invocation/next")
    late.cancel()
    assert (await ask(api, "POST", "/invocation/late/response", b"{}")).status == 400
    reply = api.invoke(call("fresh"))
    assert (await ask(api, "POST", "/invocation/late/response", b"{}")).status == 400
    assert not reply.done()


async def test_two_runtimes_that_ask_at_once_leave_room_for_the_next_call() -> None:
    api = RuntimeApi()
    waiting = [asyncio.create_task(ask(api, "GET", "/invocation/next")) for _ in range(2)]
    await api.ready
    await asyncio.sleep(0)
    api.invoke(call("one"))
    await asyncio.gather(*waiting)
    await ask(api, "POST", "/invocation/one/response", b"{}")
    api.invoke(call("two"))
    assert (await ask(api, "GET", "/invocation/next")).headers["lambda-runtime-aws-request-id"] == "two"


async def test_an_answer_too_large_is_refused_and_ends_the_call_as_an_error() -> None:
    api = RuntimeApi()
    reply = api.invoke(call())
    refused = await ask(api, "POST", "/invocation/one/response", b"x" * (6 * 1024 * 1024 + 1))
    assert refused.status == 413
    assert (await reply).failed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/invocation/next"),
        ("GET", "/invocation/one/response"),
        ("DELETE", "/invocation/next"),
        ("GET", "/"),
        ("GET", "/invocation/next/more"),
        ("POST", "/init/error/more"),
    ],
)
async def test_what_the_runtime_api_does_not_have_is_not_found(method: str, path: str) -> None:
    assert (await ask(RuntimeApi(), method, path)).status == 404


async def test_closing_tells_all_who_wait() -> None:
    api = RuntimeApi()
    waiting = asyncio.create_task(ask(api, "GET", "/invocation/next"))
    await asyncio.sleep(0)
    api.close()
    assert (await waiting).status == 410
    with pytest.raises(RuntimeGoneError):
        await api.invoke(call())


async def test_closing_in_a_call_or_before_the_first_says_that_the_runtime_is_gone() -> None:
    api = RuntimeApi()
    reply = api.invoke(call())
    api.close()
    with pytest.raises(RuntimeGoneError):
        await reply
    with pytest.raises(RuntimeGoneError):
        await api.ready
