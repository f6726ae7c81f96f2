"""Signature Version 4, as `execute-api` has it: one text of a request, for who signs it and for who checks it.

Source: "Create a signed AWS API request" (IAM User Guide). Every service but S3 writes the path once more in percent
signs than it stands on the wire, and takes `//`, `/./` and `/../` out of it first. A query is sorted, and each of its
parts decoded and encoded anew, so that `+` and `%20` are the same to it.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

ALGORITHM: Final = "AWS4-HMAC-SHA256"
# What API Gateway is called in a scope, for REST and WebSocket APIs alike.
SERVICE: Final = "execute-api"
TERMINATOR: Final = "aws4_request"
TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"

# What stays as it is; to ask costs a third of what quoting it does.
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_.~/-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signing key is good for: one day (YYYYMMDD, UTC), Region and service."""

    date: str
    region: str
    service: str = SERVICE

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


def signing_key(secret_access_key: str, scope: Scope) -> bytes:
    """The key for a scope: four HMACs, so worth keeping for its day."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (scope.date, scope.region, scope.service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, timestamp: str, scope: Scope, canonical: str) -> str:
    """The signature, in hex, of a canonical request. `timestamp` is in the form of TIMESTAMP."""
    return hmac.digest(key, string_to_sign(timestamp, scope, canonical).encode(), "sha256").hex()


def string_to_sign(timestamp: str, scope: Scope, canonical: str) -> str:
    """What the signing key is put to."""
    # A lone surrogate stands for a byte that was no UTF-8, which a server may find in a header.
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


def canonical_request(
    method: str, path: str, query: str, headers: "Iterable[tuple[str, str]]", payload_hash: str
) -> str:
    """The text of a request that is signed.

    `path` and `query` are as they stand on the wire; `headers` are those to be signed, names in lower case and sorted,
    values as `canonical_value` has them; `payload_hash` is the body's SHA-256 in hex.
    """
    lines, names = "", ""
    for name, value in headers:
        lines += f"{name}:{value}\n"
        names = f"{names};{name}" if names else name
    return f"{method}\n{canonical_path(path)}\n{canonical_query(query)}\n{lines}\n{names}\n{payload_hash}"


def canonical_value(value: str) -> str:
    """A header's value: no space around it, and but one within."""
    return " ".join(value.split())


def canonical_path(path: str) -> str:
    """A path as it is signed."""
    if "//" in path or "/." in path:
        path = _without_dots(path)
    return path if _PLAIN_PATH.fullmatch(path) else quote(path or "/", safe="/~")


def canonical_query(query: str) -> str:
    """A query as it is signed; one that a signature stands in, without that parameter."""
    if not query:
        return ""
    pairs = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        pairs.append((_encoded(name), _encoded(value)))
    pairs.sort()
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded(text: str) -> str:
    # By bytes: two texts that are no UTF-8 must not become one.
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")


def _without_dots(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    slash = "/" if path.endswith("/") and kept else ""
    return f"/{'/'.join(kept)}{slash}"
