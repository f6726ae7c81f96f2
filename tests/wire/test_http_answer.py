"""An answer's bytes."""

import re

import pytest

from local.http_answer import encoded
from local.http_reader import CLOSE
from local.wire import WireResponse


def lines(answer: WireResponse, method: str = "GET", connection: str = "") -> tuple[list[str], bytes]:
    """The lines of its head but the date, and its body."""
    head, _, body = encoded(answer, method, connection).partition(b"\r\n\r\n")
    return [line for line in head.decode().split("\r\n") if not line.startswith("date: ")], body


@pytest.mark.parametrize(
    ("answer", "method", "head", "body", "why"),
    [
        (WireResponse(202, {"a": "b"}, b"{}"), "POST", ["202 Accepted", "a: b", "content-length: 2"], b"{}", "plain"),
        (WireResponse(200), "GET", ["200 OK", "content-length: 0"], b"", "no body is one of no bytes"),
        (WireResponse(299, {}, b"x"), "GET", ["299 ", "content-length: 1"], b"x", "a status without a phrase"),
        (WireResponse(200, {}, b"abc"), "HEAD", ["200 OK", "content-length: 3"], b"", "HEAD: the head alone"),
        (
            WireResponse(200, {"content-length": "9"}, b""),
            "HEAD",
            ["200 OK", "content-length: 9"],
            b"",
            "HEAD: of a body that somebody else has",
        ),
        (
            WireResponse(200, {"content-length": "9", "connection": "upgrade", "transfer-encoding": "chunked"}, b"abc"),
            "GET",
            ["200 OK", "content-length: 3"],
            b"abc",
            "where an answer ends is not for the service to say",
        ),
        (WireResponse(204, {}, b"abc"), "DELETE", ["204 No Content"], b"", "a status that has no body"),
        (WireResponse(304, {"etag": "e"}, b""), "GET", ["304 Not Modified", "etag: e"], b"", "another"),
        (
            WireResponse(200, {"set-cookie": "a"}, b"", [("set-cookie", "b")]),
            "GET",
            ["200 OK", "set-cookie: a", "set-cookie: b", "content-length: 0"],
            b"",
            "a name twice",
        ),
        (WireResponse(200, {"x": "é"}, b""), "GET", ["200 OK", "x: é", "content-length: 0"], b"", "UTF-8"),
        (WireResponse(200, {"x": "a\udcffb"}, b""), "GET", ["200 OK", "x: ab", "content-length: 0"], b"", "no text"),
    ],
)
def test_an_answer_ends_where_it_says(
    answer: WireResponse, method: str, head: list[str], body: bytes, why: str
) -> None:
    status, *rest = head
    assert lines(answer, method) == ([f"HTTP/1.1 {status}", *rest], body), why


def test_what_becomes_of_the_connection_is_told() -> None:
    assert lines(WireResponse(200), connection=CLOSE)[0][-1] == "connection: close"


def test_it_has_the_date_unless_it_brings_its_own() -> None:
    (date,) = re.findall(rb"date: (.*)\r\n", encoded(WireResponse(200), "GET", ""))
    assert re.fullmatch(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    own = encoded(WireResponse(200, {"date": "then"}), "GET", "")
    assert re.findall(rb"date: (.*)\r\n", own) == [b"then"]


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\r\n\r\n<html>", "a\0b"])
@pytest.mark.parametrize("place", ["headers", "more_headers", "name"])
def test_a_header_does_not_break_out_of_its_line(value: str, place: str) -> None:
    answers = {
        "headers": WireResponse(200, {"x": value}),
        "more_headers": WireResponse(200, {}, b"", [("x", value)]),
        "name": WireResponse(200, {value: "x"}),
    }
    with pytest.raises(ValueError, match="line break or a zero"):
        encoded(answers[place], "GET", "")
