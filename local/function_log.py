"""Where a function's processes write what they log."""

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

_LOG = logging.getLogger(__name__)
_TAIL: Final = 4_000
# What an environment may write where nobody keeps it, before it starts over.
_UNKEPT_LIMIT: Final = 1 << 20


class EnvironmentLog:
    """One environment's log: the process writes into `file`, Lambda's own lines go in between.

    Without a folder it is a file without a name, which is gone with its last user, however that one ends.
    """

    def __init__(self, path: Path | None) -> None:
        self._kept = path is not None
        self._last = ""
        if path is None:
            self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (close() closes it)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("a+b", buffering=0)
        os.set_inheritable(self.file.fileno(), False)
        _append_only(self.file.fileno())

    def write(self, line: str) -> None:
        """Add a line of Lambda's own."""
        try:
            if not self._kept and os.fstat(self.file.fileno()).st_size > _UNKEPT_LIMIT:
                self.file.truncate(0)
            self.file.write(line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            # A full disk must not stop the deliveries.
            _LOG.warning("a function's log could not be written: %s", error)

    def tail(self) -> str:
        """The last lines of what was logged, also once it is closed."""
        if self.file.closed:
            return self._last
        size = os.fstat(self.file.fileno()).st_size
        start = max(0, size - _TAIL)
        # awslambdaric ends the lines of an error with carriage returns, which CloudWatch shows as line ends.
        text = os.pread(self.file.fileno(), size - start, start).decode("utf-8", "replace").replace("\r", "\n")
        whole = text.partition("\n")[2].strip() if start else ""
        return whole or text.strip()

    def close(self) -> None:
        """Close the file; a process that still has it may go on writing."""
        self._last = self.tail()
        self.file.close()


class FunctionLogs:
    """Makes the logs of a function's environments: in `folder`, or kept nowhere if there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def open(self, environment: str) -> EnvironmentLog:
        """The log of a new environment, named as its log stream."""
        if self._folder is None:
            return EnvironmentLog(None)
        return EnvironmentLog(self._folder / f"{environment.replace('/', '-')}.log")


def _append_only(descriptor: int) -> None:
    # The process and we write into one open file: each write must go to the end as it is then.
    if sys.platform != "win32":
        import fcntl

        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)
