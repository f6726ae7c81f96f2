"""Idempotency: the ids of requests that a function takes. The same key has the same id, so no duplicate is looked up.

An id is "h-" and 22 characters of base64url: 128 bits, random or of the key's hash. The prefix tells it from the
gateway's own, which never have a hyphen there: base64 in its plain alphabet.

Not powertools' idempotency: to a duplicate of a request that is still in work it raises, and this service has an answer
for it, the id; and its record would stand beside the request's own and could contradict it.
"""

import base64
import hashlib
import json
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "h-"
LONGEST_KEY: Final = 255

_BYTES: Final = 16
_VISIBLE_ASCII: Final = re.compile(f"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


def new_id() -> str:
    """An id that no other request has."""
    return _id(secrets.token_bytes(_BYTES))


def is_key(text: str) -> bool:
    """Whether a text may be an idempotency key: 1 to 255 visible characters of ASCII."""
    return _VISIBLE_ASCII.fullmatch(text) is not None


def id_of(route: str, key: str, owner: str | None = None) -> str:
    """The id of all requests of an owner on a route with that key. A key stands for one request on one route."""
    # None of them holds the character between them, so that no others make the same bytes.
    named = (route, key) if owner is None else (route, owner, key)
    return _id(hashlib.sha256("\n".join(named).encode()).digest()[:_BYTES])


def digest_of(body: "Mapping[str, Any]") -> str:
    """The SHA-256 of a body in hex: the same for the same JSON, whatever the order of its members."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _id(sixteen: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(sixteen).rstrip(b"=").decode("ascii")
