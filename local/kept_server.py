"""A server process that is kept up: one that dies is started again, where it was."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from local.server_process import ServerProcess, ServerProcessError
from local.storage.buckets import StorageError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0


class KeptServer:
    """A server of the embedded AWS as a process of its own. Whoever kills it finds another one at the same port.

    AWS's services do not stay down because a machine of theirs does. What the process held in memory is gone all the
    same; `furnish` makes anew in it what has to be there.
    """

    def __init__(
        self,
        process: ServerProcess,
        start: Callable[[int], Awaitable[ServerProcess]],
        furnish: Callable[[], Awaitable[None]],
        name: str,
    ) -> None:
        self.url = process.url
        self.restarts = 0
        self._process = process
        self._start = start
        self._furnish = furnish
        self._name = name
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    @classmethod
    async def start(
        cls,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        ready_within_s: float,
        furnish: Callable[[], Awaitable[None]],
    ) -> "KeptServer":
        """Start `python -m module`, which has to know --port, and wait until it is ready; furnishing is the caller's.

        Raises:
            ServerProcessError: it ended, or was not ready in time.
        """

        async def start(port: int) -> ServerProcess:
            return await ServerProcess.start(module, [*arguments, "--port", str(port)], environment, ready_within_s)

        return cls(await start(0), start, furnish, module)

    @property
    def pid(self) -> int:
        """The id of the process that runs now, or ran last."""
        return self._process.pid

    async def stop(self) -> None:
        """Stop it for good."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._process.stop()

    async def _keep(self) -> None:
        while True:
            code = await self._process.ended()
            _LOG.warning("%s has ended with %d and is started again; what it held in memory is gone", self._name, code)
            await self._process.stop()
            await self._start_again()

    async def _start_again(self) -> None:
        port = urlsplit(self.url).port
        assert port is not None
        pause = _FIRST_PAUSE_S
        while True:
            try:
                self._process = await self._start(port)
                await self._furnish()
            except (ServerProcessError, StorageError, OSError) as error:
                _LOG.error("%s could not be started again: %s", self._name, error)
                # What has started and could not be furnished, too.
                await self._process.stop()
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                self.restarts += 1
                return
