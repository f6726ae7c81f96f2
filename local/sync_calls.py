"""Synchronous invocations of a function: its callers wait, and are told at once if it cannot be invoked now."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Final

from delivery.protocol import Facts, Invocation, Offer, Outcome, Refusal
from delivery.sync_invoke import SyncInvoke
from local.clock import Clock
from local.driver import Driver
from local.event_source import outcome_of
from local.execution_environment import Answer, Ending, failure
from local.function import Function

_LOST: Final = "the invocation was lost, and its log says why"
_CLOSED: Final = "the embedded AWS was stopped"


class RefusedError(Exception):
    """The function was not invoked; `reason` is Lambda's own word for why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Call:
    event: bytes
    request_id: str
    answer: "asyncio.Future[Answer]"

    def answered(self, answer: Answer) -> None:
        """Tell the caller, unless it has been told or has left."""
        if not self.answer.done():
            self.answer.set_result(answer)


class SyncCalls:
    """All synchronous callers of one function, whoever they are: they share its concurrency and its rate.

    A caller that stops waiting leaves the function running, as on AWS. It is a `local.event_source.EventSource`, whose
    records are calls.
    """

    def __init__(self, function: Function, machine: SyncInvoke, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock
        self._driver = Driver(machine, self, function, clock)
        self._calls: dict[int, _Call] = {}
        self._next_id = 0

    async def invoke(self, event: bytes) -> Answer:
        """Invoke the function with an event (JSON) and wait for what comes of it.

        Raises:
            RefusedError: it is not invoked, for want of concurrency or rate, or since the event is too large.
        """
        id_ = self._next_id
        self._next_id += 1
        offer = Offer([id_], len(event))
        refused = self._machine.offer(self._clock(), offer)
        if refused:
            # What was refused is a fact, too.
            self._driver.wake()
            raise RefusedError(refused[id_])
        call = self._calls[id_] = _Call(event, str(uuid.uuid4()), asyncio.get_running_loop().create_future())
        self._driver.offered(offer)
        return await call.answer

    def state(self) -> dict[str, float | None]:
        """How it stands: see `local.driver.Driver.state`. A call that the function failed counts as expired."""
        return self._driver.state()

    async def close(self) -> None:
        """Stop; who still waits is told so."""
        await self._driver.close()
        for call in self._calls.values():
            call.answered(failure(Ending.EXITED, "Runtime.ExitError", _CLOSED, call.request_id))
        self._calls.clear()

    def event(self, invocation: Invocation) -> bytes:
        """The event of a call."""
        return self._call(invocation).event

    def request_id(self, invocation: Invocation) -> str:
        """The request id of a call."""
        return self._call(invocation).request_id

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        """What the answer means to the machine; the caller gets it as it is."""
        self._call(invocation).answered(answer)
        return outcome_of(answer)

    async def end(self, facts: Facts) -> None:
        """Let go of calls that ended. None is left waiting, whatever became of its invocation."""
        for id_ in (*facts.done, *(id_ for id_, _ in facts.expired)):
            call = self._calls.pop(id_)
            call.answered(failure(Ending.EXITED, "Sandbox.Failure", _LOST, call.request_id))

    def _call(self, invocation: Invocation) -> _Call:
        (id_,) = invocation.ids
        return self._calls[id_]
