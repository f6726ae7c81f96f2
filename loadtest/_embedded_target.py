"""The embedded AWS as target: `forebay local`, started as a process of its own and stopped with the load test."""

import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import gevent
import gevent.subprocess
import requests

from loadtest._authentication import Showing
from loadtest._outcome import Outcome
from loadtest._target import BufferState, Row, TargetError, check
from pipeline import aws_environment, proxies
from pipeline.stack import Stack, StackError
from producers.receiver_process import ReceiverError, ReceiverProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import IO

    from loadtest._target import Monitoring
    from loadtest._workload import Option, Workload
    from pipeline.request import Buffer

# The first start on a machine builds the recogniser's model.
_READY_S: Final = 120
_STATE_S: Final = 5
_STOP_S: Final = 20
_TAIL: Final = 2_000
_NICENESS: Final = 5

OWN_COMMAND: Final = f"{shlex.quote(str(Path(sys.executable).with_name('forebay')))} local"


class EmbeddedTarget:
    """`command` starts it; the options of the workload, `--json` and `--exit-with-stdin` are appended.

    Where clients are to be called back, their receiver starts before it, for it has to be told of that.

    Raises:
        TargetError: the command is none.
    """

    kind: Literal["local"] = "local"
    # It tells its state itself, at any moment.
    monitoring: "Monitoring | None" = None

    def __init__(self, command: str = OWN_COMMAND) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise TargetError(f"--embedded {command!r} is no command: {error}") from None
        if not self._command:
            raise TargetError("--embedded names no command; leave it out for Forebay's own")
        self._workload: Workload | None = None
        self._process: gevent.subprocess.Popen | None = None
        self._log: IO[bytes] | None = None
        self._receiver: ReceiverProcess | None = None
        self._ready: dict[str, Any] = {}
        self._http = requests.Session()
        self._http.trust_env = False
        self._used = False

    @property
    def api_url(self) -> str:
        """Where its gateway listens."""
        return self.outputs["ApiUrl"].rstrip("/")

    @property
    def showing(self) -> Showing:
        """What it asks, and what it lets in."""
        environment: Mapping[str, str] = self._ready.get("environment", {})
        return Showing.of_embedded(self.outputs, environment)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of infra.yaml as it serves it."""
        outputs: Mapping[str, str] = self._ready.get("outputs", {})
        return outputs

    @property
    def control_url(self) -> str:
        """Where it tells its state, and is told of faults."""
        url: str = self._ready["control_url"]
        return url

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where each service answers, by the name in boto3's AWS_ENDPOINT_URL_<SERVICE>, in small letters."""
        return aws_environment.endpoints(self._ready["environment"])

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it has not started"
        pid: int = self._process.pid
        return pid

    @property
    def callback_receiver(self) -> ReceiverProcess | None:
        """The receiver on this machine, if the workload has clients to be called back."""
        return self._receiver

    @property
    def options(self) -> Mapping[str, Any] | None:
        """Every option and quota in force."""
        return self._ready.get("options")

    def open(self, workload: "Workload") -> None:
        """Start it, or start it anew if it has served a run or has other options: each run finds it empty and cold.

        Raises:
            TargetError: it does not start.
        """
        same = self._workload is not None and _needs(self._workload) == _needs(workload)
        if self._running() and same and not self._used:
            return
        self.close()
        self._workload = workload
        # Clients, uploads and what is read at the end are several libraries', which all go by the same variables.
        proxies.ask_none_for_this_machine()
        self._start()

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """The results table knows."""

    def renew(self) -> bool:
        """Start it anew with the same options."""
        assert self._workload is not None, "open comes first"
        self._stop()
        self._start()
        return True

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:  # noqa: ARG002 (the port of all targets)
        """How it stands with a buffer, counted since its start.

        Raises:
            TargetError: it has ended, or does not answer.
        """
        self._used = True
        if not self._running():
            raise TargetError(f"the embedded AWS has ended in mid-run{self._said()}")
        try:
            answer = self._http.get(f"{self._ready['control_url']}/state", timeout=_STATE_S)
            answer.raise_for_status()
            buffers = answer.json()["buffers"]
            return BufferState() if buffer is None else BufferState.from_json(buffers[buffer])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise TargetError(f"the embedded AWS does not tell its state: {error!r}") from None

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """The stored results."""
        return self._outcome().results(way, request_run_id)

    def dead_letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "Iterator[Row]":
        """The requests that were given up."""
        return self._outcome().dead_letters(buffer, request_run_id, since)

    def close(self) -> None:
        """Stop it, and the receiver of callbacks if there is one."""
        self._stop()
        if self._receiver is not None:
            self._receiver.__exit__(None, None, None)
            self._receiver = None

    def _stop(self) -> None:
        """By closing its stdin, or by signal if that does not help."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            if process.poll() is None and not _ended(process, _STOP_S):
                process.terminate()
                if not _ended(process, _STOP_S):
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None
        self._ready = {}
        self._used = False

    def _start(self) -> None:
        assert self._workload is not None
        if self._receiver is None and self._workload.has("callback"):
            self._receiver = _receiver()
        options: dict[str, Option | Mapping[str, Option]] = dict(self._workload.local)
        if self._receiver is not None:
            given = options.get("parameter")
            options["parameter"] = {**(given if isinstance(given, Mapping) else {}), **self._receiver.parameters}
        flags = [flag for name, value in options.items() for flag in _flags(name, value)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        try:
            self._process = gevent.subprocess.Popen(
                [*self._command, "--json", "--exit-with-stdin", *flags],
                stdin=gevent.subprocess.PIPE,
                stdout=gevent.subprocess.PIPE,
                stderr=self._log,
                # A Ctrl-C at the terminal is for the load test; this one ends when its results are read.
                start_new_session=True,
            )
        except OSError as error:
            self.close()
            raise TargetError(f"the embedded AWS cannot be started: {error}; is Forebay installed here?") from None
        _give_way(self._process.pid)
        try:
            self._ready = self._read_ready()
            check(Stack.from_outputs(self.outputs), self._workload, self)
        except (TargetError, StackError) as error:
            said = self._said()
            self.close()
            raise TargetError(f"the embedded AWS does not start: {error}{said}") from None
        if self._receiver is not None:
            self._receiver.trust(self._ready)

    def _read_ready(self) -> dict[str, Any]:
        assert self._process is not None
        line = None
        with gevent.Timeout(_READY_S, False):
            line = self._process.stdout.readline()
        if line is None:
            raise TargetError(f"it was not ready after {_READY_S} s")
        if not line:
            # Its stdout closes a moment before its status can be had.
            _ended(self._process, _STOP_S)
            raise TargetError(f"it ended with {self._process.returncode}")
        try:
            ready = json.loads(line)
            if not (isinstance(ready["outputs"], dict) and isinstance(ready["environment"], dict)):
                raise TypeError
            ready["control_url"] = ready["control_url"].rstrip("/")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise TargetError(f"its first line is not what --json promises: {line[:200]!r}") from None
        assert isinstance(ready, dict)
        return ready

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _said(self) -> str:
        """The end of what it wrote to stderr."""
        if self._log is None:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL))
        said = self._log.read().decode("utf-8", "replace").strip()
        return f". It said:\n{said}" if said else ""

    def _outcome(self) -> Outcome:
        return Outcome.by_environment(Stack.from_outputs(self.outputs), self._ready["environment"])


def _needs(workload: "Workload") -> tuple[object, ...]:
    """What it has to be started with for a workload."""
    return dict(workload.local), workload.has("callback")


def _receiver() -> ReceiverProcess:
    receiver = ReceiverProcess()
    try:
        receiver.__enter__()
    except (ReceiverError, OSError) as error:
        raise TargetError(f"{error}; clients of the pattern callback have nowhere to be called back") from None
    _give_way(receiver.pid)
    return receiver


def _give_way(pid: int) -> None:
    """Let a process come after this one: both share a machine, and the generator has to be on time."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    # Where Linux groups processes by session, only the group's own niceness counts between sessions: sched(7).
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS), encoding="ascii")


def _flags(name: str, value: "Option | Mapping[str, Option]") -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, str | int | float):
        return [f"--{flag}", str(value)]
    return [part for each, assigned in value.items() for part in (f"--{flag}", f"{each}={_written(assigned)}")]


def _written(value: "Option") -> str:
    # A template's parameter is true, where Python writes True.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ended(process: gevent.subprocess.Popen, within_s: float) -> bool:
    try:
        process.wait(timeout=within_s)
    except gevent.subprocess.TimeoutExpired:
        return False
    return True
