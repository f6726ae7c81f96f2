"""What is said to a machine and what it answers, as plain values: to be written down, and read back to a fresh one.

A machine is deterministic, so its construction and the calls that change it are all there is to know of a run. The
plain values are those of JSON; what has a class carries its name under `is`.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import import_module
from random import Random
from typing import Any, Final

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

# Of the lines that a recording consists of.
FORMAT: Final = 1

_IS: Final = "is"
_OF: Final = "of"
_ROOM: Final = __name__.partition(".")[0]
# They change a machine, and take no time.
_TIMELESS: Final = frozenset({"drain", "forget"})


class TranscriptError(ValueError):
    """Something that cannot be written down, or that was not written by `plain`."""


def decisions_of(kind: type) -> tuple[str, ...]:
    """The methods of a machine that belong into a transcript: those that are told the time, and a few that are not.

    Whatever takes the time may let leases run out or buckets fill, also where it only asks. `wake_at` does not belong:
    it may be early, and what matters is what the poll then yields.
    """
    names = []
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and (name in _TIMELESS or "now" in inspect.signature(method).parameters):
            names.append(name)
    return tuple(names)


def name_of_kind(kind: type) -> str:
    """What a class of this room is called in a transcript."""
    return f"{kind.__module__.removeprefix(f'{_ROOM}.')}.{kind.__qualname__}"


def kind_of_name(name: str) -> Callable[..., Any]:
    """The class of a name.

    Raises:
        TranscriptError: there is none in this room.
    """
    module, _, qualname = name.rpartition(".")
    try:
        kind = getattr(import_module(f"{_ROOM}.{module}"), qualname)
    except (ImportError, AttributeError, ValueError):
        raise TranscriptError(f"there is no {name} in {_ROOM}/: it was recorded by another version") from None
    if not (isinstance(kind, type) and kind.__module__ == f"{_ROOM}.{module}"):
        raise TranscriptError(f"{name} is no class of {_ROOM}/")
    return kind


def plain(value: object, names: Mapping[int, str]) -> Plain:
    """A value as it is written down. `names` are those of the machines it may hold, by `id`.

    Raises:
        TranscriptError: it holds something of no known kind.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {_IS: "float", _OF: str(value)}
    if (name := names.get(id(value))) is not None:
        return {_IS: "machine", _OF: name}
    if isinstance(value, Random):
        version, state, gauss = value.getstate()
        return {_IS: "random", _OF: [version, list(state), gauss]}
    if is_dataclass(value) and not isinstance(value, type):
        kind, defaults = _shape(value.__class__)
        written: dict[str, Plain] = {_IS: kind}
        for key, default in defaults:
            own = getattr(value, key)
            if default is MISSING or own != default:
                written[key] = plain(own, names)
        return written
    if isinstance(value, Mapping):
        return {_IS: "mapping", _OF: [[plain(key, names), plain(own, names)] for key, own in value.items()]}
    if isinstance(value, Set):
        return {_IS: "set", _OF: [plain(own, names) for own in sorted(value)]}
    if isinstance(value, Sequence):
        return [plain(own, names) for own in value]
    raise TranscriptError(f"{value!r} cannot be written down")


def revived(value: Plain, machines: Mapping[str, object]) -> Any:
    """A value as it was, from what is written; `machines` by name.

    Raises:
        TranscriptError: it was not written by `plain`, or names what is not there.
    """
    if isinstance(value, list):
        return [revived(own, machines) for own in value]
    if not isinstance(value, dict):
        return value
    kind, of = value.get(_IS), value.get(_OF)
    try:
        if kind == "machine":
            return machines[str(of)]
        if kind == "float":
            return float(str(of))
        if kind == "random":
            return _random(of)
        if kind == "mapping":
            assert isinstance(of, list)
            return dict(revived(pair, machines) for pair in of)
        if kind == "set":
            return frozenset(revived(of, machines))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise TranscriptError(f"{str(value)[:200]} was not written by this program: {error!r}") from None
    return kind_of_name(str(kind))(**{name: revived(own, machines) for name, own in value.items() if name != _IS})


@cache
def _shape(kind: type) -> tuple[str, tuple[tuple[str, object], ...]]:
    """The name of a dataclass, and its fields with their defaults. Looked up once: a recorder is to be cheap."""
    return name_of_kind(kind), tuple(
        (entry.name, entry.default if entry.default_factory is MISSING else entry.default_factory())
        for entry in fields(kind)
    )


def _random(of: Any) -> Random:
    version, state, gauss = of
    random = Random(0)
    random.setstate((version, tuple(state), gauss))
    return random
