import asyncio
import http.client
import socket
from typing import Any

import pytest

from local.http import Server, listen, serve
from local.wire import WireRequest, WireResponse


class Echo:
    """Answers with what it saw, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[WireRequest] = []

    async def handle(self, request: WireRequest) -> WireResponse:
        self.seen.append(request)
        return WireResponse(200, {"content-type": "text/plain", "x-echo": "yes"}, request.body)


class Broken:
    async def handle(self, request: WireRequest) -> WireResponse:
        raise ValueError("a defect")


def ask(server: Server, method: str, target: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
    """One request by the standard library's client, which changes neither path nor headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, target, **options)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a%2Fb/c%20d?x=%26&y", "/a%2Fb/c%20d", "x=%26&y"),  # escapes belong to whoever routes
        ("/a/../b//c", "/a/../b//c", ""),  # nothing is normalised
        ("/?", "/", ""),  # an empty query
        ("/a?b?c=1", "/a", "b?c=1"),  # only the first question mark divides
        ("http://elsewhere:1/a/b?c", "/a/b", "c"),  # the absolute form of a proxy's client
        ("http://elsewhere", "/", ""),  # with no path at all
    ],
)
async def test_the_target_arrives_as_it_was_sent(target: str, path: str, query: str) -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        await asyncio.to_thread(ask, server, "GET", target)
    finally:
        await server.close()
    assert (echo.seen[0].path, echo.seen[0].query) == (path, query)


async def test_headers_arrive_line_by_line_in_their_case_and_joined_without_it() -> None:
    def talk(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(
                b"GET / HTTP/1.1\r\nHost: h\r\nX-Several: 1\r\nx-sEVERAL: 2\r\nConnection: close\r\n\r\n"
            )
            while connection.recv(4096):
                pass

    echo = Echo()
    server = await serve(echo)
    try:
        await asyncio.to_thread(talk, server.port)
    finally:
        await server.close()
    (seen,) = echo.seen
    assert seen.headers == {"host": "h", "x-several": "1, 2", "connection": "close"}
    assert seen.header_lines == [("Host", "h"), ("X-Several", "1"), ("x-sEVERAL", "2"), ("Connection", "close")]


async def test_an_answer_may_have_several_headers_of_a_name() -> None:
    class Cookies:
        async def handle(self, request: WireRequest) -> WireResponse:
            return WireResponse(200, {"set-cookie": "a=1"}, b"", [("set-cookie", "b=2"), ("set-cookie", "c=3")])

    def cookies(port: int) -> list[str] | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/")
            return connection.getresponse().headers.get_all("set-cookie")
        finally:
            connection.close()

    server = await serve(Cookies())
    try:
        assert await asyncio.to_thread(cookies, server.port) == ["a=1", "b=2", "c=3"]
    finally:
        await server.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH"])
async def test_every_method_reaches_the_service_with_its_body(method: str) -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        status, headers, body = await asyncio.to_thread(ask, server, method, "/", body=bytes(range(256)))
    finally:
        await server.close()
    assert (status, headers["x-echo"], headers["content-length"]) == (200, "yes", "256")
    assert echo.seen[0].body == bytes(range(256))
    assert body == (b"" if method == "HEAD" else bytes(range(256)))


async def test_header_names_are_lower_case_and_repeated_ones_are_joined() -> None:
    echo = Echo()
    server = await serve(echo)
    raw = b"GET / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: A.B\r\nAccept: a\r\naccept: b\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(raw)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    finally:
        await server.close()
    assert echo.seen[0].headers == {"host": "x", "x-amz-target": "A.B", "accept": "a, b"}


async def test_a_connection_serves_one_request_after_another() -> None:
    echo = Echo()
    server = await serve(echo)

    def three() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        statuses = []
        for number in range(3):
            connection.request("POST", "/", body=str(number))
            answer = connection.getresponse()
            answer.read()
            statuses.append((answer.status, connection.sock.getsockname() if connection.sock else None))
        connection.close()
        assert len({address for _, address in statuses}) == 1
        return [status for status, _ in statuses]

    try:
        assert await asyncio.to_thread(three) == [200, 200, 200]
    finally:
        await server.close()


async def test_a_client_that_waits_for_continue_gets_it() -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()
    finally:
        await server.close()
    assert echo.seen[0].body == b"abc"


async def test_a_compressed_body_is_left_alone() -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        await asyncio.to_thread(ask, server, "PUT", "/", body=b"not gzip", headers={"Content-Encoding": "gzip"})
    finally:
        await server.close()
    assert echo.seen[0].body == b"not gzip"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 100, 200),  # at the limit
        (b"x" * 101, 413),  # one over
        (iter([b"x" * 60, b"x" * 60]), 413),  # chunked: no length is announced
        (iter([b"x" * 60, b"x" * 40]), 200),  # chunked, at the limit
        (b"x" * 1_000_000, 413),  # more than a socket's buffer: the client still hears the answer
    ],
)
async def test_a_body_over_the_limit_is_refused_without_asking_the_service(body: Any, status: int) -> None:
    echo = Echo()
    server = await serve(echo, body_limit=100)
    try:
        answer, _, _ = await asyncio.to_thread(ask, server, "POST", "/", body=body)
    finally:
        await server.close()
    assert answer == status
    assert len(echo.seen) == (status == 200)


async def test_a_service_that_raises_is_answered_500_and_serves_on(caplog: pytest.LogCaptureFixture) -> None:
    server = await serve(Broken())
    try:
        first, _, _ = await asyncio.to_thread(ask, server, "GET", "/x")
        second, _, _ = await asyncio.to_thread(ask, server, "GET", "/x")
    finally:
        await server.close()
    assert (first, second) == (500, 500)
    assert "a defect" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        WireResponse(200, {"x": "a\r\nset-cookie: forged=1"}, b""),
        WireResponse(200, {}, b"", [("x", "a\nb")]),
    ],
)
async def test_an_answer_that_would_forge_a_header_is_a_defect(
    answer: WireResponse, caplog: pytest.LogCaptureFixture
) -> None:
    class Forger:
        async def handle(self, request: WireRequest) -> WireResponse:
            return answer

    server = await serve(Forger())
    try:
        status, headers, _ = await asyncio.to_thread(ask, server, "GET", "/")
    finally:
        await server.close()
    assert (status, "set-cookie" in headers) == (500, False)
    assert "line break" in caplog.text


async def test_a_client_of_http_1_0_may_stay() -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(2):
            writer.write(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"\r\nconnection: keep-alive\r\n" in head
            assert await reader.readexactly(2) == b"hi"
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in await reader.read()
        writer.close()
    finally:
        await server.close()
    assert len(echo.seen) == 3


async def test_a_client_that_leaves_in_the_middle_never_was(caplog: pytest.LogCaptureFixture) -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        status, _, _ = await asyncio.to_thread(ask, server, "POST", "/", body=b"whole")
    finally:
        await server.close()
    assert (status, [request.body for request in echo.seen]) == (200, [b"whole"])
    assert not caplog.records


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_the_next_client_served(raw: bytes) -> None:
    echo = Echo()
    server = await serve(echo)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(raw)
        assert b" 400 " in await reader.readline()
        writer.close()
        status, _, _ = await asyncio.to_thread(ask, server, "GET", "/")
    finally:
        await server.close()
    assert (status, len(echo.seen)) == (200, 1)


async def test_a_port_can_be_known_before_the_service_is_there() -> None:
    bound = listen()
    port = bound.getsockname()[1]
    server = await serve(Echo(), socket=bound)
    try:
        assert server.url == f"http://127.0.0.1:{port}"
        status, _, _ = await asyncio.to_thread(ask, server, "GET", "/")
    finally:
        await server.close()
    assert status == 200


async def test_closing_frees_the_port_and_idle_connections() -> None:
    server = await serve(Echo())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await server.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass


async def test_a_port_in_use_is_told() -> None:
    server = await serve(Echo())
    try:
        with pytest.raises(OSError, match="in use"):
            await serve(Echo(), port=server.port)
    finally:
        await server.close()
