"""The control service: how the embedded AWS stands, for whoever watches a run."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.clock import Clock
from local.wire import WireRequest, WireResponse

_JSON = {"content-type": "application/json", "cache-control": "no-store"}


class Control:
    """Answers GET /state with the state of every buffer, and of every function that an API calls.

    `at` is in ms since the epoch.
    """

    def __init__(self, buffers: Mapping[str, Callable[[], Mapping[str, Any]]], clock: Clock) -> None:
        self._buffers = buffers
        self._clock = clock

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        if request.path != "/state":
            return _answer(404, {"message": "there is only GET /state here"})
        if request.method != "GET":
            return _answer(405, {"message": "/state is only for GET"})
        state = {
            "at": int(self._clock() * 1000),
            "buffers": {name: dict(state()) for name, state in self._buffers.items()},
        }
        return _answer(200, state)


def _answer(status: int, body: Mapping[str, Any]) -> WireResponse:
    return WireResponse(status, _JSON, json.dumps(body, separators=(",", ":")).encode())
