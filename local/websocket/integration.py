"""The Lambda proxy integration of a route: an event in, the function's answer or AWS's own error out."""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from local.execution_environment import Answer, Ending
from local.sync_calls import RefusedError

# Invokes the function with an event; raises RefusedError.
Invoke = Callable[[bytes], Awaitable[Answer]]


class Failure(Enum):
    """Why there is no answer of the function: the status that refuses a handshake, and the text for a client.

    That a throttled function makes a 500 is documented (re:Post, api-gateway-internal-server-error), the other two
    statuses are recalled.
    """

    FUNCTION_ERROR = (502, "Internal server error")
    THROTTLED = (500, "Internal server error")
    TIMED_OUT = (504, "Endpoint request timed out")

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """What the function returned, in the form of the proxy integration. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def accepts(self) -> bool:
        """Whether $connect may go on."""
        return 200 <= self.status < 300


class ProxyIntegration:
    """A function behind a route. One that is too late goes on: nobody waits for it any more, as on AWS."""

    def __init__(self, invoke: Invoke, timeout_s: float) -> None:
        self._invoke = invoke
        self._timeout_s = timeout_s

    async def call(self, event: Mapping[str, Any]) -> ProxyAnswer | Failure:
        """Invoke the function and read its answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._invoke(json.dumps(event, separators=(",", ":")).encode())
        except RefusedError:
            return Failure.THROTTLED
        except TimeoutError:
            return Failure.TIMED_OUT
        if answer.ending is not Ending.RETURNED:
            return Failure.FUNCTION_ERROR
        return _read(answer.payload) or Failure.FUNCTION_ERROR


def _read(payload: bytes) -> ProxyAnswer | None:
    """A function's answer; None if it is malformed."""
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    status, headers, body = answer.get("statusCode"), answer.get("headers") or {}, answer.get("body")
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if type(status) is not int or not 100 <= status <= 599:
        return None
    if not isinstance(headers, dict) or not isinstance(body, str | None):
        return None
    try:
        data = (body or "").encode()
        if answer.get("isBase64Encoded") is True:
            data = base64.b64decode(data, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return ProxyAnswer(status, {str(name).lower(): str(value) for name, value in headers.items()}, data)
