"""The answer of a proxy integration: what a function returned, as the response that it describes."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local.gateway import media_type
from local.gateway.gateway_response import GatewayError, ResponseType
from local.gateway.media_type import BinaryMediaTypes
from local.gateway.parameter_mapping import UnsafeHeaderError, header_value
from local.wire import WireResponse

# None of them has to be there, and nothing else may be.
_MEMBERS: Final = frozenset({"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"})
# What belongs to the connection is the gateway's to say, and comes under another name (api-gateway-known-issues).
_REMAPPED: Final = frozenset({"connection", "content-length", "date", "server", "x-amzn-requestid"})
_DROPPED: Final = frozenset({"transfer-encoding"})
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class MalformedAnswerError(ValueError):
    """A function's answer that describes no response: "Malformed Lambda proxy response" in AWS's log."""


def proxy_response(payload: bytes, accept: str, binary: BinaryMediaTypes) -> WireResponse:
    """The response that a function's answer describes, for a client that accepts these media types.

    Raises:
        MalformedAnswerError: it describes none.
        GatewayError: it says that its body is base64, and it is not.
    """
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        raise MalformedAnswerError("it is no JSON") from None
    if not isinstance(answer, dict):
        raise MalformedAnswerError("it is no object")
    if unknown := sorted(set(answer) - _MEMBERS):
        raise MalformedAnswerError(f"it has {', '.join(unknown)[:200]}, and only {', '.join(sorted(_MEMBERS))} may be")
    headers, more = _headers(answer)
    return WireResponse(
        _status(answer.get("statusCode")),
        {"content-type": media_type.JSON, **headers},
        _body(answer, as_bytes=accept.partition(",")[0] in binary),
        more,
    )


def _status(value: object) -> int:
    if value is None:
        return 200
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) == 3 and 200 <= int(text) <= 599):
        raise MalformedAnswerError(f"statusCode is {text[:100]!r}, none of HTTP from 200 to 599")
    return int(text)


def _body(answer: Mapping[str, Any], *, as_bytes: bool) -> bytes:
    body, encoded = answer.get("body"), answer.get("isBase64Encoded")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswerError(f"body is no text but {type(body).__name__}: make it one by json.dumps")
    if encoded not in (None, True, False):
        raise MalformedAnswerError("isBase64Encoded is neither true nor false")
    if not (encoded and as_bytes):
        # A client that asked for no binary type gets the base64 itself.
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=f"the body is not base64: {error}") from None


def _headers(answer: Mapping[str, Any]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The headers, one of each name, and the others: those of `multiValueHeaders`, then what only `headers` has."""
    headers: dict[str, str] = {}
    more: list[tuple[str, str]] = []
    several = list(_several(answer.get("multiValueHeaders")))
    for name, value in [*several, *(line for line in _single(answer.get("headers")) if line not in several)]:
        if name in headers:
            more.append((name, value))
        else:
            headers[name] = value
    return headers, more


def _single(given: object) -> Iterable[tuple[str, str]]:
    for name, value in _mapping(given, "headers").items():
        yield from _line(name, value)


def _several(given: object) -> Iterable[tuple[str, str]]:
    for name, values in _mapping(given, "multiValueHeaders").items():
        if values is None:
            continue
        if not isinstance(values, list):
            raise MalformedAnswerError(f"multiValueHeaders has no list for {name[:100]!r}")
        for value in values:
            yield from _line(name, value)


def _mapping(given: object, member: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise MalformedAnswerError(f"{member} is no object")
    return given


def _line(name: str, value: object) -> Iterable[tuple[str, str]]:
    name = name.lower()
    if value is None or name in _DROPPED:
        return
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float) or _NAME.fullmatch(name) is None:
        raise MalformedAnswerError(f"{name[:100]!r} is no header with a text")
    try:
        yield f"x-amzn-remapped-{name}" if name in _REMAPPED else name, header_value(value)
    except UnsafeHeaderError as error:
        raise MalformedAnswerError(str(error)) from None
