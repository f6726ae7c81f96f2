"""Answers: what a function behind the HTTP API says (AWS_PROXY), in the API's own form of an error."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.body import BodyError, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON document, and headers beside its type."""

    status: int
    document: "Mapping[str, Any]"
    headers: "Mapping[str, str]" = field(default_factory=dict)

    def to_proxy(self) -> dict[str, Any]:
        """What Lambda returns to the gateway."""
        return {
            "statusCode": self.status,
            "headers": {"Content-Type": _JSON, **self.headers},
            "body": json.dumps(self.document, separators=(",", ":")),
        }


def refused(
    status: int, message: str, remedy: str, *, retry_after_s: int | None = None, request_id: str | None = None
) -> Answer:
    """An error: what is wrong and what to do, and when to try again, if that helps."""
    document = {"message": message, "remedy": remedy}
    if request_id is not None:
        document["request_id"] = request_id
    return Answer(status, document, {} if retry_after_s is None else {"Retry-After": str(retry_after_s)})


def body_of(event: "Mapping[str, Any]") -> Any:
    """The body of an event as JSON.

    Raises:
        pipeline.body.BodyError: it has none, or one that is not JSON.
    """
    text = event.get("body")
    if not text or event.get("isBase64Encoded"):
        # Base64 is what the gateway makes of its binary types, images above all.
        raise BodyError("the body is not JSON")
    return read_body(text)
