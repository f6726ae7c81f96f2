"""A body on its way through the gateway: bytes, their text, the JSON in it."""

import base64
import binascii
import json
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn

from local.json_text import decoded

ContentHandling = Literal["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"]


class NotJsonError(ValueError):
    """A body that was to be read as JSON and is not."""


class NotTextError(ValueError):
    """A body that is binary and was to be read as text."""


class NotBase64Error(ValueError):
    """A text that was to become binary and is not base64."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_UNREAD: Final = object()
_JSON: Final = json.JSONDecoder(parse_constant=_refuse_constant)
# Numbers as they were written: a float would round them.
_EXACT_JSON: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


class Payload:
    """A body, text or binary. Text is UTF-8; what is not becomes U+FFFD, as on AWS. Read on first use, and once."""

    __slots__ = ("_binary", "_data", "_exact_json", "_json", "_text")

    def __init__(self, data: bytes, *, binary: bool = False) -> None:
        self._data = data
        self._binary = binary
        self._text: str | None = None
        self._json: Any = _UNREAD
        self._exact_json: Any = _UNREAD

    @property
    def binary(self) -> bool:
        """Whether it is binary, and no text."""
        return self._binary

    @property
    def data(self) -> bytes:
        """The bytes to pass on untransformed."""
        return self._data if self._binary else self.text.encode("utf-8", "replace")

    @property
    def text(self) -> str:
        """The body as a template sees it.

        Raises:
            NotTextError: it is binary.
        """
        if self._text is None:
            if self._binary:
                raise NotTextError("a binary body needs contentHandling CONVERT_TO_TEXT before a template can read it")
            self._text = self._data.decode("utf-8", "replace")
        return self._text

    @property
    def json(self) -> Any:
        """The body's JSON value.

        Raises:
            NotJsonError: it is none.
        """
        if self._json is _UNREAD:
            self._json = _decode(_JSON, self.text)
        return self._json

    @property
    def exact_json(self) -> Any:
        """The same with fractions as Decimal, so that they can be written again as they were."""
        if self._exact_json is _UNREAD:
            self._exact_json = decode_json(self.text)
        return self._exact_json

    def json_text(self) -> str:
        """The whole body as `$input.json('$')` renders it: its own text, which loses nothing."""
        if not self.text:
            return "{}"
        _ = self.json
        return self.text

    def converted(self, handling: ContentHandling | None) -> "Payload":
        """The body after `contentHandling`.

        Raises:
            NotBase64Error: a text that should be base64 is not.
        """
        if handling == "CONVERT_TO_TEXT" and self._binary:
            return Payload(base64.b64encode(self._data))
        if handling == "CONVERT_TO_BINARY" and not self._binary:
            try:
                return Payload(base64.b64decode(self._data, validate=True), binary=True)
            except binascii.Error as error:
                raise NotBase64Error(f"the body is not base64: {error}") from None
        return self


def decode_json(text: str) -> Any:
    """The JSON value in a text, fractions as Decimal.

    Raises:
        NotJsonError: there is none.
    """
    return _decode(_EXACT_JSON, text)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoded(decoder, text)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"Could not parse request body into json: {error}") from None
