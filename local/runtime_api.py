"""Lambda's Runtime API, as one execution environment sees it (docs: Lambda developer guide, runtimes-api).

GET  /2018-06-01/runtime/invocation/next
POST /2018-06-01/runtime/invocation/{request id}/response
POST /2018-06-01/runtime/invocation/{request id}/error
POST /2018-06-01/runtime/init/error
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from local.wire import WireRequest, WireResponse

_PREFIX: Final = "/2018-06-01/runtime/"
_JSON: Final = {"content-type": "application/json"}
# What a function may answer with at most, 6 MB (Lambda quotas, gettingstarted-limits).
RESPONSE_LIMIT: Final = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation, as the runtime is given it. `deadline_ms` is since the epoch."""

    request_id: str
    event: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the runtime posted. `failed` if the handler raised: then the payload is Lambda's error object."""

    payload: bytes
    failed: bool


class RuntimeGoneError(Exception):
    """The runtime has ended, or was stopped, and owed an answer."""


class RuntimeApi:
    """The Runtime API of one environment; a `local.wire.WireService`.

    One call at a time: `invoke` hands it to the runtime that asks for the next one. `ready` is done when the runtime
    asks for its first call. Both futures fail with RuntimeGoneError when it is closed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.init_error: bytes | None = None
        self._call: asyncio.Future[Call] = self._loop.create_future()
        self._reply: asyncio.Future[Reply] | None = None
        self._request_id = ""

    def invoke(self, call: Call) -> asyncio.Future[Reply]:
        """Hand the runtime a call; what it posts for it comes with the future, if it ever does."""
        assert self._reply is None or self._reply.done(), "an environment runs one invocation at a time"
        self._request_id = call.request_id
        self._reply = self._loop.create_future()
        if self._call.cancelled():
            self._reply.set_exception(RuntimeGoneError())
        else:
            self._call.set_result(call)
        return self._reply

    def close(self) -> None:
        """Tell whoever waits that nothing will come any more."""
        self._call.cancel()
        for future in (self.ready, self._reply):
            if future is not None and not future.done():
                future.set_exception(RuntimeGoneError())
                # Whoever waited may have left; asyncio would complain that nobody looked.
                future.exception()

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer the runtime."""
        path = request.path.removeprefix(_PREFIX)
        match (request.method, *path.split("/")):
            case ("GET", "invocation", "next"):
                return await self._next()
            case ("POST", "invocation", request_id, "response"):
                if len(request.body) > RESPONSE_LIMIT:
                    return self._too_large(request_id, len(request.body))
                return self._settle(request_id, Reply(request.body, failed=False))
            case ("POST", "invocation", request_id, "error"):
                return self._settle(request_id, Reply(request.body, failed=True))
            case ("POST", "init", "error"):
                self.init_error = request.body
                return _accepted()
        return _refusal(404, "InvalidPath", f"the Runtime API has no {request.method} {request.path}")

    async def _next(self) -> WireResponse:
        if not self.ready.done():
            self.ready.set_result(None)
        waited_for = self._call
        try:
            call = await asyncio.shield(waited_for)
        except asyncio.CancelledError:
            return _refusal(410, "Closed", "the environment was stopped")
        # Of two that ask at once, which no honest runtime does, only the first may make room for the next call.
        if self._call is waited_for:
            self._call = self._loop.create_future()
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": call.request_id,
            "lambda-runtime-deadline-ms": str(call.deadline_ms),
            "lambda-runtime-invoked-function-arn": call.function_arn,
            "lambda-runtime-trace-id": call.trace_id,
        }
        return WireResponse(200, headers, call.event)

    def _settle(self, request_id: str, reply: Reply) -> WireResponse:
        if self._reply is None or self._reply.done() or request_id != self._request_id:
            return _refusal(400, "InvalidRequestID", f"no invocation {request_id} is waiting for a reply")
        self._reply.set_result(reply)
        return _accepted()

    def _too_large(self, request_id: str, size: int) -> WireResponse:
        error = {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
            f"({RESPONSE_LIMIT} bytes).",
        }
        answer = self._settle(request_id, Reply(json.dumps(error).encode(), failed=True))
        if answer.status != 202:
            return answer
        return _refusal(413, "RequestEntityTooLarge", error["errorMessage"])


def _accepted() -> WireResponse:
    return WireResponse(202, _JSON, b'{"status":"OK"}')


def _refusal(status: int, kind: str, message: str) -> WireResponse:
    return WireResponse(status, _JSON, json.dumps({"errorType": kind, "errorMessage": message}).encode())
