"""Serves a wire service over HTTP, on 127.0.0.1 and nowhere else."""

import asyncio
import socket as sockets
from dataclasses import dataclass
from typing import Final

from local.http_connection import Connection, Terms
from local.wire import WireService

HOST: Final = "127.0.0.1"
# The largest body that any of these APIs takes is SQS's, SNS's and Kinesis's 10 MiB (14 MiB in base64), and API
# Gateway's 10 MB, which the gateway refuses by itself.
BODY_LIMIT: Final = 32 * 1024 * 1024
# A spike opens many connections at once; the kernel refuses what its queue does not hold.
BACKLOG: Final = 4096
# How long a connection may wait for a request's headers to be whole, and a request for its body. AWS's NAT gateways and
# network load balancers drop an idle connection after 350 s, so clients know how to begin another. A body comes from
# this machine; a minute is for one that was stopped in a debugger.
IDLE_S: Final = 350.0
BODY_S: Final = 60.0
_LINGER_S: Final = 5.0
_SHUTDOWN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """A service being served. `url` is `http://127.0.0.1:PORT`, without a slash."""

    url: str
    port: int
    _terms: Terms
    _listener: asyncio.Server

    async def close(self) -> None:
        """Take no more connections, give the requests under way a moment to end, close."""
        self._listener.close()
        connections = list(self._terms.connections)
        tasks = [connection.finish() for connection in connections]
        if tasks:
            await asyncio.wait(tasks, timeout=_SHUTDOWN_S)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.wait_closed()


def listen(port: int = 0) -> sockets.socket:
    """A bound socket to pass to `serve` later, for when its port must be known first. 0 takes a free port."""
    socket = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    socket.bind((HOST, port))
    return socket


async def serve(
    service: WireService,
    *,
    port: int = 0,
    socket: sockets.socket | None = None,
    body_limit: int = BODY_LIMIT,
    idle_s: float = IDLE_S,
    body_s: float = BODY_S,
    pages: bool = False,
) -> Server:
    """Serve `service` on 127.0.0.1, at `port`, at a free port, or on a `socket` that `listen` bound.

    A body over `body_limit` bytes is answered 413, one that is not whole within `body_s` seconds 408, and a request
    that is not HTTP/1.1 or 1.0 as every other server would read it 400 or 505, all without asking the service. A
    connection that waits `idle_s` seconds for a request's headers, or for its client to read, is closed. What the
    service raises is logged and answered 500; BrokenOffError breaks the connection off.

    Unless `pages` is set, what a page in a browser asks for is answered 403: whatever site the user looks at could
    otherwise call every service of this machine that asks for no credentials.

    Raises:
        OSError: the port is taken.
    """
    # What a client still sends after it was refused is read for so long, lest it never sees why.
    terms = Terms(service, body_limit, idle_s, body_s, min(_LINGER_S, body_s), pages)
    bound = socket if socket is not None else listen(port)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(terms), sock=bound, backlog=BACKLOG)
    taken = bound.getsockname()[1]
    return Server(url=f"http://{HOST}:{taken}", port=taken, _terms=terms, _listener=listener)
