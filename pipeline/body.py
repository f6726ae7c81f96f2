"""The body a client sends: read, and checked as infra.yaml's models `Recognition` and `SyncRecognition` check it.

Behind a route the gateway has checked it already, but nobody a WebSocket's message, and a function must not rest on
that. By hand, because a schema's library would be a part of every cold start; a test holds this to the models.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

MEMBERS: Final = frozenset({"image", "group", "run", "callback_url", "attach"})
# Who waits for the answer needs no order, and none to be told.
SYNC_MEMBERS: Final = frozenset({"image", "run"})

_LARGEST: Final = 2**53 - 1
_LONGEST_RUN_ID: Final = 128
_LONGEST_URL: Final = 2_048
_BASE64: Final = re.compile("[A-Za-z0-9+/]+={0,2}")
_NAME: Final = re.compile("[A-Za-z0-9._-]{1,128}")
_SHA256_HEX: Final = re.compile("[0-9a-f]{64}")
# The form alone. Whether anybody may be sent there is for pipeline/callback_url.py to say.
_HTTPS_URL: Final = re.compile(
    r"https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])+[A-Za-z][A-Za-z0-9-]{0,62}(:[0-9]{1,5})?"
    r"([/?][!-Z_a-~^\[\]]*)?"
)
_LONGEST_SHOWN: Final = 40


class BodyError(ValueError):
    """A body that is not as it should be; the text says what of it."""


def read_body(text: str | bytes) -> Any:
    """Read a body as JSON, strictly: NaN and Infinity, which Python's reader takes, are no numbers.

    Raises:
        BodyError: it is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BodyError("the body is not JSON") from None


def check_body(body: object, members: "Collection[str]" = MEMBERS) -> "Mapping[str, Any]":
    """Pass a body that is as the model says, and has none but those members; returns it.

    Raises:
        BodyError: it is not.
    """
    whole = _object(body, "the body", required=("image",), allowed=members)
    _image(whole["image"])
    for name, check in _OPTIONAL.items():
        if name in whole:
            check(whole[name])
    return whole


def _image(value: object) -> None:
    image = _object(value, "image", required=(), allowed=("bytes", "key"))
    if len(image) != 1:
        raise BodyError("image needs either bytes or key")
    if "bytes" in image:
        _match(image["bytes"], _BASE64, "image.bytes is not base64")
    else:
        _match(image["key"], _NAME, "image.key is not 1 to 128 letters, digits, dots, underscores and hyphens")


def _group(value: object) -> None:
    _match(value, _NAME, "group is not 1 to 128 letters, digits, dots, underscores and hyphens")


def _run(value: object) -> None:
    names = ("id", "sequence", "intended_at")
    run = _object(value, "run", required=names, allowed=names)
    if not isinstance(run["id"], str) or not 1 <= len(run["id"]) <= _LONGEST_RUN_ID:
        raise BodyError(f"run.id is not a text of 1 to {_LONGEST_RUN_ID} characters")
    if not _is_number(run["sequence"], int):
        raise BodyError("run.sequence is not a whole number from 0 to 2^53 - 1")
    if not _is_number(run["intended_at"], int | float):
        raise BodyError("run.intended_at is not a number from 0 to 2^53 - 1")


def _callback_url(value: object) -> None:
    problem = f"callback_url is not an https:// URL with a DNS name, of at most {_LONGEST_URL:,} characters"
    if isinstance(value, str) and len(value) > _LONGEST_URL:
        raise BodyError(problem)
    _match(value, _HTTPS_URL, problem)


def _attach(value: object) -> None:
    _match(value, _SHA256_HEX, "attach is not a SHA-256 in 64 lower-case hexadecimal digits")


_OPTIONAL: "Final[Mapping[str, Callable[[object], None]]]" = {
    "group": _group,
    "run": _run,
    "callback_url": _callback_url,
    "attach": _attach,
}


def _object(
    value: object, name: str, *, required: "Collection[str]", allowed: "Collection[str]"
) -> "Mapping[str, Any]":
    if not isinstance(value, dict):
        raise BodyError(f"{name} is not a JSON object")
    for member in required:
        if member not in value:
            raise BodyError(f"{name} has no {member}")
    for member in value:
        if member not in allowed:
            raise BodyError(
                f"{name} may not have {member[:_LONGEST_SHOWN]!a}: it may have {', '.join(sorted(allowed))}"
            )
    return value


def _match(value: object, pattern: "re.Pattern[str]", problem: str) -> None:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise BodyError(problem)


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
