"""Reads requests from the bytes of a connection, by httptools (llhttp), which is strict about where a request ends.

What llhttp leaves to others is refused here: heads without a bound, two of a header that there may be one of, a target
that is none, a body over the limit. It also leaves the body of a request unread that would like another protocol. No
protocol is changed here (RFC 9110, 7.8: a server may ignore such a wish), so that body is read like any other.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httptools

from local.wire import WireRequest

# A line of a head, and how many of them. API Gateway takes 10,240 bytes in all.
_LINE_BYTES: Final = 16 * 1024
_HEADERS: Final = 128
# What may come without bringing a request forward: a head that has no end, extensions of chunks, trailers.
_LOOSE_BYTES: Final = 256 * 1024
# With two of them, two servers would read two different requests.
_SINGLE: Final = frozenset(
    ("content-length", "content-type", "host", "max-forwards", "transfer-encoding", "user-agent")
)
# The absolute form, as a client sends it to a proxy: scheme://authority, and what is behind it.
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+(.*)", re.S)

CLOSE: Final = "connection: close\r\n"
_KEEP_ALIVE: Final = "connection: keep-alive\r\n"


class Refusal(Exception):  # noqa: N818 (an answer, which is raised where it is known)
    """What is answered without asking the service. Nothing is read after it: where the request ends is not known."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class Received:
    """A whole request. `connection` is the answer's line about what becomes of the connection; mostly there is none."""

    request: WireRequest
    connection: str


class RequestReader:
    """Bytes in, whole requests out, in their order; after a refusal or a request that closes, nothing more.

    Args:
        body_limit: the most bytes of a body.
        pages: whether pages in a browser may ask.
    """

    def __init__(self, *, body_limit: int, pages: bool) -> None:
        self.whole: deque[Received | Refusal] = deque()
        """What was read and is to be answered; for the connection to take from."""
        self.ended = False
        """Whether nothing more is read."""
        self.in_body = False
        """Whether a head was read whose body is not whole."""
        self.wants_continue = False
        """Whether that body comes only once its client is told to go on."""
        self._body_limit = body_limit
        self._pages = pages
        self._parser = httptools.HttpRequestParser(self)
        self._loose = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._lines: list[tuple[str, str]] = []
        self._method = ""
        self._connection = ""
        self._left_body = False
        self._body: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Read what has come."""
        if self.ended:
            return
        self._loose += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, Refusal):
                raise
            self.refuse(error.__context__)
        except httptools.HttpParserError:
            # What follows the last request of a connection is none, whatever it is.
            if not self.ended:
                self.refuse(Refusal(400, "Bad Request"))
        if self._loose > _LOOSE_BYTES and not self.ended:
            self.refuse(Refusal(400, "Bad Request"))

    def refuse(self, refusal: Refusal) -> None:
        """Have this answered in place of what is not whole, and read nothing more."""
        self.whole.append(refusal)
        self.end()

    def end(self) -> None:
        """Read nothing more. What is not whole never was."""
        self.ended = True
        self.in_body = False

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
            else:
                return
            if self.ended:
                return
            if self._left_body:
                self._left_body = False
                self._go_on_with_the_body()

    def _go_on_with_the_body(self) -> None:
        """Have another parser read the body that the first has left, told of no more than where it ends."""
        headers = self._headers
        name = "transfer-encoding" if "transfer-encoding" in headers else "content-length"
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(f"POST / HTTP/1.1\r\n{self._connection}{name}: {headers[name]}\r\n\r\n".encode())

    # What httptools calls. Of the head that another parser is told, and of trailers, nothing is wanted.

    def on_url(self, part: bytes) -> None:  # noqa: D102
        if self.in_body:
            return
        self._target += part
        if len(self._target) > _LINE_BYTES:
            raise Refusal(400, "Bad Request")

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        if self.in_body:
            return
        if len(self._lines) == _HEADERS or len(name) > _LINE_BYTES or len(value) > _LINE_BYTES:
            raise Refusal(400, "Bad Request")
        written, text = name.decode("ascii"), value.decode("utf-8", "surrogateescape").rstrip(" \t")
        self._lines.append((written, text))
        lower = written.lower()
        headers = self._headers
        if lower in headers:
            if lower in _SINGLE:
                raise Refusal(400, "Bad Request")
            text = f"{headers[lower]}, {text}"
        headers[lower] = text

    def on_headers_complete(self) -> None:  # noqa: D102
        if self.in_body:
            return
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            # Of HTTP/0.9 a line is a whole request, whatever it was meant to be.
            raise Refusal(505, "HTTP Version Not Supported")
        if version == "1.1" and "host" not in headers:
            raise Refusal(400, "Bad Request")
        if not self._pages and _is_from_a_page(headers):
            raise Refusal(403, "A page in a browser may call the API, and nothing else here")
        length = int(headers.get("content-length", "0"))
        if length > self._body_limit:
            raise Refusal(413, "Request Too Long")
        self._method = parser.get_method().decode("ascii")
        if self._method == "CONNECT" or not parser.should_keep_alive():
            self._connection = CLOSE
        elif version == "1.0":
            self._connection = _KEEP_ALIVE
        self._left_body = (
            "upgrade" in headers and (length > 0 or "transfer-encoding" in headers) and parser.should_upgrade()
        )
        self.wants_continue = "expect" in headers and headers["expect"].lower() == "100-continue"
        self.in_body = True
        self._loose = 0

    def on_body(self, part: bytes) -> None:  # noqa: D102
        self._size += len(part)
        if self._size > self._body_limit:
            raise Refusal(413, "Request Too Long")
        self._body.append(part)
        self._loose = 0

    def on_message_complete(self) -> None:  # noqa: D102
        if self._left_body:
            return
        parts = self._body
        body = b"" if not parts else parts[0] if len(parts) == 1 else b"".join(parts)
        target = self._target.decode("utf-8", "surrogateescape")
        path, _, query = (target if target.startswith("/") else _origin_form(target, self._method)).partition("?")
        request = WireRequest(self._method, path, query, self._headers, body, self._lines)
        self.whole.append(Received(request, self._connection))
        self.in_body = self.wants_continue = False
        if self._connection == CLOSE:
            self.ended = True
        self._target, self._headers, self._lines, self._connection = b"", {}, [], ""
        self._body, self._size, self._loose = [], 0, 0


def _is_from_a_page(headers: Mapping[str, str]) -> bool:
    # Fetch Metadata (W3C), which every browser sends to 127.0.0.1 and no page can leave out; older ones say the origin
    # of all but plain GETs. "none" is the user, who has typed the address.
    return "origin" in headers or headers.get("sec-fetch-site", "none") != "none"


def _origin_form(target: str, method: str) -> str:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        rest = absolute[1]
        return rest if rest.startswith("/") else f"/{rest}"
    # CONNECT names an authority, and OPTIONS may ask of the server as such: there is but one behind it.
    if method == "CONNECT" or (method == "OPTIONS" and target == "*"):
        return "/"
    raise Refusal(400, "Bad Request")
