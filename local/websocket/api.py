"""A WebSocket API: the way of a handshake, of a message and of a call of `@connections` through it."""

import asyncio
import base64
import json
import logging
import socket as sockets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Self
from urllib.parse import unquote

from aiohttp import WSMsgType, web
from aiohttp.http import WebSocketError

from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket
from local.authentication.callers import Callers
from local.authentication.refusal import NotAuthenticatedError
from local.clock import Clock
from local.execution_environment import Answer
from local.gateway import media_type
from local.gateway.payload import NotJsonError, decode_json
from local.request_id import random_bytes
from local.websocket.configuration import Route, WebSocketConfiguration
from local.websocket.connection import BufferFullError, Connection, GoneError, Identity
from local.websocket.events import CONNECT, DEFAULT, DISCONNECT, PREDEFINED, Events, Handshake
from local.websocket.frames import CloseCode
from local.websocket.integration import Failure, ProxyIntegration
from local.websocket.management import Management
from local.websocket.server import GuardedProtocol, WebSocketServer
from local.websocket.throttles import RouteThrottles
from local.wire import WireRequest, WireResponse

_LOG = logging.getLogger(__name__)

# How often it is looked for connections that have been open for too long.
_SWEEP_S: Final = 1.0
_MANAGEMENT: Final = "@connections"
_ID_BYTES: Final = 11
_NO_STATUS: Final = "Client-side close frame status not set"


def random_id() -> str:
    """An id as API Gateway writes those of connections, messages and requests: 15 characters and a '='."""
    return base64.urlsafe_b64encode(random_bytes(_ID_BYTES)).decode("ascii")


# Invokes the function of an ARN with an event; raises RefusedError.
InvokeFunction = Callable[[str, bytes], Awaitable[Answer]]


class WebSocketApi:
    """The one WebSocket API of a stack, on its one stage, at a port of its own.

    Args:
        configuration: the template's.
        invoke: how its functions are called.
        account: the token bucket that all APIs of the account share.
        callers: who may connect, where `$connect` asks who calls, and who may call `@connections`.
        domain_name: where it is served, HOST:PORT.
    """

    def __init__(
        self,
        configuration: WebSocketConfiguration,
        invoke: InvokeFunction,
        quotas: Quotas,
        clock: Clock,
        *,
        account: TokenBucket,
        callers: Callers,
        domain_name: str,
        ids: Callable[[], str] = random_id,
    ) -> None:
        self._configuration = configuration
        self._quotas = quotas
        self._clock = clock
        self._callers = callers
        self._ids = ids
        self._events = Events(
            configuration.api_id,
            configuration.stage_name,
            domain_name,
            configuration.stage.get("StageVariables") or {},
        )
        self._throttles = RouteThrottles(configuration.stage, quotas, account)
        rate = quotas.websocket_connections_per_s
        self._new_connections = TokenBucket(rate, rate * quotas.websocket_connections_burst_s)
        self._integrations = {
            route.key: ProxyIntegration(route.key, _calling(invoke, route.function_arn), route.timeout_s)
            for route in configuration.routes.values()
        }
        self._connections: dict[str, Connection] = {}
        self._management = Management(self._connections, self._throttles, quotas, clock, callers.signatures)
        self._server: WebSocketServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._nobody: asyncio.Event = asyncio.Event()
        self._nobody.set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> Mapping[str, Connection]:
        """The open connections, by id."""
        return self._connections

    async def serve(self, socket: sockets.socket) -> Self:
        """Serve on a socket that `local.http.listen` bound."""
        self._server = await WebSocketServer.start(self.handle, socket, self._quotas)
        return self

    async def close(self) -> None:
        """Accept nothing more, close every connection as going away, and leave nothing behind."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._server is not None:
            self._server.accept_no_more()
        for connection in list(self._connections.values()):
            connection.close(CloseCode.GOING_AWAY, "Going away")
        await self._nobody.wait()
        if self._server is not None:
            await self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer an HTTP request: a handshake, or a call of `@connections`."""
        stage, _, below = request.rel_url.raw_path.removeprefix("/").partition("/")
        if stage != self._configuration.stage_name:
            return _refusal(403, {"message": "Forbidden"})
        place, _, connection_id = below.partition("/")
        if unquote(place) == _MANAGEMENT and connection_id:
            return await self._manage(request, unquote(connection_id))
        if below:
            return _refusal(403, {"message": "Forbidden"})
        if "upgrade" not in request.headers:
            return _refusal(426, {"message": "Upgrade Required: this is for WebSocket clients"})
        if not _can_upgrade(request):
            return _refusal(400, {"message": "Bad Request"})
        return await self._accept(request)

    def sweep(self) -> None:
        """End the connections that have been open, idle or stuck for too long."""
        now = self._clock()
        for connection in list(self._connections.values()):
            connection.expire(now)

    async def _manage(self, request: web.BaseRequest, connection_id: str) -> web.StreamResponse:
        body = await _body(request, self._quotas.websocket_message_bytes + 1)
        answer = self._management.answer(connection_id, _as_it_came(request, body))
        response = _response(answer)
        if not request.content.is_eof() and request.body_exists:
            # A body that was not read to its end would be taken for the next request.
            response.force_close()
        return response

    async def _accept(self, request: web.BaseRequest) -> web.StreamResponse:
        now = self._clock()
        request_id = self._ids()
        connection_id = self._ids()
        told = {"connectionId": connection_id, "requestId": request_id}
        try:
            caller = self._caller(request, now)
        except NotAuthenticatedError as error:
            return _refusal(403, {"message": error.message, **told}, error.error_type)
        identity = Identity(request.remote or "", request.headers.get("user-agent"), caller)
        connection = Connection(connection_id, identity, now, self._quotas)
        if not self._new_connections.take(now, 1) or not self._throttles.passes(CONNECT, now):
            return _refusal(429, {"message": "Too Many Requests", **told})
        protocol: str | None = None
        if CONNECT in self._integrations:
            handshake = Handshake(tuple(request.headers.items()), request.rel_url.raw_query_string)
            event = self._events.connect(connection, request_id, now, handshake)
            answer = await self._integrations[CONNECT].call(event)
            if isinstance(answer, Failure):
                return _refusal(answer.status, {"message": answer.message, **told})
            if not 200 <= answer.status < 300:
                two_way = self._configuration.routes[CONNECT].two_way
                return _response(WireResponse(answer.status, body=answer.body if two_way else b""))
            protocol = answer.headers.get("sec-websocket-protocol")
        if not self._closed:
            return await self._converse(request, connection, protocol)
        return _refusal(503, {"message": "Service Unavailable", **told})

    def _caller(self, request: web.BaseRequest, now: float) -> Mapping[str, str]:
        connect = self._configuration.routes.get(CONNECT)
        if connect is None or connect.demand is None:
            return {}
        return self._callers.identify(_as_it_came(request), connect.demand, now)

    async def _converse(
        self, request: web.BaseRequest, connection: Connection, protocol: str | None
    ) -> web.StreamResponse:
        """Answer the handshake, and stay until the connection ends."""
        socket = web.WebSocketResponse(
            autoclose=False,
            autoping=False,
            compress=False,
            # The guard refuses what is larger; aiohttp would refuse what is as large.
            max_msg_size=self._quotas.websocket_message_bytes + 1,
            protocols=() if protocol is None else (protocol,),
        )
        response: web.StreamResponse = socket
        self._enter(connection)
        try:
            assert isinstance(request.protocol, GuardedProtocol)
            request.protocol.refuse = connection.refuse
            transport = request.transport
            await socket.prepare(request)
            if transport is not None:
                connection.open(transport)
                if self._closed:
                    connection.close(CloseCode.GOING_AWAY, "Going away")
                await self._receive(connection, socket)
        except ConnectionError:
            # The client left while $connect was running; the function believes it is there.
            response = _hung_up()
        finally:
            self._leave(connection)
        return response

    async def _receive(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            now = self._clock()
            match message.type:
                case WSMsgType.TEXT:
                    if connection.hears:
                        self._receive_text(connection, message.data, now)
                case WSMsgType.PING:
                    connection.pong(message.data, now)
                case WSMsgType.PONG:
                    connection.last_active_at = now
                case WSMsgType.CLOSE:
                    code = int(message.data)
                    no_status = code == 0
                    connection.closed_by_client(
                        CloseCode.NO_STATUS if no_status else code, _NO_STATUS if no_status else message.extra or ""
                    )
                    return
                case WSMsgType.ERROR:
                    if isinstance(message.data, WebSocketError):
                        # aiohttp has told the client already.
                        connection.ended(int(message.data.code))
                    return
                case _:
                    return

    def _receive_text(self, connection: Connection, text: str, now: float) -> None:
        connection.last_active_at = now
        request_id = self._ids()
        told = {"connectionId": connection.id, "requestId": request_id}
        route = self._route(text)
        if not self._throttles.passes(DEFAULT if route is None else route.key, now):
            self._tell(connection, {"message": "Too Many Requests", **told}, now)
        elif route is None:
            self._tell(connection, {"message": "Forbidden", **told}, now)
        else:
            event = self._events.message(connection, route.key, request_id, self._ids(), now, text)
            self._start(self._pass_on(connection, route, event, told))

    async def _pass_on(
        self, connection: Connection, route: Route, event: Mapping[str, Any], told: Mapping[str, str]
    ) -> None:
        answer = await self._integrations[route.key].call(event)
        now = self._clock()
        if isinstance(answer, Failure):
            self._tell(connection, {"message": answer.message, **told}, now)
        elif route.two_way and answer.body:
            if len(answer.body) > self._quotas.websocket_message_bytes:
                self._tell(connection, {"message": Failure.FUNCTION_ERROR.message, **told}, now)
            else:
                self._send(connection, answer.body, now)

    def _route(self, text: str) -> Route | None:
        routes = self._configuration.routes
        try:
            key = self._configuration.selection.key(decode_json(text))
        except NotJsonError:
            key = None
        # Nobody may call the routes of the connection itself by a message.
        named = None if key is None or key in PREDEFINED else routes.get(key)
        return named or routes.get(DEFAULT)

    def _tell(self, connection: Connection, error: Mapping[str, str], now: float) -> None:
        self._send(connection, json.dumps(error).encode(), now)

    def _send(self, connection: Connection, text: bytes, now: float) -> None:
        """Send an answer. Whoever does not read those to what it sends is cut off: there is nobody else to tell."""
        try:
            connection.send(text, now)
        except GoneError:
            pass
        except BufferFullError:
            connection.cut_off()

    def _enter(self, connection: Connection) -> None:
        self._connections[connection.id] = connection
        self._nobody.clear()
        self._sweep_later()

    def _leave(self, connection: Connection) -> None:
        del self._connections[connection.id]
        connection.release()
        if not self._connections:
            self._nobody.set()
        if DISCONNECT in self._integrations and not self._closed:
            now = self._clock()
            self._start(self._tell_of_end(self._events.disconnect(connection, self._ids(), now), now))

    async def _tell_of_end(self, event: Mapping[str, Any], now: float) -> None:
        """$disconnect is told once, whatever comes of it (best effort, as on AWS)."""
        if self._throttles.passes(DISCONNECT, now):
            await self._integrations[DISCONNECT].call(event)

    def _sweep_later(self) -> None:
        if self._sweeping is None and self._connections and not self._closed:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweeping = None
        self.sweep()
        self._sweep_later()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 (one message's defect must not stop the others)
            _LOG.exception("a message of the WebSocket API failed")


def _calling(invoke: InvokeFunction, function_arn: str) -> Callable[[bytes], Awaitable[Answer]]:
    return lambda event: invoke(function_arn, event)


def _can_upgrade(request: web.BaseRequest) -> bool:
    asked = request.headers.get("sec-websocket-protocol", "")
    probe = web.WebSocketResponse(protocols=[protocol.strip() for protocol in asked.split(",")])
    return request.method == "GET" and bool(probe.can_prepare(request))


async def _body(request: web.BaseRequest, limit: int) -> bytes:
    """A request's body, or as much of it as shows that it is too large."""
    chunks: list[bytes] = []
    size = 0
    while request.body_exists and size < limit and (chunk := await request.content.readany()):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _as_it_came(request: web.BaseRequest, body: bytes = b"") -> WireRequest:
    """A request as its signature covers it."""
    lines = list(request.headers.items())
    headers: dict[str, str] = {}
    for name, value in lines:
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path, _, query = request.raw_path.partition("?")
    return WireRequest(request.method, path, query, headers, body, lines)


def _refusal(status: int, body: Mapping[str, str], error_type: str | None = None) -> web.Response:
    headers = {"content-type": media_type.JSON}
    if error_type is not None:
        headers["x-amzn-errortype"] = error_type
    return _response(WireResponse(status, headers, json.dumps(body).encode()))


def _response(answer: WireResponse) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _hung_up() -> web.Response:
    """An answer to nobody."""
    response = web.Response(status=400)
    response.force_close()
    return response
