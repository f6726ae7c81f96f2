"""The ways of a workload: what each turn's requests go through, and how their clients come to know the result."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pipeline.document import shown
from pipeline.run import ROUTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.request import Buffer

Pattern = Literal["sync", "polling", "callback", "websocket"]
Door = Literal["proxy", "handler"]
DOORS: Final[tuple[Door, ...]] = get_args(Door)
PATTERNS: Final = ("sync", "polling", "polling-<seconds>s", "callback", "websocket")

_POLLING: Final = re.compile(r"polling-(\d{1,4}(?:\.\d{1,3})?)s")
_PATTERNS: Final[tuple[Pattern, ...]] = get_args(Pattern)


@dataclass(frozen=True, slots=True)
class Way:
    """What one turn goes through. `name` stands in its rows.

    Without a `pattern` a turn is over for its client with the 202, and `name` is the buffer's. With one, the client
    waits until it knows its result: `interval_s` is that of polling, None for as the API asks. `door` is where a
    request gets into its buffer: straight, or by the request handler. A synchronous one goes through no buffer.
    A `route` is a path of some HTTP server, of which no more is known than what it answers.
    """

    name: str
    buffer: "Buffer | None"
    pattern: Pattern | None = None
    interval_s: float | None = None
    door: Door = "proxy"
    route: str | None = None

    @property
    def path(self) -> str:
        """The route that takes its images; a WebSocket has but the stage's own."""
        if self.route is not None:
            return self.route
        if self.pattern == "sync":
            return "/v1/sync/images"
        if self.pattern == "websocket":
            return ""
        return f"/v1/handler/{self.buffer}/images" if self.door == "handler" else f"/v1/{self.buffer}/images"

    def to_json(self) -> dict[str, Any]:
        """As run.json tells of a way with a pattern."""
        polls = {"interval_s": self.interval_s} if self.pattern == "polling" else {}
        has_doors = {"door": self.door} if self.pattern in ("polling", "callback") else {}
        return {"pattern": self.pattern, "through": self.buffer, **polls, **has_doors}


def of_buffers(buffers: "Sequence[Buffer]") -> tuple[Way, ...]:
    """A way for each buffer."""
    return tuple(Way(buffer, buffer) for buffer in buffers)


def of_route(path: str) -> tuple[Way, ...]:
    """The one way to a path of any HTTP server."""
    return (Way(ROUTE, None, route=path),)


def of_patterns(patterns: "Sequence[str]", buffer: "Buffer", doors: "Sequence[Door]") -> tuple[Way, ...]:
    """The ways of the patterns, in their order; those over HTTP into the buffer have one for each door.

    Raises:
        ValueError: one is no pattern.
    """
    return tuple(way for pattern in patterns for way in _ways(pattern, buffer, doors))


def _ways(name: str, buffer: "Buffer", doors: "Sequence[Door]") -> "Iterator[Way]":
    pattern, interval_s = _read(name)
    if pattern == "sync":
        yield Way(name, None, pattern)
    elif pattern == "websocket":
        # The function behind the WebSocket takes requests in as the request handler does; there is no other way in.
        yield Way(name, buffer, pattern, door="handler")
    else:
        for door in doors:
            yield Way(name if door == "proxy" else f"{name}-{door}", buffer, pattern, interval_s, door)


def _read(name: str) -> tuple[Pattern, float | None]:
    for pattern in _PATTERNS:
        if name == pattern:
            return pattern, None
    polling = _POLLING.fullmatch(name)
    if polling is None or not float(polling[1]):
        raise ValueError(f"{shown(name)!r} is none of {', '.join(PATTERNS)}")
    return "polling", float(polling[1])
