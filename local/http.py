"""Serves a wire service over HTTP, on 127.0.0.1 and nowhere else."""

import asyncio
import logging
import socket as sockets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError

from local.wire import BrokenOffError, WireRequest, WireResponse, WireService

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

_LOG = logging.getLogger(__name__)


def _is_no_strangers_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


# Of what is no HTTP aiohttp logs a traceback each time, and what was sent with it: an endless log, with secrets in it.
SERVER_LOG: Final = logging.getLogger(f"{__name__}.server")
SERVER_LOG.addFilter(_is_no_strangers_fault)

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
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A service being served. `url` is `http://127.0.0.1:PORT`, without a slash."""

    url: str
    port: int
    _web: web.Server
    _listener: asyncio.Server

    async def close(self) -> None:
        """Take no more connections, give the requests under way a moment to end, close."""
        self._listener.close()
        self._web.pre_shutdown()
        await self._web.shutdown(_SHUTDOWN_S)
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

    A body over `body_limit` bytes is answered 413, one that is not whole within `body_s` seconds 408, and one that is
    not what its headers say 400, all without asking the service. A connection that waits `idle_s` seconds for a
    request's headers is closed. What the service raises is logged and answered 500; BrokenOffError breaks the
    connection off.

    Unless `pages` is set, what a page in a browser asks for is answered 403: whatever site the user looks at could
    otherwise call every service of this machine that asks for no credentials.

    Raises:
        OSError: the port is taken.
    """
    server = web.Server(
        _Handler(service, body_limit, body_s, pages=pages).handle,
        request_factory=_request,
        access_log=None,
        logger=SERVER_LOG,
        auto_decompress=False,
        keepalive_timeout=idle_s,
        # What a client still sends after it was refused is read for so long, lest it never sees why.
        lingering_time=min(_LINGER_S, body_s),
        max_field_size=16 * 1024,
        max_line_size=16 * 1024,
    )
    bound = socket if socket is not None else listen(port)
    listener = await asyncio.get_running_loop().create_server(server, sock=bound, backlog=BACKLOG)
    taken = bound.getsockname()[1]
    return Server(url=f"http://{HOST}:{taken}", port=taken, _web=server, _listener=listener)


def _request(
    message: "RawRequestMessage",
    payload: "StreamReader",
    protocol: "RequestHandler",
    writer: "AbstractStreamWriter",
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Handler:
    def __init__(self, service: WireService, body_limit: int, body_s: float, *, pages: bool = False) -> None:
        self._service = service
        self._body_limit = body_limit
        self._body_s = body_s
        self._pages = pages

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers: dict[str, str] = {}
        lines = list(request.headers.items())
        for name, value in lines:
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if request.version not in (HttpVersion10, HttpVersion11):
            # Of HTTP/0.9 a line is a whole request, whatever it was meant to be.
            return _refused(505, "HTTP Version Not Supported")
        if not self._pages and _is_from_a_page(headers):
            return _refused(403, "A page in a browser may call the API, and nothing else here")
        # An early refusal closes the connection, since the rest of the body would follow.
        if int(headers.get("content-length", "0")) > self._body_limit:
            return _refused(413, "Request Too Long")
        try:
            if headers.get("expect", "").lower() == "100-continue":
                await request.writer.write(_CONTINUE)
            body = await self._body(request)
        except ConnectionError:
            return _hung_up()
        except TimeoutError:
            return _refused(408, "Request Timeout")
        except web.RequestPayloadError:
            return _refused(400, "Bad Request")
        if body is None:
            return _refused(413, "Request Too Long")
        path, _, query = _origin_form(request.raw_path).partition("?")
        try:
            answer = await self._service.handle(WireRequest(request.method, path, query, headers, body, lines))
        except BrokenOffError:
            if request.transport is not None:
                request.transport.abort()
            return _hung_up()
        except Exception:  # noqa: BLE001 (whatever it is, the next request must be served)
            _LOG.exception("%s %s failed", request.method, path)
            answer = WireResponse(500, {"content-type": "application/json"}, b'{"__type":"InternalFailure"}')
        response = web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        for name, value in answer.more_headers:
            response.headers.add(name, value)
        return response

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        if not request.body_exists:
            return b""
        content = request.content
        chunks: list[bytes] = []
        size = 0
        # Most bodies have come with their headers, and wait for nothing.
        async with asyncio.timeout(None if content.is_eof() else self._body_s):
            while chunk := await content.readany():
                size += len(chunk)
                if size > self._body_limit:
                    return None
                chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _is_from_a_page(headers: Mapping[str, str]) -> bool:
    # Fetch Metadata (W3C), which every browser sends to 127.0.0.1 and no page can leave out; older ones say the origin
    # of all but plain GETs. "none" is the user, who has typed the address.
    return "origin" in headers or headers.get("sec-fetch-site", "none") != "none"


def _origin_form(target: str) -> str:
    if target.startswith("/"):
        return target
    # The absolute form, as a client sends it to a proxy: scheme://authority/path
    _, _, after = target.partition("://")
    _, slash, path = after.partition("/")
    return slash + path if slash else "/"


def _refused(status: int, message: str) -> web.Response:
    """An answer after which nothing more is read: where this request ends is not known."""
    response = web.Response(
        status=status, headers={"content-type": "application/json"}, body=f'{{"message":"{message}"}}'.encode()
    )
    response.force_close()
    return response


def _hung_up() -> web.Response:
    """An answer to nobody: the connection is gone, as the client left or the service broke off."""
    response = web.Response(status=400)
    response.force_close()
    return response
