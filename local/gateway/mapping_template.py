"""Mapping templates: VTL with API Gateway's `$input`, `$util`, `$context` and `$stageVariables`.

The engine is airspeed-ext, not airspeed: its behaviour is recorded against API Gateway itself (an undefined reference
prints as nothing and is true in #if, backslashes in a string are just that, "" in a string is a quote), and airspeed
0.7.1 cannot even read the last. A template is parsed once, and compiled where `compiled_template` can. What it renders
from a request is only ever written, never read as VTL again.
"""

import base64
import re
import urllib.parse
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

import airspeed
import jsonpath_ng
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.parser import parse as parse_json_path

from local.gateway.compiled_reference import NotCompilableError
from local.gateway.compiled_template import CompiledTemplate
from local.gateway.java_value import JavaMap, JavaString, java_value, render_json
from local.gateway.payload import Payload, decode_json

# AWS: "API Gateway quotas", the size of a mapping template (confidence M).
MAX_TEMPLATE_BYTES: Final = 300 * 1024


class TemplateSyntaxError(ValueError):
    """A template that is no VTL; AWS refuses it at deployment."""


class TemplateFailedError(Exception):
    """A template that could not be rendered for this request. Its cause is attached."""


class Parameters:
    """What a client sent beside the body: `path` decoded, `query` the last value of each, `headers` lower-case."""

    __slots__ = ("headers", "path", "query")

    def __init__(self, path: Mapping[str, str], query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        self.path = path
        self.query = query
        self.headers = headers

    def find(self, name: str) -> str | None:
        """The parameter of that name: of the path, else the query string, else the headers."""
        for values, key in ((self.path, name), (self.query, name), (self.headers, name.lower())):
            if key in values:
                return values[key]
        return None


NO_PARAMETERS: Final = Parameters({}, {}, {})


class Input:
    """`$input`: the body and the parameters of the request, or the body of the integration's response."""

    __slots__ = ("_parameters", "_payload")

    def __init__(self, payload: Payload, parameters: Parameters = NO_PARAMETERS) -> None:
        self._payload = payload
        self._parameters = parameters

    @property
    def body(self) -> JavaString:
        """The body as it was sent."""
        return JavaString(self._payload.text)

    def json(self, path: str) -> JavaString:
        """The value at a JSONPath, as JSON; an empty string's if there is none."""
        if path == "$":
            return JavaString(self._payload.json_text())
        value = self._found(path)
        return JavaString('""' if value is None else render_json(value))

    def path(self, path: str) -> Any:
        """The value at a JSONPath, as an object; null if there is none."""
        if not self._payload.text:
            return JavaMap()
        return java_value(self._found(path))

    def _found(self, path: str) -> Any:
        # The body is read already, to be validated; only for what may hold a fraction is it read again, exactly.
        value = _at(path, self._payload.json)
        return _at(path, self._payload.exact_json) if isinstance(value, float | dict | list) else value

    def params(self, name: str | None = None) -> JavaString | JavaMap:
        """One parameter, empty if it was not sent; or all, by `path`, `querystring` and `header`."""
        parameters = self._parameters
        if name is None:
            return JavaMap(
                path=java_value(dict(parameters.path)),
                querystring=java_value(dict(parameters.query)),
                header=java_value(dict(parameters.headers)),
            )
        return JavaString(parameters.find(name) or "")


class Util:
    """`$util`."""

    __slots__ = ()

    def escapeJavaScript(self, text: Any) -> JavaString:  # noqa: N802
        r"""As Apache Commons Lang 2.6, which makes ' into \' (no JSON) and / into \/, and all but ASCII into \uXXXX."""
        text = str(text)
        if len(text) <= _SHORT and text.isascii():
            return JavaString(_JAVASCRIPT_ESCAPED.sub(_javascript_escape, text))
        for plain, escaped in _JAVASCRIPT_ESCAPES:
            if plain in text:
                text = text.replace(plain, escaped)
        return JavaString(text if text.isascii() else _NOT_ASCII.sub(_utf16_escapes, text))

    def base64Encode(self, text: Any) -> JavaString:  # noqa: N802
        """Base64 of the UTF-8 text."""
        return JavaString(base64.b64encode(_utf8(text)).decode("ascii"))

    def base64Decode(self, text: Any) -> JavaString:  # noqa: N802
        """The UTF-8 text in base64."""
        return JavaString(base64.b64decode(str(text), validate=True).decode("utf-8", "replace"))

    def urlEncode(self, text: Any) -> JavaString:  # noqa: N802
        """As java.net.URLEncoder: application/x-www-form-urlencoded, UTF-8."""
        text = str(text)
        if len(text) <= _SHORT and text.isascii():
            return JavaString(_URL_ESCAPED.sub(_url_escape, text))
        for plain, escaped in _URL_ESCAPES:
            if plain in text:
                text = text.replace(plain, escaped)
        return JavaString(text if text.isascii() else _NOT_ASCII.sub(_percent_escapes, text))

    def urlDecode(self, text: Any) -> JavaString:  # noqa: N802
        """The inverse of urlEncode."""
        return JavaString(urllib.parse.unquote_plus(str(text)))

    def parseJson(self, text: Any) -> Any:  # noqa: N802
        """The object in a JSON text."""
        return java_value(decode_json(str(text)))


class MappingTemplate:
    """One template, parsed.

    Raises:
        TemplateSyntaxError: it is no VTL, or too long.
    """

    def __init__(self, text: str) -> None:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise TemplateSyntaxError("half a surrogate pair is no text") from None
        if size > MAX_TEMPLATE_BYTES:
            raise TemplateSyntaxError(f"a mapping template may have {MAX_TEMPLATE_BYTES} bytes")
        self._merge = _merge_of(text)

    def render(self, source: Input, context: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
        """Render it.

        Raises:
            TemplateFailedError: something in it could not be evaluated; the cause says what.
        """
        names = {"input": source, "util": _UTIL, "context": context, "stageVariables": stage_variables}
        try:
            return self._merge(names)
        except airspeed.TemplateError as error:
            raise TemplateFailedError(str(error)) from error.__cause__
        except RecursionError as error:
            raise TemplateFailedError("nested too deep") from error


# A template's answers to errors are the same for many methods, and parsing takes most of an API's start.
@lru_cache(maxsize=256)
def _merge_of(text: str) -> Callable[[Mapping[str, Any]], str]:
    template = airspeed.Template(text)
    try:
        template.ensure_compiled()
    except airspeed.TemplateError as error:
        raise TemplateSyntaxError(str(error)) from None
    try:
        return CompiledTemplate(template).merge
    except NotCompilableError:
        merge: Callable[[Mapping[str, Any]], str] = template.merge
        return merge


_UTIL: Final = Util()
# One replace for each character that occurs costs far less on an image's base64 than looking at every character. Of a
# short text it is the other way round.
_SHORT: Final = 256
_CONTROLS: Final = (*map(chr, range(0x20)), "\x7f")
_JAVASCRIPT_NAMES: Final = {"\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r"}
_JAVASCRIPT_ESCAPES: Final = (
    *((plain, f"\\{plain}") for plain in "\\'\"/"),
    *((plain, _JAVASCRIPT_NAMES.get(plain, f"\\u{ord(plain):04X}")) for plain in _CONTROLS),
)
_URL_ESCAPES: Final = (
    ("%", "%25"),
    ("+", "%2B"),
    (" ", "+"),
    *((plain, f"%{ord(plain):02X}") for plain in (*"!\"#$&'(),/:;<=>?@[\\]^`{|}~", *_CONTROLS)),
)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_URL_ESCAPED: Final = re.compile(f"[{re.escape(''.join(plain for plain, _ in _URL_ESCAPES))}]")
_JAVASCRIPT_ESCAPED: Final = re.compile(f"[{re.escape(''.join(plain for plain, _ in _JAVASCRIPT_ESCAPES))}]")
_URL_ESCAPE_OF: Final[Mapping[str, str]] = dict(_URL_ESCAPES)
_JAVASCRIPT_ESCAPE_OF: Final[Mapping[str, str]] = dict(_JAVASCRIPT_ESCAPES)


def _url_escape(match: re.Match[str]) -> str:
    return _URL_ESCAPE_OF[match[0]]


def _javascript_escape(match: re.Match[str]) -> str:
    return _JAVASCRIPT_ESCAPE_OF[match[0]]


def _utf16_escapes(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def _percent_escapes(match: re.Match[str]) -> str:
    return urllib.parse.quote(_utf8(match[0]))


def _utf8(text: Any) -> bytes:
    # Half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark, as in Java.
    return str(text).encode("utf-8", "replace")


@lru_cache(maxsize=1024)
def _json_path(path: str) -> Callable[[Any], Any]:
    try:
        parsed = parse_json_path(path)
    except (JSONPathError, AttributeError) as error:
        raise ValueError(f"{path!r} is no JSONPath: {error}") from None
    keys = _keys(parsed)
    if keys is None:
        return lambda value: [match.value for match in parsed.find(value)]
    return partial(_walk, keys)


def _keys(path: jsonpath_ng.JSONPath) -> tuple[str | int, ...] | None:
    """The way to the one place that a path names; None if it may name many."""
    match path:
        case jsonpath_ng.Root():
            return ()
        case jsonpath_ng.Fields(fields=(name,)) if name != "*":
            return (name,)
        case jsonpath_ng.Index(indices=(index,)):
            return (index,)
        case jsonpath_ng.Child(left=left, right=jsonpath_ng.Fields() | jsonpath_ng.Index() as right):
            above, last = _keys(left), _keys(right)
            return None if above is None or last is None else above + last
    return None


def _walk(keys: tuple[str | int, ...], value: Any) -> Any:
    # By hand: jsonpath_ng builds an object for each step, ten times the work.
    for key in keys:
        if isinstance(key, str):
            value = value.get(key) if isinstance(value, dict) else None
        else:
            value = value[key] if isinstance(value, list) and -len(value) <= key < len(value) else None
    return value


def _at(path: str, value: Any) -> Any:
    """What a path finds: a value or None if it names one place, a list if it may name many."""
    return _json_path(path)(value)
