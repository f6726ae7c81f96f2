"""Values as a mapping template sees them: Java's strings, lists and maps.

API Gateway runs Velocity 1.7 on Java. There every value but null and false is true in an #if, an empty string too;
`replaceAll` and `split` take regular expressions; a map prints as {a=b}.
"""

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, SupportsIndex


class JavaString(str):
    """A string with java.lang.String's methods that templates use."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def length(self) -> int:  # noqa: D102 (java.lang.String's own)
        return len(self)

    def isEmpty(self) -> bool:  # noqa: D102, N802
        return len(self) == 0

    def contains(self, part: str) -> bool:  # noqa: D102
        return part in self

    def startsWith(self, prefix: str) -> bool:  # noqa: D102, N802
        return self.startswith(prefix)

    def endsWith(self, suffix: str) -> bool:  # noqa: D102, N802
        return self.endswith(suffix)

    def indexOf(self, part: str) -> int:  # noqa: D102, N802
        return self.find(part)

    def substring(self, start: int, end: int | None = None) -> "JavaString":  # noqa: D102
        if not 0 <= start <= (len(self) if end is None else end) <= len(self):
            raise IndexError(f"substring({start}, {end}) of {len(self)} characters")
        return JavaString(self[start:end])

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> "JavaString":  # noqa: D102
        return JavaString(str.replace(self, old, new, count))

    def replaceAll(self, pattern: str, replacement: str) -> "JavaString":  # noqa: D102, N802
        return JavaString(re.sub(pattern, _java_replacement(replacement), self))

    def matches(self, pattern: str) -> bool:  # noqa: D102
        return re.fullmatch(pattern, self) is not None

    def split(self, pattern: str) -> "JavaList":  # type: ignore[override]  # noqa: D102
        parts = re.split(pattern, self)
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        return JavaList(JavaString(part) for part in parts)

    def toLowerCase(self) -> "JavaString":  # noqa: D102, N802
        return JavaString(self.lower())

    def toUpperCase(self) -> "JavaString":  # noqa: D102, N802
        return JavaString(self.upper())

    def compareTo(self, other: str) -> int:  # noqa: D102, N802
        # By UTF-16 units, as Java has it.
        ours, theirs = self.encode("utf-16-be", "surrogatepass"), other.encode("utf-16-be", "surrogatepass")
        return (ours > theirs) - (ours < theirs)

    def trim(self) -> "JavaString":  # noqa: D102
        return JavaString(self.strip())

    def equals(self, other: object) -> bool:  # noqa: D102
        return self == other

    def toString(self) -> "JavaString":  # noqa: D102, N802
        return self


class JavaList(list[Any]):
    """A list with java.util.List's methods that templates use."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return "[" + ", ".join(map(_printed, self)) + "]"

    def size(self) -> int:  # noqa: D102 (java.util.List's own)
        return len(self)

    def isEmpty(self) -> bool:  # noqa: D102, N802
        return len(self) == 0

    def get(self, index: int) -> Any:  # noqa: D102
        return self[index]

    def contains(self, value: object) -> bool:  # noqa: D102
        return value in self

    def add(self, value: object) -> bool:  # noqa: D102
        self.append(value)
        return True


class JavaMap(dict[Any, Any]):
    """A map with java.util.Map's methods that templates use."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return "{" + ", ".join(f"{_printed(key)}={_printed(value)}" for key, value in self.items()) + "}"

    def size(self) -> int:  # noqa: D102 (java.util.Map's own)
        return len(self)

    def isEmpty(self) -> bool:  # noqa: D102, N802
        return len(self) == 0

    def keySet(self) -> JavaList:  # noqa: D102, N802
        return JavaList(self)

    def containsKey(self, key: object) -> bool:  # noqa: D102, N802
        return key in self

    def put(self, key: object, value: object) -> Any:  # noqa: D102
        before = self.get(key)
        self[key] = value
        return before


def java_value(value: Any) -> Any:
    """A JSON value as a template sees it."""
    if isinstance(value, str):
        return JavaString(value)
    if isinstance(value, dict):
        return JavaMap((JavaString(key), java_value(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return JavaList(map(java_value, value))
    return value


def render_json(value: Any) -> str:
    """A JSON value as text: compact, unicode as it is, each number as it was written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{render_json(str(key))}:{render_json(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(render_json, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _printed(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=256)
def _java_replacement(text: str) -> str:
    r"""Java's replacement text ($1, and \ before a literal character) as Python's."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            parts.append("\\\\" if text[at] == "\\" else text[at])
        elif text[at] == "$" and text[at + 1 : at + 2].isdigit():
            at += 1
            parts.append(f"\\g<{text[at]}>")
        else:
            parts.append("\\\\" if text[at] == "\\" else text[at])
        at += 1
    return "".join(parts)
