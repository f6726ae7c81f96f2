"""A resource's properties, read strictly: what the embedded AWS would leave out silently, it refuses."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from local.template import Resource


class NotServedError(ValueError):
    """Something in the template that the embedded AWS cannot do; the text names it and says what it can."""

    def __init__(self, logical_id: str, reason: str) -> None:
        super().__init__(f"{logical_id}: {reason}")


def read(resource: Resource, *, heeded: Collection[str], harmless: Collection[str] = ()) -> Mapping[str, Any]:
    """The properties of a resource, if each of them is known.

    Args:
        heeded: those that are put into effect.
        harmless: those that change nothing here: encryption, tags, descriptions.

    Raises:
        NotServedError: there is another one.
    """
    unknown = sorted(set(resource.properties) - set(heeded) - set(harmless))
    if unknown:
        raise NotServedError(resource.logical_id, f"{', '.join(unknown)} of {resource.type} is not served here")
    return resource.properties


def document(value: object) -> Mapping[str, Any]:
    """A JSON document, which may be written as a text."""
    parsed = json.loads(value) if isinstance(value, str) else value
    assert isinstance(parsed, dict)
    return parsed


def last_segment(arn: str) -> str:
    """A resource's name out of its ARN."""
    return arn.rsplit(":", 1)[-1].rsplit("/", 1)[-1]
