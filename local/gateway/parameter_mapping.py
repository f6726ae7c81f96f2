"""Parameter mappings: `integration.request.header.X: method.request.path.key` and their like.

A source is one of `'a literal'`, `method.request.{path|querystring|header}.NAME`, `method.request.body[.JSONPATH]`,
`integration.response.header.NAME`, `integration.response.body[.JSONPATH]`, `context.NAME`, `stageVariables.NAME`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.gateway.exchange import Exchange
from local.gateway.mapping_template import Input
from local.wire import WireResponse

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class UnsafeHeaderError(ValueError):
    """A header value with a line break or another control character in it, which would forge a header."""


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class Answer:
    """What an integration answered, as parameters read it."""

    response: WireResponse
    body: Input


# The value, or None if what it would come from was not sent.
RequestSource = Callable[[Exchange], str | None]
ResponseSource = Callable[[Exchange, Answer], str | None]


def request_source(expression: str) -> RequestSource:
    """The source of a parameter of an integration's request.

    Raises:
        ValueError: the expression is none of those above.
    """
    common = _common_source(expression)
    if common is not None:
        return common
    kind, _, rest = expression.removeprefix("method.request.").partition(".")
    if expression.startswith("method.request."):
        if kind == "path":
            return lambda exchange: exchange.parameters.path.get(rest)
        if kind == "querystring":
            return lambda exchange: exchange.parameters.query.get(rest)
        if kind == "header":
            header = rest.lower()
            return lambda exchange: exchange.parameters.headers.get(header)
        if kind == "body":
            return lambda exchange: _of_body(Input(exchange.payload), rest)
    raise ValueError(f"{expression!r} is no source of a request parameter")


def response_source(expression: str) -> ResponseSource:
    """The source of a header of a method's response.

    Raises:
        ValueError: the expression is none of those above.
    """
    common = _common_source(expression)
    if common is not None:
        return lambda exchange, _answer: common(exchange)
    kind, _, rest = expression.removeprefix("integration.response.").partition(".")
    if expression.startswith("integration.response."):
        if kind == "header":
            header = rest.lower()
            return lambda _exchange, answer: answer.response.headers.get(header)
        if kind == "body":
            return lambda _exchange, answer: _of_body(answer.body, rest)
    raise ValueError(f"{expression!r} is no source of a response parameter")


def context_value(context: Mapping[str, Any], name: str) -> str | None:
    """The value of `context.NAME`, where NAME may have dots."""
    value: Any = context
    for part in name.split("."):
        try:
            value = value[part]
        except (KeyError, TypeError):
            return None
    return str(value)


def header_value(value: object) -> str:
    """A header's value, checked.

    Raises:
        UnsafeHeaderError: it would break out of its header.
    """
    text = str(value)
    if _CONTROL.search(text):
        raise UnsafeHeaderError("a header's value has a control character in it")
    return text


def _common_source(expression: str) -> RequestSource | None:
    if len(expression) > 1 and expression[0] == expression[-1] == "'":
        literal = expression[1:-1]
        return lambda _exchange: literal
    place, _, name = expression.partition(".")
    if place == "context" and name:
        return lambda exchange: context_value(exchange.context, name)
    if place == "stageVariables" and name:
        return lambda exchange: exchange.stage_variables.get(name)
    return None


def _of_body(body: Input, path: str) -> str | None:
    if not path:
        return str(body.body)
    value = body.path(f"$.{path}")
    return None if value is None else str(value)
