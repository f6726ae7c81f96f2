"""A TLS server that does what a test says, byte by byte, and a world in which public addresses lead to it."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType

from consumers.callback_post import dial, trust_in
from pipeline.internet_address import Address
from producers.receiver_certificate import ReceiverCertificate

PUBLIC = ip_address("93.184.216.34")
ALSO_PUBLIC = ip_address("2606:2800:220:1:248:1893:25c8:1946")

Script = Callable[[ssl.SSLSocket, bytes], None]


@dataclass(frozen=True)
class Request:
    """What a client sent: its SNI, and all bytes of the request."""

    sni: str | None
    raw: bytes

    @property
    def head(self) -> list[str]:
        return self.raw.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> list[str]:
        return [line.partition(": ")[2] for line in self.head[1:] if line.lower().startswith(f"{name}: ")]


def answer(raw: bytes) -> Script:
    """Send these bytes and close."""

    def send(connection: ssl.SSLSocket, _request: bytes) -> None:
        connection.sendall(raw)

    return send


def status(line: str, *headers: str) -> Script:
    """An answer without a body."""
    return answer("\r\n".join([f"HTTP/1.1 {line}", *headers, "content-length: 0", "", ""]).encode())


def endless(start: bytes, again: bytes) -> Script:
    """Send a start, and then the same again until the other side has enough."""

    def send(connection: ssl.SSLSocket, _request: bytes) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(again)

    return send


class TlsServer:
    """Answers each connection of 127.0.0.1 by the script, in a thread of its own; `finished` is set at its end.

    What goes wrong on a connection is the client's doing, and is kept in `errors`.
    """

    def __init__(self, certificate: ReceiverCertificate, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.errors: list[Exception] = []
        self.stopping = threading.Event()
        self._sni: str | None = None
        self._context = certificate.server_context()
        self._context.sni_callback = self._keep_sni
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "TlsServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        # What wakes accept() for certain is a connection.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listening.close()

    def _keep_sni(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self._sni = name

    def _serve(self) -> None:
        while True:
            plain, _ = self._listening.accept()
            if self.stopping.is_set():
                plain.close()
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    raw = _read_request(connection)
                    self.requests.append(Request(self._sni, raw))
                    self.script(connection, raw)
            except (OSError, EOFError) as error:
                self.errors.append(error)


def _read_request(connection: ssl.SSLSocket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = connection.recv(65_536)
        if not more:
            raise EOFError
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        more = connection.recv(65_536)
        if not more:
            raise EOFError
        body += more
    return head + b"\r\n\r\n" + body


@dataclass
class World:
    """A network in which every public address is the server's, and which remembers who was looked up and dialled.

    An address in `dead` refuses. Names resolve to `answers`, one list after the other, the last of which stays.
    """

    port: int
    answers: list[Sequence[Address]] = field(default_factory=lambda: [[PUBLIC]])
    dead: set[Address] = field(default_factory=set)
    looked_up: list[str] = field(default_factory=list)
    dialled: list[tuple[Address, int]] = field(default_factory=list)

    def resolve(self, name: str, timeout_s: float) -> Sequence[Address]:
        self.looked_up.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def connect(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        self.dialled.append((address, port))
        if address in self.dead:
            raise ConnectionRefusedError(111, "Connection refused")
        return dial(ip_address("127.0.0.1"), self.port, timeout_s)


@contextlib.contextmanager
def serving(certificate: ReceiverCertificate, script: Script) -> Iterator[tuple[TlsServer, World]]:
    """A server and the world around it."""
    with TlsServer(certificate, script) as server:
        yield server, World(server.port)


def trusting(certificate: ReceiverCertificate) -> ssl.SSLContext:
    """A client that takes the certificate for a public one."""
    return trust_in(certificate.certificate)
