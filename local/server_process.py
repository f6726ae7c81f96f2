"""A server of the embedded AWS that runs as a process of its own.

What it is told to run prints one line of JSON, {"url": ...}, when it is ready, and stops when its stdin closes.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Final

from local.tether import kill

_STOP_S: Final = 3.0
_TAIL: Final = 2_000


class ServerProcessError(Exception):
    """A server that did not start; the text has what it said."""


class ServerProcess:
    """A running server. `url` is where it answers."""

    def __init__(self, url: str, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self.url = url
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, module: str, arguments: Sequence[str], environment: Mapping[str, str], ready_within_s: float
    ) -> "ServerProcess":
        """Start `python -m module` and wait until it is ready.

        Raises:
            ServerProcessError: it ended, or was not ready in time.
        """
        log = tempfile.TemporaryFile()  # noqa: SIM115 (stop() closes it)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.tether", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=dict(environment),
        )
        try:
            async with asyncio.timeout(ready_within_s):
                assert process.stdout is not None
                line = await process.stdout.readline()
            url = json.loads(line)["url"]
        except (TimeoutError, ValueError, KeyError, TypeError):
            server = cls("", process, log)
            said = server.said()
            await server.stop()
            raise ServerProcessError(
                f"{module} did not start within {ready_within_s:.0f} s. It said:\n{said}"
            ) from None
        except BaseException:
            await cls("", process, log).stop()
            raise
        return cls(url, process, log)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def said(self) -> str:
        """The last of what it wrote to stderr."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - _TAIL)
        return os.pread(self._log.fileno(), size - start, start).decode("utf-8", "replace").strip()

    async def ended(self) -> int:
        """Wait until it has ended, by itself or by somebody's hand; its exit status, a signal's number negated."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Close its stdin; kill it if that does not end it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            if self._process.returncode is None:
                kill(self._process.pid)
                await self._process.wait()
            self._log.close()
