"""The control service: how the embedded AWS stands, for whoever watches a run, and faults for whoever plans some."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.clock import Clock
from local.faults.fault import read_faults
from local.faults.injector import Injector
from local.wire import WireRequest, WireResponse

_JSON = {"content-type": "application/json", "cache-control": "no-store"}


class Control:
    """Answers GET /state, and where faults may be injected PUT and GET /faults.

    The state is that of every buffer, and of every function that an API calls; `at` is in ms since the epoch, and
    `processes` are the ids of the servers' own. A plan of faults (local.faults.fault) takes the place of the one
    before; GET tells what each of its faults has done.
    """

    def __init__(
        self,
        buffers: Mapping[str, Callable[[], Mapping[str, Any]]],
        clock: Clock,
        *,
        processes: Mapping[str, Callable[[], int]] | None = None,
        injector: Injector | None = None,
    ) -> None:
        self._buffers = buffers
        self._clock = clock
        self._processes = processes or {}
        self._injector = injector

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        if request.path == "/faults":
            return self._faults(request)
        if request.path != "/state":
            return _answer(404, {"message": "there are only /state and /faults here"})
        if request.method != "GET":
            return _answer(405, {"message": "/state is only for GET"})
        state = {
            "at": int(self._clock() * 1000),
            "buffers": {name: dict(state()) for name, state in self._buffers.items()},
            "processes": {name: pid() for name, pid in self._processes.items()},
        }
        return _answer(200, state)

    def _faults(self, request: WireRequest) -> WireResponse:
        if self._injector is None:
            return _answer(404, {"message": "faults are injected only where `forebay local` was started with --faults"})
        if request.method == "PUT":
            try:
                self._injector.put(read_faults(json.loads(request.body)))
            except (ValueError, RecursionError) as error:
                return _answer(400, {"message": f"this is no plan of faults: {error}"})
        elif request.method != "GET":
            return _answer(405, {"message": "/faults is only for GET and PUT"})
        return _answer(200, {"faults": self._injector.told()})


def _answer(status: int, body: Mapping[str, Any]) -> WireResponse:
    return WireResponse(status, _JSON, json.dumps(body, separators=(",", ":")).encode())
