"""The port of a WebSocket API: aiohttp's server, whose WebSockets are checked frame by frame."""

import asyncio
import logging
import socket as sockets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from delivery.quotas import Quotas
from local.http import BACKLOG
from local.websocket.frames import CloseCode, FrameGuard, FrameReader, Refuse

if TYPE_CHECKING:
    from aiohttp.http import WebSocketReader


def _is_no_strangers_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


# Of what is no HTTP aiohttp logs a traceback each time, and what was sent with it: an endless log, with secrets in it.
_SERVER_LOG: Final = logging.getLogger(f"{__name__}.aiohttp")
_SERVER_LOG.addFilter(_is_no_strangers_fault)

_SHUTDOWN_S: Final = 2.0
_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "logger": _SERVER_LOG,
    "auto_decompress": False,
    "max_field_size": 16 * 1024,
}


class GuardedProtocol(web.RequestHandler):
    """HTTP's protocol, which becomes WebSocket's with a guard before its reader.

    Who accepts a handshake sets `refuse` first: how to end the connection for a frame that is refused.
    """

    __slots__ = ("quotas", "refuse")

    def __init__(self, manager: web.Server, quotas: Quotas) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **_OPTIONS)
        self.quotas = quotas
        self.refuse: Refuse = self._without_handshake

    def set_parser(self, parser: "WebSocketReader", data_received_cb: Callable[[], None] | None = None) -> None:
        """Take over from HTTP; aiohttp calls it when the handshake is answered."""
        guard = FrameGuard(
            cast("FrameReader", parser),
            self.refuse,
            frame_bytes=self.quotas.websocket_frame_bytes,
            message_bytes=self.quotas.websocket_message_bytes,
        )
        super().set_parser(cast("WebSocketReader", guard), data_received_cb)

    def _without_handshake(self, code: CloseCode, reason: str) -> None:
        raise AssertionError(f"{code} {reason}: nobody said how to end this connection")


class _Server(web.Server):
    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], quotas: Quotas) -> None:
        super().__init__(handler)
        self._quotas = quotas

    def __call__(self) -> web.RequestHandler:
        return GuardedProtocol(self, self._quotas)


class WebSocketServer:
    """A port that is served; made by `start`, ended by `close`."""

    def __init__(self, server: web.Server, listener: asyncio.Server) -> None:
        self._server = server
        self._listener = listener

    @classmethod
    async def start(
        cls,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        socket: sockets.socket,
        quotas: Quotas,
    ) -> "WebSocketServer":
        """Serve on a socket that `local.http.listen` bound."""
        server = _Server(handler, quotas)
        listener = await asyncio.get_running_loop().create_server(server, sock=socket, backlog=BACKLOG)
        return cls(server, listener)

    def accept_no_more(self) -> None:
        """Stop listening; what is connected stays."""
        self._listener.close()

    async def close(self) -> None:
        """Give the requests under way a moment to end, and close every connection."""
        self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(_SHUTDOWN_S)
        await self._listener.wait_closed()
