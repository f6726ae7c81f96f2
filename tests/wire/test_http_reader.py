"""The reader of requests, without a socket: the same requests however their bytes come, and none that is doubtful."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.http_reader import CLOSE, Received, Refusal, RequestReader
from local.wire import WireRequest

LIMIT = 1_000
KIB = 1024
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: h\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def reader(*, pages: bool = True) -> RequestReader:
    return RequestReader(body_limit=LIMIT, pages=pages)


def read(*parts: bytes, pages: bool = True) -> list[WireRequest | int]:
    """The requests, or the status of what is refused."""
    reading = reader(pages=pages)
    for part in parts:
        reading.feed(part)
    return [each.request if isinstance(each, Received) else each.status for each in reading.whole]


def bodies(*parts: bytes) -> list[bytes | int]:
    return [each if isinstance(each, int) else each.body for each in read(*parts)]


STREAM = (
    b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-Padded: \t v \t\r\n\r\n"
    + b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nwhole"
    + b"\r\nPUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: t\r\n\r\n"
    + b"POST /d HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
    + b"HEAD http://elsewhere:1/e HTTP/1.1\r\nHost: \xc3\xa9\xff\r\nConnection: close\r\n\r\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_requests_are_the_same_wherever_their_bytes_are_cut(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(STREAM)]
    seen = read(*(STREAM[start:stop] for start, stop in pairwise(bounds)))

    assert seen == read(STREAM)
    first, second, third, fourth, fifth = seen
    assert isinstance(first, WireRequest)
    assert (first.method, first.path, first.query, first.body) == ("GET", "/a", "b=c", b"")
    assert first.headers == {"host": "h", "x-empty": "", "x-padded": "v"}
    assert first.header_lines == [("Host", "h"), ("X-Empty", ""), ("X-Padded", "v")]
    assert isinstance(second, WireRequest)
    assert (second.method, second.body) == ("POST", b"whole")
    assert isinstance(third, WireRequest)
    assert (third.body, "x-late" in third.headers) == (b"abcde", False)
    assert isinstance(fourth, WireRequest)
    assert (fourth.method, fourth.path, fourth.body) == ("POST", "/d", b"abc")
    assert isinstance(fifth, WireRequest)
    assert (fifth.path, fifth.headers["host"]) == ("/e", "\xe9\udcff")


@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_a_request_or_refused_once_and_at_the_end(changes: list[tuple[int, bytes]]) -> None:
    stream = bytearray(STREAM)
    for at, patch in changes:
        stream[at : at + 1] = patch
    seen = read(bytes(stream), SMUGGLED)
    assert sum(isinstance(each, int) for each in seen[:-1]) == 0


def test_a_byte_at_a_time_is_as_good() -> None:
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == read(STREAM)


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "HTTP/1.1 says whom it asks (RFC 9112, 3.2)"),
        (GET + b"Host: g\r\n\r\n", 400, "two whom it asks"),
        (POST + b"Content-Type: a\r\nContent-Type: b\r\n\r\n", 400, "a body that is two things"),
        (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "* is for OPTIONS alone"),
        (b"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "an absolute form without an authority"),
        (b"GET /" + b"x" * 16 * KIB + b" HTTP/1.1\r\nHost: h\r\n\r\n", 400, "a target that is too long"),
        (GET + b"X: " + b"x" * (16 * KIB + 1) + b"\r\n\r\n", 400, "a header that is"),
        (GET + b"X" * (16 * KIB + 1) + b": x\r\n\r\n", 400, "a header's name that is"),
        (GET + b"X: x\r\n" * 128 + b"\r\n", 400, "more than 128 headers"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "another version"),
        (POST + b"Content-Length: 1001\r\n\r\n", 413, "a body over the limit, before it comes"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1_001, 413, "one in chunks, once it has"),
    ],
)
def test_what_llhttp_takes_and_this_server_does_not(sent: bytes, status: int, why: str) -> None:
    assert read(sent, SMUGGLED) == [status], why


@pytest.mark.parametrize(
    ("request_line", "path", "query", "why"),
    [
        (b"GET http://h:1/a/b?c", "/a/b", "c", "the absolute form"),
        (b"GET https://h", "/", "", "with no path"),
        (b"GET http://h?c=d", "/", "c=d", "with a query alone"),
        (b"OPTIONS *", "/", "", "of the server as such"),
        (b"GET /a//../b%2f?", "/a//../b%2f", "", "nothing is normalised"),
    ],
)
def test_the_forms_of_a_target(request_line: bytes, path: str, query: str, why: str) -> None:
    (request,) = read(request_line + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert isinstance(request, WireRequest)
    assert (request.path, request.query) == (path, query), why


@pytest.mark.parametrize(
    ("framing", "body", "why"),
    [
        (b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, SMUGGLED, "a length"),
        (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n", SMUGGLED, "chunks"),
        (b"Content-Length: 0\r\n\r\n", b"", "no body, by its length"),
        (b"\r\n", b"", "no body"),
    ],
)
def test_a_wish_for_another_protocol_is_ignored_and_its_body_is_a_body(framing: bytes, body: bytes, why: str) -> None:
    wish = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n" + framing
    assert bodies(wish + POST + b"Content-Length: 4\r\n\r\nnext") == [body, b"next"], why
    assert bodies(wish * 3) == [body] * 3, why


def test_a_wish_of_who_closes_is_the_last_request() -> None:
    wish = POST + b"Connection: close, upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
    assert bodies(wish + SMUGGLED) == [b"abc"]


def test_a_tunnel_is_not_dug_and_what_was_to_go_through_it_is_no_request() -> None:
    assert len(read(b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED, SMUGGLED)) == 1


@pytest.mark.parametrize(
    ("head", "connection", "why"),
    [
        (GET + b"\r\n", "", "HTTP/1.1 stays unless it says otherwise"),
        (GET + b"Connection: close\r\n\r\n", CLOSE, "it does"),
        (b"GET / HTTP/1.0\r\n\r\n", CLOSE, "HTTP/1.0 closes unless it says otherwise"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "connection: keep-alive\r\n", "it does, and is told"),
    ],
)
def test_what_becomes_of_the_connection(head: bytes, connection: str, why: str) -> None:
    reading = reader()
    reading.feed(head)
    (received,) = reading.whole
    assert isinstance(received, Received)
    assert (received.connection, reading.ended) == (connection, connection == CLOSE), why
    reading.feed(SMUGGLED)
    assert len(reading.whole) == (1 if connection == CLOSE else 2), why


@pytest.mark.parametrize(
    ("start", "filler", "why"),
    [
        (b"GET /", b"x", "a target"),
        (GET, b"X", "a header's name"),
        (GET + b"X: ", b"x", "a header"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x", "a chunk's extension"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x", "a trailer"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n", "trailers"),
        (b"", b"\r\n", "empty lines before a request"),
    ],
)
def test_what_has_no_end_is_refused_before_it_takes_the_memory(start: bytes, filler: bytes, why: str) -> None:
    reading = reader()
    reading.feed(start)
    fed = 0
    while not reading.whole and fed < 1_024 * KIB:
        reading.feed(filler * 1_000)
        fed += 1_000
    (refusal,) = reading.whole
    assert isinstance(refusal, Refusal), why
    assert refusal.status == 400, why
    assert reading.ended, why


def test_a_large_body_is_as_far_from_the_end_as_its_length_says() -> None:
    reading = RequestReader(body_limit=2_000 * KIB, pages=True)
    reading.feed(POST + b"Content-Length: 1024000\r\n\r\n")
    for _ in range(1_000):
        assert (len(reading.whole), reading.in_body) == (0, True)
        reading.feed(bytes(KIB))
    (received,) = reading.whole
    assert isinstance(received, Received)
    assert (received.request.body, reading.in_body) == (bytes(1_024_000), False)
