"""A service whose answers a fault may change."""

import asyncio
import json
import uuid
from typing import Final
from xml.sax.saxutils import escape

from local.clock import Clock
from local.faults.carried import requests_of_call
from local.faults.fault import Edge, Effect, Fault
from local.faults.injector import Injector
from local.wire import BrokenOffError, WireRequest, WireResponse, WireService

_SERVER_ERROR: Final = 500


class FaultyService:
    """Stands in front of a service, at its edge, and passes on what no fault strikes; a `local.wire.WireService`."""

    def __init__(self, service: WireService, edge: Edge, injector: Injector, clock: Clock) -> None:
        self._service = service
        self._edge = edge
        self._injector = injector
        self._clock = clock

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer, or do what the fault says.

        Raises:
            BrokenOffError: the fault breaks the connection off, or the server behind this one has.
        """
        fault = self._injector.find(self._edge, lambda: requests_of_call(self._edge, request))
        if fault is None:
            return await self._pass_on(request)
        self._injector.strike(fault)
        if fault.effect is Effect.ANSWER:
            return _error(fault, request)
        began = self._clock()
        answer = await self._pass_on(request)
        if fault.effect is Effect.BREAK_OFF:
            raise BrokenOffError
        await asyncio.sleep((fault.factor - 1) * (self._clock() - began))
        return answer

    async def _pass_on(self, request: WireRequest) -> WireResponse:
        try:
            return await self._service.handle(request)
        except ConnectionError:
            # Whoever calls a server that dies is left without an answer.
            raise BrokenOffError from None


def _error(fault: Fault, request: WireRequest) -> WireResponse:
    """An error as the caller's protocol has it: the query protocol's XML, unless it asks for JSON."""
    message = "This is a fault on purpose."
    if "x-amz-json" in request.headers.get("content-type", "") or "x-amz-target" in request.headers:
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amzn-errortype": fault.code,
            "x-amzn-requestid": str(uuid.uuid4()),
        }
        body = {"__type": fault.code, "message": message}
        return WireResponse(fault.status, headers, json.dumps(body).encode())
    kind = "Receiver" if fault.status >= _SERVER_ERROR else "Sender"
    if "json" in request.headers.get("accept", ""):
        document = {"Error": {"Type": kind, "Code": fault.code, "Message": message}, "RequestId": str(uuid.uuid4())}
        return WireResponse(fault.status, {"content-type": "application/json"}, json.dumps(document).encode())
    text = (
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(fault.code)}</Code><Message>{message}</Message>"
        f"</Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
    return WireResponse(fault.status, {"content-type": "text/xml"}, text.encode())
