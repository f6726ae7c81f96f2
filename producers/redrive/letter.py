"""A letter: one thing that lies in a destination, a message or an object, and the requests in it."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.request import InvalidRequestError, Request
from pipeline.unicode_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.failure_record import CarriedRecord

# A record's own words may be anybody's, and a letter of 1 MiB is not for a line.
_LONGEST_PROBLEM = 200
# The messages of pipeline.notifications; what else stands in a letter says why it was given up.
_NOTIFICATION = ("request_id", "callback_url", "connection_id", "attach")
# As pipeline.request says of the ids that it reads.
_LONGEST_ID = 1_024


@dataclass(frozen=True, slots=True)
class DeadRequest:
    """A request that was given up. `record` is what its buffer carried, or its notification's message.

    `accepted_at` is in seconds since the epoch, None where it is not known. The keys are a stream's; `group` is a FIFO
    queue's message group, `deduplication` says which letter it is, so that the same is taken once and another is not.
    `called_back` says whether it asks for a callback.
    """

    request_id: str
    record: str | bytes = field(repr=False)
    accepted_at: float | None = None
    partition_key: str | None = None
    explicit_hash_key: int | None = None
    group: str | None = None
    deduplication: str | None = None
    called_back: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """What lies there under one name, removed as a whole by its `handle`.

    `condition` says why it was given up, in AWS's word, `error` what the function said; both are None in what is no
    letter of AWS's. `tries` counts what was tried before, `receives` how often it was looked at since, this time
    included. `problems` are why it, or a part of it, cannot be sent: such a letter stays where it is. `sent` are the
    requests that a replay has sent before. Times are in seconds since the epoch.
    """

    name: str
    handle: str = field(repr=False)
    requests: "Sequence[DeadRequest]"
    condition: str | None = None
    error: str | None = None
    tries: int | None = None
    receives: int | None = None
    given_up_at: float | None = None
    problems: "Sequence[str]" = ()
    sent: frozenset[str] = frozenset()


def read_requests(carried: "Sequence[CarriedRecord]") -> tuple[list[DeadRequest], list[str]]:
    """The requests among records, and what is wrong with the others.

    One that is not as it should be but says its id can be sent: its function answers it with what is wrong.
    """
    requests: list[DeadRequest] = []
    problems: list[str] = []
    for record in carried:
        if record.body is None:
            problems.append(shown(record.problem or "it holds no record"))
            continue
        accepted_ms: float | None
        try:
            request = Request.from_json(record.body)
            request_id, accepted_ms, url = request.request_id, request.accepted_at, request.callback_url
        except InvalidRequestError as error:
            if error.request_id is None:
                problems.append(shown(f"{error.reason}: {excerpt(record.body)}"))
                continue
            request_id, accepted_ms, url = error.request_id, error.accepted_at, error.callback_url
        requests.append(
            DeadRequest(
                request_id,
                record.body,
                None if accepted_ms is None else accepted_ms / 1_000,
                record.partition_key,
                record.explicit_hash_key,
                called_back=url is not None,
            )
        )
    return requests, problems


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of a notification queue: the request it is about, the same message without why it was given up.

    `reason` and `attempts` are what the callback function says of one that it gave up itself. Where it is no
    notification, `problem` says so and `request` is None.
    """

    request: DeadRequest | None
    problem: str | None = None
    reason: str | None = None
    attempts: int | None = None


def read_notice(body: str) -> Notice:
    """Read a message of a notification queue."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Notice(None, shown(f"it is not JSON: {excerpt(body)}"))
    members = said if isinstance(said, dict) else {}
    kept = {name: members[name] for name in _NOTIFICATION if _is_text(members.get(name))}
    if "request_id" not in kept or len(kept) == 1 or len(kept["request_id"].encode()) > _LONGEST_ID:
        return Notice(None, shown(f"it is no notification: {excerpt(body)}"))
    reason, attempts = members.get("reason"), members.get("attempts")
    return Notice(
        DeadRequest(kept["request_id"], json.dumps(kept, separators=(",", ":"))),
        reason=reason if _is_text(reason) else None,
        attempts=attempts if isinstance(attempts, int) and not isinstance(attempts, bool) else None,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and is_unicode(value)


def excerpt(text: str | bytes) -> str:
    """The start of a text, to be recognised by."""
    start = text[:80]
    return start.decode("utf-8", "replace") if isinstance(start, bytes) else start


def shown(text: str, longest: int = _LONGEST_PROBLEM) -> str:
    """A text of anybody's, fit for a terminal: on one line, no longer than that, without what steers a terminal."""
    plain = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[: longest + 1])
    return plain if len(text) <= longest else f"{plain[:longest]}\N{HORIZONTAL ELLIPSIS}"
