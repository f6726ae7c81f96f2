"""The server that carries every wire protocol, beside clients that send what no client should, or nothing at all.

Whatever they do, a client that behaves is answered, and the service hears of no request that was not made whole. The
port of the WebSockets has the same in tests/websocket/test_hostile.py.
"""

import asyncio
import contextlib
import http.client
import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import uvloop

from local.http import Server, serve
from local.wire import WireRequest, WireResponse

# For a broken build; a sound one takes as long as it takes.
WITHIN_S = 30
# What the impatient server gives a request. Nothing waits for it but what is to be closed by it.
PATIENCE_S = 0.2
KIB = 1024


@dataclass
class Service:
    """Answers with the body, once it is let; remembers what it was asked."""

    seen: list[WireRequest] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def handle(self, request: WireRequest) -> WireResponse:
        self.seen.append(request)
        if request.path == "/held" and self.gate is not None:
            await self.gate.wait()
        return WireResponse(200, {"content-type": "text/plain"}, request.body)

    def of_others(self) -> list[WireRequest]:
        """What was asked by others than the client that behaves."""
        return [request for request in self.seen if request.path != "/well"]


class Served:
    """A server on the event loop that `forebay local` has, in a thread of its own."""

    def __init__(self, **patience: float) -> None:
        self.service = Service()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="server")
        self._thread.start()
        self._server: Server = asyncio.run_coroutine_threadsafe(serve(self.service, **patience), self.loop).result()
        self.port = self._server.port
        self._well = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S)

    def answers_the_well_behaved(self) -> None:
        """On a connection that it has had all the time, and on a new one."""
        another = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
        try:
            for connection in (self._well, another):
                connection.request("POST", "/well", body=b"photo")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"photo")
        finally:
            another.close()

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the server's thread."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(WITHIN_S)

    def close(self) -> None:
        self._well.close()
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(WITHIN_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        await self._server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@pytest.fixture(scope="module")
def patient() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


@pytest.fixture(scope="module")
def impatient_of_idleness() -> Iterator[Served]:
    served = Served(idle_s=PATIENCE_S)
    yield served
    served.close()


@pytest.fixture(scope="module")
def impatient_of_bodies() -> Iterator[Served]:
    served = Served(body_s=PATIENCE_S)
    yield served
    served.close()


@pytest.fixture
def server(patient: Served) -> Served:
    patient.service.seen.clear()
    return patient


@pytest.fixture
def let_go(server: Served) -> Iterator[Callable[[], None]]:
    """Requests of /held wait until this is called."""
    gate = server.service.gate = asyncio.Event()

    def let_go() -> None:
        server.call(gate.set)

    yield let_go
    let_go()


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(64 * KIB):
            received += chunk
    return bytes(received)


def statuses(received: bytes) -> list[int]:
    """Of each answer, that of its status line; no body here has anything like one."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /lie HTTP/1.1\r\nHost: h\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
GARBAGE = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), "TLS"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
    (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH"),
    (b"*1\r\n$4\r\nPING\r\n", "Redis"),
    (b"\x00" * 4 * KIB, "zeros"),
    (bytes(range(256)) * 64, "every byte"),
    (b"{}\r\n\r\n", "a body alone"),
    (b"GET\r\n\r\n", "a verb alone"),
    (b"GET / HTTP/9.9\r\n\r\n", "a version to come"),
    (b"GET / HTTP/2.0\r\n\r\n", "a version of another form"),
    (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", "a version that was"),
    (b"GET /\r\nHost: h\r\n\r\n", "no version at all"),
    (b"POST /a!HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "a version that is part of the path"),
    (b"GET / \r\n\r\n", "half a version"),
    (b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n", "a zero in the path"),
    (b"G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n", "a zero in the verb"),
    (b"x" * 64 * KIB, "a request line without an end"),
    (b"GET /" + b"x" * 32 * KIB + b" HTTP/1.1\r\nHost: h\r\n\r\n", "a path of 32 KiB"),
    (GET + b"X: " + b"x" * 64 * KIB + b"\r\n\r\n", "a header of 64 KiB"),
    (GET + b"X: x\r\n" * 5_000 + b"\r\n", "5,000 headers"),
    (GET + b"X" * 64 * KIB, "a header's name without an end"),
    (GET + b"no colon\r\n\r\n", "a header without a colon"),
    (GET + b": x\r\n\r\n", "a header without a name"),
    (GET + b"X : x\r\n\r\n", "a blank before the colon"),
    (GET + b"X: a\x00b\r\n\r\n", "a zero in a header"),
    (GET + b"X: a\rb\r\n\r\n", "a return in a header"),
    (GET + b"X\xff: a\r\n\r\n", "a header's name in Latin-1"),
    (GET + b"X: a\r\n folded\r\n\r\n", "a folded header"),
]
# None of them may be taken for two requests, or for another one than every other server would take it for.
LIES = [
    (POST + b"Content-Length: -1\r\n\r\n", "a negative length"),
    (POST + b"Content-Length: +3\r\n\r\nabc", "a length with a sign"),
    (POST + b"Content-Length: 0x3\r\n\r\nabc", "a length in hex"),
    (POST + b"Content-Length: 1_0\r\n\r\n0123456789", "a length as Python reads it"),
    (POST + b"Content-Length: 3 3\r\n\r\nabc", "a length with a blank"),
    (POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n", "a length of 400 digits"),
    (POST + b"Content-Length: 3\r\nContent-Length: 38\r\n\r\nabc" + SMUGGLED, "two lengths"),
    (POST + b"Content-Length: 3, 38\r\n\r\nabc" + SMUGGLED, "two lengths in a line"),
    (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, "a length and chunks"),
    (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, "chunks and a length"),
    (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, "an encoding that is none"),
    (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, "chunks that are not the last"),
    (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, "a blank before the colon"),
    (POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, "a tab that goes down"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", "a chunk's size that is no number"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", "a negative chunk"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 17 + b"\r\nabc", "a chunk of 2^68 bytes"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n", "a chunk that is longer than it says"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc0\r\n\r\n", "a chunk without its end"),
]


@pytest.mark.parametrize(("sent", "why"), GARBAGE, ids=[why for _, why in GARBAGE])
def test_garbage_is_refused_or_ignored_and_asks_the_service_nothing(server: Served, sent: bytes, why: str) -> None:
    with server.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        answered = statuses(until_closed(connection))
        server.answers_the_well_behaved()
    assert answered in ([], [400], [505]), why
    assert server.service.of_others() == [], why


def test_what_is_refused_is_not_logged_for_it_may_be_endless_and_have_secrets_in_it(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as connection:
        connection.sendall(GET + b"Authorization: secret\x00\r\n\r\n")
        assert statuses(until_closed(connection)) == [400]
    server.answers_the_well_behaved()
    assert not caplog.records


@pytest.mark.parametrize(
    ("headers", "status", "why"),
    [
        (b"Origin: https://evil.example\r\n", 403, "a form or a fetch of another site"),
        (b"Origin: null\r\n", 403, "a sandboxed frame"),
        (b"Sec-Fetch-Site: cross-site\r\n", 403, "a picture or a link of another site"),
        (b"Sec-Fetch-Site: same-site\r\n", 403, "a page of another port of this machine"),
        (b"Sec-Fetch-Site: none\r\n", 200, "the user, who has typed the address"),
        (b"", 200, "no browser"),
    ],
)
def test_no_page_in_a_browser_calls_a_service_of_this_machine(
    server: Served, headers: bytes, status: int, why: str
) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /?Action=PurgeQueue HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers + b"\r\n")
        assert statuses(until_closed(connection)) == [status], why
    assert len(server.service.of_others()) == (status == 200)


@pytest.mark.parametrize(("sent", "why"), LIES, ids=[why for _, why in LIES])
def test_a_request_whose_end_is_doubtful_is_refused_whole(server: Served, sent: bytes, why: str) -> None:
    with server.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        # The connection ends with the refusal, so that nothing behind it is read.
        answered = statuses(until_closed(connection))
        server.answers_the_well_behaved()
    assert answered == [400], why
    assert server.service.of_others() == [], why


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (POST + b"Content-Length: 10\r\n\r\nabc", "a body shorter than its length"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nA\r\nabc", "a chunk shorter than its size"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "no last chunk"),
        (POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", "a body that was announced and does not come"),
        (POST[:20], "half a request line"),
        (POST + b"X: ", "half a header"),
    ],
)
@pytest.mark.parametrize("gently", [True, False], ids=["closed", "reset"])
def test_a_request_that_is_broken_off_never_was(server: Served, sent: bytes, why: str, gently: bool) -> None:
    connection = server.connect()
    connection.sendall(sent)
    if not gently:
        # No time to linger: the kernel resets the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
    server.answers_the_well_behaved()
    assert server.service.of_others() == [], why


def test_who_asks_whether_to_go_on_and_leaves_is_told_so_by_nobody(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        with server.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            connection.sendall(POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
    server.answers_the_well_behaved()
    assert server.service.of_others() == []
    assert not caplog.records


@pytest.mark.parametrize(
    ("behind", "heard", "why"),
    [
        (b"", ["/held"], "it is noticed while the service is at work"),
        (GET + b"\r\n" + POST + b"Content-Length: 9\r\n\r\nhalf", ["/held", "/"], "it is noticed once all is answered"),
    ],
)
def test_who_has_said_all_and_still_listens_hears_every_answer(
    server: Served, let_go: Callable[[], None], behind: bytes, heard: list[str], why: str
) -> None:
    """A client that has shut its side down (netcat, say) is no client that has left."""
    with server.connect() as connection:
        connection.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n" + behind)
        connection.shutdown(socket.SHUT_WR)
        server.answers_the_well_behaved()
        let_go()
        assert statuses(until_closed(connection)) == [200] * len(heard), why
    assert [request.path for request in server.service.of_others()] == heard, why


def test_a_client_is_told_to_go_on_when_its_turn_has_come(server: Served, let_go: Callable[[], None]) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n" + POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        server.answers_the_well_behaved()
        let_go()
        received = b""
        while b"100 Continue\r\n\r\n" not in received:
            received += connection.recv(64 * KIB)
        assert statuses(received) == [200, 100]
        connection.sendall(b"body")
        connection.shutdown(socket.SHUT_WR)
        assert until_closed(connection).endswith(b"\r\n\r\nbody")


def test_a_body_longer_than_its_length_is_never_taken_for_longer(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 3\r\n\r\nabcdef\r\n\r\n")
        answered = statuses(until_closed(connection))
    server.answers_the_well_behaved()
    heard = [request.body for request in server.service.of_others()]
    # If the garbage comes with the request, it is refused with it.
    assert (answered, heard) in (([400], []), ([200, 400], [b"abc"]))


def test_a_body_over_the_limit_is_refused_before_it_is_read(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 99999999999\r\n\r\n")
        # It does not wait for the rest; neither does this client.
        assert connection.recv(64 * KIB).startswith(b"HTTP/1.1 413 ")
    server.answers_the_well_behaved()
    assert server.service.of_others() == []


def test_pipelined_requests_are_answered_in_their_order(server: Served) -> None:
    count = 1_000
    requests = b"".join(
        b"PUT /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%04d" % (at, at) for at in range(count)
    )
    with server.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(requests + GET + b"Connection: close\r\n\r\n",))
        sender.start()
        received = until_closed(connection)
        sender.join()
    assert statuses(received) == [200] * (count + 1)
    assert [request.path for request in server.service.of_others()] == [*(f"/{at}" for at in range(count)), "/"]
    bodies = [part[-4:] for part in received.split(b"HTTP/1.1 ")[1:-1]]
    assert bodies == [b"%04d" % at for at in range(count)]


def test_who_pipelines_and_does_not_read_is_read_from_no_more(server: Served) -> None:
    """The server's memory is bounded by the kernel's buffers and a queue, whatever is sent."""
    request = POST + b"Content-Length: 65536\r\n\r\n" + bytes(64 * KIB)
    with server.connect() as connection:
        connection.settimeout(0)
        sent = stuck = 0
        while stuck < 50 and sent < 256 * KIB * KIB:
            try:
                sent += connection.send(request[sent % len(request) :])
                stuck = 0
            except BlockingIOError:
                stuck += 1
                server.answers_the_well_behaved()
        assert stuck == 50, "256 MiB were taken from a client that reads no answer"
    server.answers_the_well_behaved()


def test_a_client_that_leaves_while_it_is_worked_for_costs_an_answer(
    server: Served, let_go: Callable[[], None]
) -> None:
    connections = [server.connect() for _ in range(20)]
    for connection in connections:
        connection.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
    server.answers_the_well_behaved()
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()
    server.answers_the_well_behaved()
    let_go()
    server.answers_the_well_behaved()


def test_a_thousand_idle_connections_wait_for_nobody_and_each_still_serves(server: Served) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(1_000)]
        server.answers_the_well_behaved()
        for connection in idle[::100]:
            connection.sendall(GET + b"Connection: close\r\n\r\n")
            assert statuses(until_closed(connection)) == [200]
    server.answers_the_well_behaved()


def test_a_thousand_half_sent_requests_hold_nobody_up(server: Served) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(1_000)]
        for byte in GET[:5]:
            for connection in slow:
                connection.sendall(bytes((byte,)))
            server.answers_the_well_behaved()
        for connection in slow[::100]:
            connection.sendall(GET[5:] + b"Connection: close\r\n\r\n")
            assert statuses(until_closed(connection)) == [200]
    assert len(server.service.of_others()) == 10


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "it says nothing"),
        (b"G", "a slow loris: a byte now and then"),
        (GET + b"X: ", "headers without an end"),
    ],
)
def test_who_keeps_the_server_waiting_for_a_request_is_let_go(
    impatient_of_idleness: Served, sent: bytes, why: str
) -> None:
    with impatient_of_idleness.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        assert until_closed(connection) == b"", why
    assert impatient_of_idleness.service.of_others() == []


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (POST + b"Content-Length: 10\r\n\r\nabc", "a body that does not come"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "chunks without an end"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3;" + b"x" * 128 * KIB, "an extension without an end"),
    ],
)
def test_who_keeps_the_server_waiting_for_a_body_is_told_and_let_go(
    impatient_of_bodies: Served, sent: bytes, why: str
) -> None:
    with impatient_of_bodies.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        assert statuses(until_closed(connection)) == [408], why
    assert impatient_of_bodies.service.of_others() == []


def test_who_does_not_read_its_answers_is_let_go(impatient_of_idleness: Served) -> None:
    request = POST + b"Content-Length: 1048576\r\n\r\n" + bytes(1024 * KIB)
    # The kernel's buffers, of either side, take some of it before it waits.
    with (
        impatient_of_idleness.connect() as connection,
        pytest.raises((BrokenPipeError, ConnectionResetError)),
    ):
        connection.sendall(request * 64)
    impatient_of_idleness.service.seen.clear()


def test_closing_waits_for_the_service_and_not_for_the_clients() -> None:
    served = Served()
    gate = served.service.gate = asyncio.Event()
    with served.connect() as working, served.connect() as half_sent, served.connect():
        working.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n" + GET + b"\r\n")
        half_sent.sendall(POST + b"Content-Length: 10\r\n\r\nabc")
        served.answers_the_well_behaved()
        closing = threading.Thread(target=served.close)
        closing.start()
        assert until_closed(half_sent) == b""
        served.loop.call_soon_threadsafe(gate.set)
        assert statuses(until_closed(working)) == [200, 200]
        closing.join(WITHIN_S)
    assert not closing.is_alive()


def test_forebay_local_allows_itself_more_connections_than_a_shell_does() -> None:
    code = (
        "import resource; from local.open_files import allow_more_open_files\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "print(allow_more_open_files(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "print(allow_more_open_files())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    expected = min(10_240, hard) if hard != resource.RLIM_INFINITY else 10_240

    assert done.stdout.split() == [str(expected), str(expected), "256"]
