"""The receiver to test with as a process of its own: for who has no time to spare for TLS, such as a load generator.

    with ReceiverProcess() as receiver:
        ...                                     # start the embedded AWS with receiver.parameters
        receiver.trust(ready)                   # what its `--json` printed: it says where the secret is
        receiver.wait(request_id, 10.0)

It is `forebay callback-receiver --json`, and ends with this process, however that ends.
"""

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_COMMAND: Final = (
    sys.executable, "-c", "from producers.receiver_command import callback_receiver; callback_receiver()",
)  # fmt: skip


class ReceiverError(Exception):
    """A receiver that did not start; the text says why."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An acknowledged delivery. `arrived_at` is in ms since the epoch, by the receiver's clock as all of it was there.

    `attempt` counts the verified deliveries of its request, from 1.
    """

    arrived_at: float
    attempt: int
    document: "Mapping[str, Any]" = field(repr=False)


class ReceiverProcess:
    """Starts with __enter__ and ends with __exit__. `options` are more of the command's, such as `--fail 3`."""

    def __init__(self, options: "Sequence[str]" = ()) -> None:
        self._options = options
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._begun: dict[str, Any] = {}
        self._arrivals: dict[str, list[Arrival]] = {}
        self._refused = 0
        self._repeated = 0
        self._waiting: dict[str, threading.Event] = {}
        self._arrived = threading.Lock()

    @property
    def url(self) -> str:
        """What requests name to be called back here."""
        url: str = self._begun["url"]
        return url

    @property
    def parameters(self) -> "Mapping[str, str]":
        """The parameters of infra.yaml by which a stack knows it."""
        parameters: Mapping[str, str] = self._begun["parameters"]
        return parameters

    @property
    def unacknowledged(self) -> int:
        """How many deliveries were answered otherwise than 2xx, or left hanging."""
        with self._arrived:
            return self._refused

    @property
    def repeated(self) -> int:
        """How many acknowledged deliveries were of a request that had one before."""
        with self._arrived:
            return self._repeated

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "it has not started"
        return self._process.pid

    def trust(self, ready: "Mapping[str, Any]") -> None:
        """Say where the signing secret is: `ready` is the object that `forebay local --json` prints."""
        assert self._folder is not None, "it has not started"
        path = Path(self._folder.name) / "ready.json"
        beside = path.with_name("ready.new")
        beside.write_text(json.dumps(ready), encoding="utf-8")
        beside.replace(path)

    def acknowledged(self, request_id: str) -> list[Arrival]:
        """The acknowledged deliveries of a request."""
        with self._arrived:
            return list(self._arrivals.get(request_id, ()))

    def wait(self, request_id: str, timeout_s: float) -> bytes | None:
        """The document of a request's first acknowledged delivery; None if there is none after `timeout_s`."""
        # An event for each request: of thousands who wait, an arrival wakes the one that it is for.
        with self._arrived:
            waiting = None if request_id in self._arrivals else self._waiting.setdefault(request_id, threading.Event())
        if waiting is not None:
            waiting.wait(timeout_s)
        arrivals = self.acknowledged(request_id)
        return json.dumps(arrivals[0].document).encode() if arrivals else None

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            ReceiverError: it ended at once.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="forebay-receiver-")
        ready = str(Path(self._folder.name) / "ready.json")
        self._process = subprocess.Popen(  # noqa: S603 (our own words)
            [*_COMMAND, "--json", "--exit-with-stdin", "--local", ready, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A Ctrl-C at the terminal is for whoever started it, and may still want what arrives.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not first:
            said = self._end()[-2_000:].decode(errors="replace").strip()
            raise ReceiverError(f"the callback receiver did not start: {said}")
        self._begun = json.loads(first)
        self._reader = threading.Thread(target=self._read, name="callback-receiver")
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._end()

    def _end(self) -> bytes:
        """Let it end; what it said on its standard error."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        assert self._folder is not None
        self._process.stdin.close()
        if self._reader is not None:
            self._reader.join()
        said: bytes = self._process.stderr.read()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()
        self._folder.cleanup()
        return said

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            delivery = json.loads(line)
            status = delivery["status"]
            acknowledged = status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
            with self._arrived:
                if not acknowledged:
                    self._refused += 1
                    continue
                arrival = Arrival(delivery["arrived_at"], delivery["attempt"], delivery["result"] or {})
                arrivals = self._arrivals.setdefault(delivery["request_id"], [])
                self._repeated += bool(arrivals)
                arrivals.append(arrival)
                waiting = self._waiting.pop(delivery["request_id"], None)
            if waiting is not None:
                waiting.set()
