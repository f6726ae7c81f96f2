"""The Lambda proxy integration of a route: an event in, the function's answer or AWS's own error out."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final

from local.execution_environment import Answer, Ending
from local.gateway.function_response import MalformedAnswerError, proxy_response
from local.gateway.gateway_response import GatewayError
from local.gateway.media_type import BinaryMediaTypes
from local.sync_calls import RefusedError
from local.wire import WireResponse

_LOG = logging.getLogger(__name__)

# What a function says is base64 is decoded: there is no Accept header that could ask for it as it is.
_DECODED: Final = BinaryMediaTypes(("*/*",))
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


class ProxyIntegration:
    """A function behind a route. One that is too late goes on: nobody waits for it any more, as on AWS."""

    def __init__(self, route_key: str, invoke: Invoke, timeout_s: float) -> None:
        self._route_key = route_key
        self._invoke = invoke
        self._timeout_s = timeout_s
        self._told = False

    async def call(self, event: Mapping[str, Any]) -> WireResponse | Failure:
        """Invoke the function and read its answer, in the form of the proxy integration."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._invoke(json.dumps(event, separators=(",", ":")).encode())
        except RefusedError:
            return Failure.THROTTLED
        except TimeoutError:
            return Failure.TIMED_OUT
        if answer.ending is not Ending.RETURNED:
            return Failure.FUNCTION_ERROR
        try:
            return proxy_response(answer.payload, "", _DECODED)
        except (MalformedAnswerError, GatewayError) as error:
            if not self._told:
                # The client only hears of an internal error; who wrote the function needs to read why, once.
                self._told = True
                _LOG.error("route %s: Malformed Lambda proxy response: %s (told once)", self._route_key, error)
            return Failure.FUNCTION_ERROR
