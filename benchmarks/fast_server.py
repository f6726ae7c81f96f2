"""A server that answers each POST at once with 202 and an id: quick enough that whatever drives it is the limit.

GET tells how many POSTs were answered: {"posted": 12}. Prints its URL, and ends with its standard input or Ctrl-C.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import click
import uvloop

from benchmarks.server_process import serving, started

# A generator beyond its limit opens as many connections as it may have requests in flight.
_BACKLOG: Final = 4_096
_BODY: Final = b'{"request_id":"7f3c9a52-0d1e-4b86-9c47-5e2a1b0f6d38"}'
_ACCEPTED: Final = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_LENGTH: Final = b"\r\ncontent-length:"


class _Counter:
    posted = 0


class _Http(asyncio.Protocol):
    """Of HTTP/1.1 what the load generators here send: a head, and a body of a known length."""

    def __init__(self, counter: _Counter) -> None:
        self._counter = counter
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one by its methods, not by its class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        received = self._received + data if self._received else data
        while (head := received.find(b"\r\n\r\n")) >= 0:
            end = head + 4 + _length(received[: head + 2])
            if len(received) < end:
                break
            if received.startswith(b"POST"):
                self._counter.posted += 1
                self._transport.write(_ACCEPTED)
            else:
                told = b'{"posted": %d}' % self._counter.posted
                body = told if received.startswith(b"GET") else b""
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), body))
            received = received[end:]
        self._received = received


def _length(head: bytes) -> int:
    head = head.lower()
    at = head.find(_LENGTH)
    if at < 0:
        return 0
    at += len(_LENGTH)
    return int(head[at : head.index(b"\r", at)])


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    counter = _Counter()
    server = await loop.create_server(lambda: _Http(counter), "127.0.0.1", 0, backlog=_BACKLOG)
    async with server:
        await serving(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


@contextmanager
def fast_server(core: int | None = None) -> Iterator[str]:
    """One in a process of its own, bound to one core if it is named; yields its URL."""
    with started(sys.executable, "-m", "benchmarks.fast_server", core=core) as url:
        yield url


@click.command()
def main() -> None:
    """Serve until standard input or Ctrl-C ends it."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())


if __name__ == "__main__":
    main()
