"""Media types: what templates, models and binary types are chosen by."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

JSON: Final = "application/json"


@lru_cache(maxsize=256)
def essence(content_type: str) -> str:
    """A media type without its parameters, lower-case; JSON if there is none, as API Gateway assumes."""
    return content_type.partition(";")[0].strip().lower() or JSON


class BinaryMediaTypes:
    """The `BinaryMediaTypes` of an API; only `*/*` is a pattern, as on AWS."""

    def __init__(self, media_types: Iterable[str]) -> None:
        # A slash may be written ~1, as in a JSON pointer.
        self._types = frozenset(media_type.replace("~1", "/").lower() for media_type in media_types)

    def __contains__(self, content_type: str) -> bool:
        return "*/*" in self._types or essence(content_type) in self._types
