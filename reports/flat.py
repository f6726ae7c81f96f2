"""Settings as a reader can look them up: one list of names and values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def flat(settings: "Mapping[str, Any]", prefix: str = "") -> dict[str, str]:
    """Nested settings as one list of names and values.

    >>> flat({"a": {"b": 1}, "c": [1, 2]})
    {'a.b': '1', 'c': '1, 2'}
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[f"{prefix}{name}"] = ", ".join(map(str, value))
        else:
            found[f"{prefix}{name}"] = str(value)
    return found
