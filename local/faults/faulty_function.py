"""A function whose invocations a fault may strike: real signals to real processes, and answers that get lost."""

import asyncio
import contextlib
import os
import signal
from typing import Final

from delivery.environments import Environments
from delivery.protocol import Slot
from local.clock import Clock
from local.execution_environment import Answer, Ending, ExecutionEnvironment, FunctionConfiguration, failure
from local.faults.carried import requests_of_event
from local.faults.fault import Edge, Effect, Fault
from local.faults.injector import Injector
from local.function import Function
from local.function_log import FunctionLogs
from local.tether import kill

_LOOK_S: Final = 0.005
_MB: Final = 1 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class FaultyFunction(Function):
    """As `Function`; what it is to be told of beside that is the injector."""

    def __init__(
        self,
        configuration: FunctionConfiguration,
        environments: Environments,
        logs: FunctionLogs,
        clock: Clock,
        *,
        injector: Injector,
    ) -> None:
        super().__init__(configuration, environments, logs, clock)
        self._injector = injector
        self._time = clock

    async def invoke(self, slot: Slot, event: bytes, request_id: str) -> Answer:
        """Run the handler, or do what the fault says."""
        fault = self._injector.find(Edge.FUNCTION, lambda: requests_of_event(event))
        if fault is None:
            return await super().invoke(slot, event, request_id)
        match fault.effect:
            case Effect.GARBLE:
                self._injector.strike(fault)
                return await super().invoke(slot, event[: len(event) // 2], request_id)
            case Effect.REPEAT:
                return await self._twice(fault, slot, event, request_id)
            case Effect.LOSE_ANSWER:
                answer = await super().invoke(slot, event, request_id)
                if answer.ending is not Ending.RETURNED:
                    return answer
                self._injector.strike(fault)
                return failure(Ending.RAISED, "Sandbox.Failure", "the answer was lost", request_id)
        return await self._struck_at_work(fault, slot, event, request_id)

    async def _struck_at_work(self, fault: Fault, slot: Slot, event: bytes, request_id: str) -> Answer:
        striking = asyncio.get_running_loop().create_task(self._strike(fault, slot.environment, request_id))
        try:
            return await super().invoke(slot, event, request_id)
        finally:
            striking.cancel()
            await asyncio.gather(striking, return_exceptions=True)

    async def _strike(self, fault: Fault, number: int, request_id: str) -> None:
        """Strike the process while its handler has the invocation in hand; if it is too quick, it gets away."""
        # What is to be seen is another's to say, and nobody says it: both loops look every few milliseconds.
        while (environment := self.processes.get(number)) is None or environment.at_work != request_id:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(fault.after_ms / 1_000)
        if fault.effect is Effect.STARVE:
            while _held_mb(environment) <= fault.memory_mb:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
        if environment.at_work != request_id or not environment.alive:
            return
        self._injector.strike(fault)
        if fault.effect is Effect.HANG:
            with contextlib.suppress(ProcessLookupError):
                os.kill(environment.pid, signal.SIGSTOP)
            return
        if fault.effect is Effect.STARVE:
            environment.log.write(f"RequestId: {request_id} Error Type: Runtime.OutOfMemory")
        kill(environment.pid)

    async def _twice(self, fault: Fault, slot: Slot, event: bytes, request_id: str) -> Answer:
        """The first one's answer counts; what becomes of the double ends nothing."""
        self._injector.strike(fault)
        second = f"{request_id[:-1]}d"
        others = self.environments.acquire_upto(self._time(), 1)
        if not others:
            answer = await super().invoke(slot, event, request_id)
            if not answer.lost:
                await super().invoke(slot, event, second)
            return answer
        (other,) = others
        answer, double = await asyncio.gather(
            super().invoke(slot, event, request_id), super().invoke(other, event, second)
        )
        self.environments.release(self._time(), other, lost=double.lost)
        return answer


def _held_mb(environment: ExecutionEnvironment) -> float:
    """The process's resident memory."""
    try:
        with open(f"/proc/{environment.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 (10 us less)
            return int(file.read().split()[1]) * _PAGE / _MB
    except OSError:
        return 0.0
