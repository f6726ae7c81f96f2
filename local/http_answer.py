"""Writes answers in HTTP/1.1."""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from local.wire import WireResponse

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
# Where an answer ends and what becomes of its connection is not for a service to say.
_FRAMING: Final = frozenset(("connection", "content-length", "keep-alive", "transfer-encoding"))
_WITHOUT_BODY: Final = frozenset((204, 304))


def encoded(answer: WireResponse, method: str, connection: str) -> bytes:
    """The bytes of an answer to a request of this method; `connection` is a line to be among its headers, or empty.

    A service's own `content-length` is heeded for HEAD alone, where it tells of a body that is not sent.

    Raises:
        ValueError: a header would break out of its line.
    """
    status, headers, body = answer.status, answer.headers, answer.body
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if name not in _FRAMING]
    for name, value in answer.more_headers:
        lines.append(f"{name}: {value}\r\n")
    head = "".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines) or "\0" in head:
        raise ValueError("a header has a line break or a zero in it")
    length = ""
    if status not in _WITHOUT_BODY:
        announced = headers.get("content-length") if method == "HEAD" else None
        length = f"content-length: {len(body) if announced is None else announced}\r\n"
    date = "" if "date" in headers else _date(int(time.time()))
    status_line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    text = f"{status_line}{head}{date}{length}{connection}\r\n"
    # Half a surrogate pair is no text.
    start = text.encode("utf-8", "ignore")
    return start if method == "HEAD" or not length else start + body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"date: {formatdate(second, usegmt=True)}\r\n"
