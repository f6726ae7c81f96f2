"""How the ways of a patterns run are shown: a name that a reader understands, what tells the client, a colour."""

from typing import TYPE_CHECKING, Final

from reports.palette import MUTED, PATTERN_INKS, Face

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.time_to_know import Knowing

_NAMES: Final = {"sync": "Synchronous", "polling": "Polling", "callback": "Callback", "websocket": "WebSocket"}
_KINDS: Final = {
    "sync": "the answer is the result",
    "polling": "the client asks",
    "callback": "the client is called",
    "websocket": "the client is pushed to",
}


def way_faces(knowing: "Mapping[str, Knowing]") -> dict[str, Face]:
    """The face of each way."""
    return {name: _face(way) for name, way in knowing.items()}


def _face(way: "Knowing") -> Face:
    if way.pattern not in _NAMES:
        return Face(way.name, "", MUTED)
    name = _NAMES[way.pattern]
    if way.pattern == "polling":
        name += " as told" if way.interval_s is None else f" every {way.interval_s:g} s"
    if way.door == "handler" and way.pattern != "websocket":
        name += ", by handler"
    return Face(name, _KINDS[way.pattern], PATTERN_INKS[way.pattern])
