"""An AWS API call as it stands on the wire, apart from whatever server or gateway carried it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


# Neither is frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class WireRequest:
    """One HTTP request. `path` is undecoded, without its query; header names are lower-case.

    `header_lines` are the headers as they were sent, for who needs to know their case or each of several alike.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    header_lines: Sequence[tuple[str, str]] = ()


@dataclass(slots=True)
class WireResponse:
    """One HTTP response. `more_headers` are further ones of names that are in `headers` already."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    more_headers: Sequence[tuple[str, str]] = ()


class BrokenOffError(Exception):
    """Raised by a service in place of an answer: the connection breaks off, and nobody can know what was done."""


class WireService(Protocol):
    """Anything that answers an AWS API: a buffer of ours, or a server of someone else's behind a proxy."""

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer. Service errors are responses; what is raised is a defect, but for BrokenOffError."""
