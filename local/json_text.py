"""Reads JSON by a decoder of the standard library, without the searches for blanks that its own `decode` makes."""

import json
from typing import Any, Final

_BLANKS: Final = " \t\n\r"


def decoded(decoder: json.JSONDecoder, text: str) -> Any:
    """What `decoder.decode(text)` gives.

    Raises:
        ValueError, RecursionError: as that does.
    """
    try:
        value, end = decoder.raw_decode(text)
    except ValueError:
        # Blanks before it, or nothing that is JSON, which is told better there.
        return decoder.decode(text)
    if end == len(text) or not text[end:].strip(_BLANKS):
        return value
    return decoder.decode(text)
