"""Connections to one server, for requests that are all but alike: their head is written once, and of an answer only
status and body are kept. It is parsed by llhttp, which geventhttpclient brings.

geventhttpclient's own client writes each head anew and makes objects of each header. That was most of what a request
cost, and what a request costs decides how many a second one core sends on time (docs/performance.md).
"""

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import gevent
import gevent.socket
import gevent.ssl
from gevent import monkey
from gevent.lock import BoundedSemaphore
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser
from requests.utils import DEFAULT_CA_BUNDLE_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

# Locust patches `select`. This one is asked about this moment only, and never waits.
_poll = monkey.get_original("select", "poll")
_POLLIN: Final = 1
_READ_BYTES: Final = 65_536
# Of an answer's body. An id or an error stands in its first bytes; what follows is counted, and forgotten.
_KEPT_BYTES: Final = 65_536
# An API's addresses change while a load runs; to ask for them with each connection would hold up the load.
_ADDRESSES_S: Final = 30.0
_FIRST_FINAL_STATUS: Final = 200


class Reply(NamedTuple):
    """What came back: the status, the beginning of the body, and how long all of the body was."""

    status: int
    body: bytes
    length: int


class _Answer(HTTPResponseParser):
    """The answer to the last request of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Another request is being sent."""
        self.status = 0
        self.body = b""
        self.length = 0
        self.ended = False
        self.keeps_alive = False

    def _on_status(self, reason: str) -> None:
        """The parser tells of all that it meets; the code is asked for in the end."""

    def _on_header_field(self, name: str) -> None:
        """Not kept: what the answer's end hangs on, the parser sees itself."""

    def _on_header_value(self, value: str) -> None:
        """Not kept."""

    def _on_headers_complete(self) -> None:
        """A body may follow."""

    def _on_message_begin(self) -> None:
        if self.ended:
            # A second answer to one request: nobody could tell whose the next one is.
            self.keeps_alive = False

    def _on_body(self, part: bytearray) -> None:
        if self.ended:
            return
        self.length += len(part)
        if len(self.body) < _KEPT_BYTES:
            self.body = self.body + part[: _KEPT_BYTES - len(self.body)] if self.body else bytes(part)

    def _on_message_complete(self) -> None:
        status = self.get_code()
        if status >= _FIRST_FINAL_STATUS and not self.ended:
            # Asked here, for the parser forgets it once this has returned.
            self.status, self.ended, self.keeps_alive = status, True, bool(self.should_keep_alive())


class _Connection:
    """One socket, and how far its answer has come."""

    __slots__ = ("_poll", "_socket", "_timeout_s", "answer")

    def __init__(self, connected: "gevent.socket.socket", timeout_s: float) -> None:
        self._socket = connected
        self._timeout_s = timeout_s
        self.answer = _Answer()
        self._poll = _poll()
        self._poll.register(connected.fileno(), _POLLIN)

    @property
    def is_alive(self) -> bool:
        """Whether it may take a request. A server that was asked nothing has nothing to say but that it closes."""
        return not self._poll.poll(0)

    def exchange(self, request: bytes) -> None:
        """Send a request, and read until its answer has ended."""
        self.answer.begin()
        try:
            self._send(request)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses a request may have answered, and closed, before it had read all of it.
            with contextlib.suppress(OSError, HTTPParseError):
                self._read()
            if not self.answer.ended:
                raise
            self.answer.keeps_alive = False
        else:
            self._read()

    def close(self) -> None:
        self._socket.close()

    def _send(self, request: bytes) -> None:
        sent = self._socket.send(request)
        if sent < len(request):
            self._socket.sendall(memoryview(request)[sent:])

    def _read(self) -> None:
        answer, receive = self.answer, self._socket.recv
        until = time.monotonic() + self._timeout_s
        while not answer.ended:
            part = receive(_READ_BYTES)
            if part:
                answer.feed(part)
                if not answer.ended:
                    if time.monotonic() > until:
                        raise TimeoutError(
                            f"the answer has no end: {answer.length:,} bytes of it came in {self._timeout_s:g} s"
                        )
                    # While there is something to read gevent reads on, and neither the load nor a Ctrl-C had a turn.
                    gevent.sleep(0)
                continue
            # The end of the connection is that of an answer which has no other.
            with contextlib.suppress(HTTPParseError):
                answer.feed(part)
            if not answer.ended:
                raise HTTPParseError("the server closed the connection before its answer was whole")


class Connections:
    """POSTs to one URL. There are as many connections as requests wait at once; what was used last is used next.

    `headers` go with every request. `timeout_s` is that of connecting, of each wait for the server after that, and
    of all of an answer.
    """

    def __init__(self, url: str, headers: "Mapping[str, str]", *, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._tls = _tls() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (80 if self._tls is None else 443)
        self._timeout_s = timeout_s
        self._idle: list[_Connection] = []
        self._closed = False
        self._made = 0
        self._addresses: list[tuple[Any, ...]] = []
        self._addresses_until = 0.0
        self._resolving = BoundedSemaphore(1)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = {"Host": parts.netloc.rpartition("@")[2], **headers}
        head = "".join((f"POST {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in lines.items())))
        self._head = head.encode("latin-1")

    def post(self, body: bytes, further: bytes = b"") -> Reply:
        """Send one request and wait for its answer. `further` are header lines of its own, each whole.

        It is sent once, whatever becomes of it.

        Raises:
            OSError: there is no connection, it broke, or the server took too long.
            HTTPParseError: the answer is none of HTTP, or breaks off.
        """
        connection = self._take()
        kept = False
        try:
            connection.exchange(b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, further, len(body), body))
            answer = connection.answer
            kept = answer.keeps_alive and not self._closed
            return Reply(answer.status, answer.body, answer.length)
        finally:
            if kept:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is at work as soon as it has its answer."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive:
                return connection
            connection.close()
        return self._connect()

    def _connect(self) -> _Connection:
        addresses = self._resolve()
        self._made += 1
        failure: OSError | None = None
        # Each connection begins with another address, so that all of a server's have their part of the load.
        for turn in range(len(addresses)):
            family, kind, protocol, _, address = addresses[(self._made + turn) % len(addresses)]
            connected = gevent.socket.socket(family, kind, protocol)
            try:
                connected.settimeout(self._timeout_s)
                connected.connect(address)
                # A request leaves at once, not when the part before it has been acknowledged.
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    connected = self._tls.wrap_socket(connected, server_hostname=self._host)
            except OSError as error:
                connected.close()
                failure = error
            except BaseException:
                connected.close()
                raise
            else:
                return _Connection(connected, self._timeout_s)
        raise failure or OSError(f"{self._host} has no address")

    def _resolve(self) -> list[tuple[Any, ...]]:
        with self._resolving:
            if time.monotonic() >= self._addresses_until:
                self._addresses = gevent.socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                self._addresses_until = time.monotonic() + _ADDRESSES_S
            return self._addresses


def _tls() -> "gevent.ssl.SSLContext":
    # Its default is to want a certificate, and one of the server's name.
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if not context.cert_store_stats()["x509_ca"]:
        # A system without certificates of its own, or with a folder of them, which is not read before it is needed.
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context
