"""Settings as a reader can look them up: one list of names and values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def flat(settings: "Mapping[str, Any]", prefix: str = "") -> dict[str, str]:
    """Nested settings as one list of names and values; settings in a list have the number of their place.

    >>> flat({"a": {"b": 1}, "c": [1, 2], "d": [{"e": 3}, {"e": 4}]})
    {'a.b': '1', 'c': '1, 2', 'd.0.e': '3', 'd.1.e': '4'}
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            found |= flat({str(number): each for number, each in enumerate(value)}, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[f"{prefix}{name}"] = ", ".join(map(str, value))
        else:
            found[f"{prefix}{name}"] = str(value)
    return found
