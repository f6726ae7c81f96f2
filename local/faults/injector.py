"""The injector: which of the faults in force strikes a call, as it comes by."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local.clock import Clock
from local.faults.fault import Edge, Fault, Request


class Injector:
    """Holds the faults in force. The first one that fits strikes; of several, one a call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: list[Fault] = []

    def put(self, faults: Iterable[Fault]) -> None:
        """Have these in force and no others. What has begun to happen goes on."""
        self._faults = list(faults)

    def told(self) -> list[dict[str, Any]]:
        """What each has done, in the plan's order."""
        return [fault.to_document() for fault in self._faults]

    def find(self, edge: Edge, carried: Callable[[], Sequence[Request]]) -> Fault | None:
        """The fault that is to strike a call at an edge, None if it is to pass.

        `carried` tells which requests the call is about, and is asked only if it matters. Every one of them that a
        fault is meant for has used up a try.
        """
        now = self._clock()
        requests: Sequence[Request] | None = None
        for fault in self._faults:
            if fault.edge is not edge or not fault.since <= now < fault.until:
                continue
            if fault.left is None:
                return fault
            if not fault.left:
                continue
            if requests is None:
                requests = carried()
            # Not any(): each of them is tried.
            if sum([fault.take(request) for request in requests]):
                return fault
        return None

    def strike(self, fault: Fault) -> None:
        """Note that a fault has happened now."""
        fault.strike(self._clock())
