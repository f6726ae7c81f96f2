"""A Lambda function: its concurrency, and the processes that stand for its execution environments."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from delivery.environments import Environments
from delivery.protocol import Slot
from local.clock import Clock
from local.execution_environment import (
    Answer,
    Ending,
    ExecutionEnvironment,
    FunctionConfiguration,
    environment_name,
    failure,
)
from local.function_log import FunctionLogs

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What boto3 signs with. Nothing here checks it; without any, boto3 would look for the user's own."""

    access_key_id: str
    secret_access_key: str

    def variables(self) -> dict[str, str]:
        """As environment variables."""
        return {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}


CREDENTIALS: Final = Credentials("forebay-local", "forebay-local")


def process_variables(
    configuration: FunctionConfiguration, *, region: str, endpoints: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a function's processes: nothing is inherited (docs: configuration-envvars).

    `endpoints` are the variables AWS_ENDPOINT_URL_<SERVICE>.
    """
    task_root = str(configuration.task_root)
    return {
        **configuration.own_variables,
        **CREDENTIALS.variables(),
        **endpoints,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": configuration.log_group,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": str(Path(sys.executable).parent),
        "_HANDLER": configuration.handler,
        "PYTHONPATH": task_root,
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # boto3 must find neither the user's own settings nor the credentials of the machine.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Function:
    """A function whose invocations run in real processes.

    Who invokes it holds a slot of `environments`, and gives it back itself.
    """

    def __init__(
        self, configuration: FunctionConfiguration, environments: Environments, logs: FunctionLogs, clock: Clock
    ) -> None:
        self.configuration = configuration
        self.environments = environments
        self._logs = logs
        self._clock = clock
        self._processes: dict[int, ExecutionEnvironment] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._told: set[Ending] = set()
        self._outdated: set[ExecutionEnvironment] = set()
        self._closed = False

    @property
    def processes(self) -> Mapping[int, ExecutionEnvironment]:
        """Its running processes by the number of their environment."""
        return self._processes

    async def invoke(self, slot: Slot, event: bytes, request_id: str) -> Answer:
        """Run the handler in a slot's environment, which is started if it has no process."""
        environment = self._processes.get(slot.environment)
        if environment is None or not environment.alive:
            try:
                environment = await self._start(slot.environment)
            except OSError as error:
                answer = failure(
                    Ending.NOT_STARTED, "Sandbox.Failure", f"no process could be started: {error}", request_id
                )
                self._tell(answer, None)
                return answer
        answer = await environment.invoke(event, request_id)
        if environment in self._outdated:
            self._retire(slot.environment, environment)
        elif answer.lost:
            self._tell(answer, environment)
        # Soon: the caller gives the slot back first, and only then is the environment idle.
        asyncio.get_running_loop().call_soon(self._expire_later)
        return answer

    def deploy(self) -> None:
        """Load its code anew, as UpdateFunctionCode does: what runs ends where it began, all else starts cold."""
        for number, environment in list(self._processes.items()):
            if environment.busy:
                self._outdated.add(environment)
            else:
                self._retire(number, environment)

    async def close(self) -> None:
        """Stop its processes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        running = list(self._processes.values())
        await asyncio.gather(*(environment.stop() for environment in running), *self._stopping)

    async def _start(self, number: int) -> ExecutionEnvironment:
        name = environment_name(self._clock)
        log = self._logs.open(name)
        try:
            environment = await ExecutionEnvironment.start(self.configuration, name, log, self._clock)
        except BaseException:
            log.close()
            raise
        self._processes[number] = environment
        environment.on_exit(lambda: self._gone(number, environment))
        if self._closed:
            await environment.stop()
        return environment

    def _retire(self, number: int, environment: ExecutionEnvironment) -> None:
        """Let go of an environment that runs code of before; its number may have another process at once."""
        self._outdated.discard(environment)
        if self._processes.get(number) is environment:
            del self._processes[number]
        self.environments.forget(number)
        self._stop(environment)

    def _gone(self, number: int, environment: ExecutionEnvironment) -> None:
        self._outdated.discard(environment)
        if self._processes.get(number, environment) is not environment:
            # It was retired, and its number is another's by now.
            return
        self._processes.pop(number, None)
        self.environments.forget(number)

    def _stop(self, environment: ExecutionEnvironment) -> None:
        task = asyncio.get_running_loop().create_task(environment.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _expire_later(self) -> None:
        if self._timer is None and self._processes and not self._closed:
            wait = min(max(self.environments.expire_at() - self._clock(), 1.0), 60.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)

    def _expire(self) -> None:
        self._timer = None
        for number in self.environments.expire(self._clock()):
            environment = self._processes.get(number)
            if environment is not None:
                self._stop(environment)
        self._expire_later()

    def _tell(self, answer: Answer, environment: ExecutionEnvironment | None) -> None:
        # A function that does not start fails thousands of times; its user needs to read why once.
        if answer.ending in self._told or self._closed:
            return
        self._told.add(answer.ending)
        tail = "" if environment is None else f"\n{environment.log.tail()}"
        _LOG.error(
            "%s: %s (told once; --log-dir keeps every log)%s",
            self.configuration.name,
            answer.payload.decode("utf-8", "replace"),
            tail,
        )
