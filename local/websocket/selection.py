"""Selection expressions: how a message names its route."""

import re
from decimal import Decimal
from typing import Any, Final

from local.gateway.configuration import ConfigurationError

_PIECE: Final = re.compile(
    r"\\(?P<escaped>\$)"
    r"|\$\{request\.body\.(?P<bounded>[\w-]+(?:\.[\w-]+)*)\}"
    r"|\$request\.body\.(?P<bare>[\w-]+(?:\.[\w-]+)*)"
    r"|(?P<literal>[^$\\]+)"
)


class SelectionExpression:
    """`$request.body.action`, `${request.body.version}-beta` and the like.

    The language is that of apigateway-websocket-api-selection-expressions, as far as it speaks of the body.

    Raises:
        ConfigurationError: it is made of anything but properties of the body and text.
    """

    def __init__(self, logical_id: str, text: str) -> None:
        self._pieces: list[str | tuple[str, ...]] = []
        at = 0
        while at < len(text):
            match = _PIECE.match(text, at)
            if match is None:
                raise ConfigurationError(
                    logical_id,
                    f"RouteSelectionExpression {text!r}: only $request.body.NAME, ${{request.body.NAME}} and text "
                    "are served here",
                )
            path = match["bounded"] or match["bare"]
            self._pieces.append(tuple(path.split(".")) if path else match["escaped"] or match["literal"])
            at = match.end()
        if not any(isinstance(piece, tuple) for piece in self._pieces):
            raise ConfigurationError(logical_id, f"RouteSelectionExpression {text!r} looks at no part of a message")

    def key(self, body: Any) -> str | None:
        """What it makes of a message's JSON value; None if the message lacks what it asks for."""
        texts = []
        for piece in self._pieces:
            text = piece if isinstance(piece, str) else _property(body, piece)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)


def _property(value: Any, path: tuple[str, ...]) -> str | None:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float | Decimal) else None
