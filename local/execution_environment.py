"""An execution environment: a process that runs a function's handler by AWS's own client, one invocation at a time."""

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Final

from local.clock import Clock
from local.function_log import EnvironmentLog
from local.http import Server, serve
from local.runtime_api import Call, Reply, RuntimeApi, RuntimeGoneError
from local.tether import kill

# The load generator shares the cores; its schedule must not suffer from handlers.
_NICENESS: Final = 5
# Lambda gives init 10 s and then starts it over within the first invocation's own time (docs: lambda-runtime-
# environment). Here it is not started over, which on a machine that is merely busy would make it slower still; it has
# both times at once.
_INIT_S: Final = 10.0


class Ending(Enum):
    """How an invocation ended."""

    RETURNED = auto()
    RAISED = auto()
    TIMED_OUT = auto()
    EXITED = auto()
    NOT_STARTED = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an invocation. Unless it RETURNED, the payload is Lambda's error object."""

    ending: Ending
    payload: bytes
    request_id: str

    @property
    def lost(self) -> bool:
        """Whether the environment went with it."""
        return self.ending not in (Ending.RETURNED, Ending.RAISED)


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """One function, as the template has it.

    `own_variables` are those of the template, `variables` all that its processes will find in their environment.
    """

    name: str
    arn: str
    handler: str
    runtime: str
    role_arn: str
    memory_mb: int
    timeout_s: float
    log_group: str
    task_root: Path
    own_variables: Mapping[str, str]
    variables: Mapping[str, str]

    def with_variables(self, variables: Mapping[str, str]) -> "FunctionConfiguration":
        """The same, with the whole environment of its processes."""
        return replace(self, variables=variables)


class ExecutionEnvironment:
    """A started process with its Runtime API. Made by `start`; ends with `stop`, or by itself."""

    def __init__(
        self,
        configuration: FunctionConfiguration,
        name: str,
        process: asyncio.subprocess.Process,
        api: RuntimeApi,
        server: Server,
        log: EnvironmentLog,
        clock: Clock,
    ) -> None:
        self.name = name
        self.log = log
        self._configuration = configuration
        self._process = process
        self._api = api
        self._server = server
        self._clock = clock
        self._started_at = clock()
        self._init_s: float | None = None
        self._busy = False
        self._at_work: str | None = None
        self._watch = asyncio.get_running_loop().create_task(self._await_exit())

    @classmethod
    async def start(
        cls, configuration: FunctionConfiguration, name: str, log: EnvironmentLog, clock: Clock
    ) -> "ExecutionEnvironment":
        """Start the process; its init goes on meanwhile.

        Raises:
            OSError: the machine has no process, port or memory to give.
        """
        api = RuntimeApi()
        server = await serve(api)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local.tether", "--nice", str(_NICENESS)),
                *("awslambdaric", configuration.handler),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log.file,
                stderr=asyncio.subprocess.STDOUT,
                cwd=configuration.task_root,
                env={
                    **configuration.variables,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.port}",
                    "AWS_LAMBDA_LOG_STREAM_NAME": name,
                },
            )
        except BaseException:
            await server.close()
            raise
        return cls(configuration, name, process, api, server, log, clock)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None and not self._watch.done()

    @property
    def busy(self) -> bool:
        """Whether it has an invocation, be it that its init still goes on."""
        return self._busy

    @property
    def at_work(self) -> str | None:
        """The request id of the invocation that its handler has in hand, None if it has none."""
        return self._at_work

    def on_exit(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the process has ended, by itself or stopped."""
        self._watch.add_done_callback(lambda _: callback())

    async def invoke(self, event: bytes, request_id: str) -> Answer:
        """Run the handler on an event. What goes wrong is an answer; the process may be gone with it."""
        self._busy = True
        try:
            return await self._invoke(event, request_id)
        finally:
            self._busy = False
            if not self.alive:
                self.log.close()

    async def _invoke(self, event: bytes, request_id: str) -> Answer:
        if self._init_s is None:
            not_started = await self._await_init(request_id)
            if not_started is not None:
                return not_started
        self.log.write(f"START RequestId: {request_id} Version: $LATEST")
        started = self._clock()
        timeout = self._configuration.timeout_s
        deadline_ms = int((started + timeout) * 1000)
        call = Call(request_id, event, deadline_ms, self._configuration.arn, _trace_id(started))
        self._at_work = request_id
        try:
            async with asyncio.timeout(timeout):
                reply = await self._api.invoke(call)
            answer = _answer(reply, request_id)
        except TimeoutError:
            await self.stop()
            text = f"Task timed out after {timeout:.2f} seconds"
            self.log.write(f"{_iso(self._clock())} {request_id} {text}")
            answer = failure(Ending.TIMED_OUT, "Sandbox.Timedout", text, request_id)
        except RuntimeGoneError:
            answer = failure(Ending.EXITED, "Runtime.ExitError", await self._exit_text(), request_id)
        finally:
            self._at_work = None
        self._report(request_id, self._clock() - started)
        return answer

    async def stop(self) -> None:
        """Kill the process and whatever it started. Lambda gives no notice to a function without extensions either."""
        if self._process.returncode is None:
            kill(self._process.pid)
        await asyncio.shield(self._watch)

    async def _await_exit(self) -> None:
        await self._process.wait()
        self._api.close()
        await self._server.close()
        if not self._busy:
            self.log.close()

    async def _await_init(self, request_id: str) -> Answer | None:
        try:
            async with asyncio.timeout(_INIT_S + self._configuration.timeout_s):
                await asyncio.shield(self._api.ready)
        except TimeoutError:
            await self.stop()
            text = f"Init timed out after {_INIT_S + self._configuration.timeout_s:.2f} seconds"
            return failure(Ending.NOT_STARTED, "Sandbox.Timedout", text, request_id)
        except RuntimeGoneError:
            text = await self._exit_text()
            self.log.write(f"INIT_REPORT Phase: init Status: error Error Type: Runtime.ExitError {text}")
            if self._api.init_error is not None:
                return Answer(Ending.NOT_STARTED, self._api.init_error, request_id)
            return failure(Ending.NOT_STARTED, "Runtime.ExitError", text, request_id)
        self._init_s = self._clock() - self._started_at
        return None

    async def _exit_text(self) -> str:
        code = await self._process.wait()
        if code < 0:
            return f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
        if code > 0:
            return f"Runtime exited with error: exit status {code}"
        return "Runtime exited without providing a reason"

    def _report(self, request_id: str, duration_s: float) -> None:
        duration_ms = duration_s * 1000
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Memory Size: {self._configuration.memory_mb} MB",
        ]
        peak = _peak_memory_mb(self._process.pid)
        if peak is not None:
            fields.append(f"Max Memory Used: {peak} MB")
        if self._init_s:
            fields.append(f"Init Duration: {self._init_s * 1000:.2f} ms")
            self._init_s = 0.0
        self.log.write(f"END RequestId: {request_id}")
        self.log.write("\t".join(fields))


def environment_name(clock: Clock) -> str:
    """A new environment's name, which is its log stream's: the day, the version, 32 hexadecimal digits."""
    return f"{_iso(clock())[:10].replace('-', '/')}/[$LATEST]{uuid.uuid4().hex}"


def _answer(reply: Reply, request_id: str) -> Answer:
    return Answer(Ending.RAISED if reply.failed else Ending.RETURNED, reply.payload, request_id)


def failure(ending: Ending, kind: str, text: str, request_id: str) -> Answer:
    """An answer that Lambda gives in the handler's place."""
    error = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}
    return Answer(ending, json.dumps(error).encode(), request_id)


def _trace_id(now: float) -> str:
    random = uuid.uuid4().hex
    return f"Root=1-{int(now):08x}-{random[:24]};Parent={uuid.uuid4().hex[:16]};Sampled=0"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _peak_memory_mb(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 (10 us less)
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return None
