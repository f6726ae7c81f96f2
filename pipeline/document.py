"""A YAML document whose values know where they stand, so that what is wrong with one can be said with its line."""

import io
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

# How a value that the command line put into a document is called in place of its file and line.
OPTION: Final = "--set"
_TAG = "tag:yaml.org,2002:"
# No document here has more levels than ten.
_DEEPEST: Final = 100
# Of what an error quotes: any file may be given for a document by mistake, and all of it may be one text.
_SHOWN: Final = 80
_KINDS = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "empty",
    "seq": "a list", "map": "keys and values", "timestamp": "a date",
}  # fmt: skip


class DocumentError(ValueError):
    """A document that is not as it should be; the text names the file, the line, the key and the fault."""


def shown(text: str) -> str:
    """A text as an error quotes it: the beginning of a long one."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def find(name_or_file: str, own: "Path", beside: "Path") -> "Path":
    """A document's file: the one of that name in the folder `own`, or the file, if relative then from `beside`.

    Raises:
        DocumentError: there is none; the text names those in `own`.
    """
    try:
        if (named := own / f"{name_or_file}.yaml").is_file():
            return named
        if (path := beside / name_or_file).is_file():
            return path
    except OSError as error:
        raise DocumentError(f"{shown(name_or_file)!r} cannot be looked for: {error.strerror}") from None
    noun = own.name.removesuffix("s")
    names = sorted(file.stem for file in own.glob("*.yaml"))
    near = get_close_matches(name_or_file, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}, or give a file."
    raise DocumentError(f"there is no {noun} {shown(name_or_file)!r}: {hint}")


def read(path: "Path", noun: str) -> "Value":
    """Read a file; `noun` says what it should be.

    Raises:
        DocumentError: it cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"the {noun} {path} cannot be read: {error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> "Value":
    """Read a document; `name` is how errors call it.

    Raises:
        DocumentError: it is not YAML, is empty, nested too deeply, or uses an alias.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                # The reader's time grows with the square of it: minutes for a file of 50 kB.
                raise DocumentError(f"{name}: it is nested too deeply")
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise DocumentError(
                    f"{name}:{line}: *{shown(event.anchor or '')} is an alias; write the value out instead"
                )
        node = yaml.compose(_Source(text, name), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise DocumentError(f"{where}: this is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: this is not YAML: {' '.join(str(error).split())}") from None
    if node is None:
        raise DocumentError(f"{name}: it is empty")
    return Value("", node)


class _Source(io.StringIO):
    """A text that the marks of its nodes call by its name."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the document. `key` is its path from the top, empty for the whole."""

    key: str
    node: yaml.Node

    @property
    def line(self) -> int:
        """The line it starts on, counted from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def place(self) -> str:
        """Its file and line, or the option that gave it."""
        name = str(self.node.start_mark.name)
        return name if name.startswith(OPTION) else f"{name}:{self.line}"

    def error(self, fault: str) -> DocumentError:
        """What to raise when this value is at fault."""
        return DocumentError(f"{self.place}: {shown(self.key) + ': ' if self.key else ''}{fault}")

    def at(self, path: str) -> "Value":
        """The value at a path of keys below this one, or the innermost on the way there that stands in the document."""
        found = self
        for key in path.split("."):
            below = found.keys().get(key) if found.has_keys else None
            if below is None:
                return found
            found = below
        return found

    def override(self, setting: str) -> None:
        """Put a value in: `setting` is a path of keys, =, and the value as YAML, `mapping.batch_size=10`.

        Raises:
            DocumentError: it is not so, or on its way stands something that has no keys.
        """
        path, equals, text = setting.partition("=")
        option = f"{OPTION} {setting}"
        if not equals or not all(path.split(".")):
            raise DocumentError(f"{option}: it is not KEY.KEY=VALUE, as in mapping.batch_size=10")
        given = parse(text.strip() or "null", option).node
        node = self.node
        keys = path.split(".")
        for depth, key in enumerate(keys, start=1):
            if not isinstance(node, yaml.MappingNode):
                raise DocumentError(f"{option}: {'.'.join(keys[: depth - 1])} has no keys")
            below = next((below for name, below in node.value if name.value == key), None)
            if below is None or depth == len(keys):
                below = given if depth == len(keys) else yaml.MappingNode(f"{_TAG}map", [], given.start_mark)
                name = yaml.ScalarNode(f"{_TAG}str", key, given.start_mark)
                node.value = [pair for pair in node.value if pair[0].value != key] + [(name, below)]
            node = below

    @property
    def has_keys(self) -> bool:
        """Whether it is keys and values."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_null(self) -> bool:
        """Whether it is written as null, or left empty."""
        return self._kind == "null"

    def keys(self, known: "Collection[str] | None" = None, required: "Collection[str]" = ()) -> "Mapping[str, Value]":
        """Read keys and values; only `known` ones if given, `required` ones always."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self._unlike("keys and values")
        values: dict[str, Value] = {}
        for key_node, value_node in self.node.value:
            key = Value(self.key, key_node).text()
            here = Value(f"{self.key}.{key}" if self.key else key, key_node)
            if known is not None and key not in known:
                raise here.error(f"there is no such key{_did_you_mean(key, known)}")
            if key in values:
                raise here.error(f"it stands here a second time, first in line {values[key].line}")
            values[key] = Value(here.key, value_node)
        missing = [key for key in required if key not in values]
        if missing:
            raise self.error(f"{missing[0]} is missing")
        return values

    def items(self) -> "list[Value]":
        """Read a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self._unlike("a list")
        return [Value(f"{self.key}[{index}]", node) for index, node in enumerate(self.node.value)]

    def text(self) -> str:
        """Read a text that is not empty."""
        value = self.plain() if self._kind == "str" else None
        if not isinstance(value, str):
            raise self._unlike("a text")
        if not value.strip():
            raise self.error("it is empty")
        return value

    def choice(self, of: "Collection[str]") -> str:
        """Read one of some texts."""
        value = self.text()
        if value not in of:
            near = get_close_matches(value, of, n=1)
            raise self.error(
                f"{shown(value)!r} is none of {', '.join(of)}{f'; did you mean {near[0]}?' if near else ''}"
            )
        return value

    def flag(self) -> bool:
        """Read true or false."""
        value = self.plain() if self._kind == "bool" else None
        if not isinstance(value, bool):
            raise self._unlike("true or false")
        return value

    def whole(self, least: int = 0) -> int:
        """Read a whole number, `least` or more."""
        value = self.plain() if self._kind == "int" else None
        if not isinstance(value, int):
            raise self._unlike("a whole number")
        if value < least:
            raise self.error(f"{shown(str(value))} is less than {least}")
        return value

    def number(self, least: float = 0.0, *, above: bool = False) -> float:
        """Read a finite number, `least` or more; more than `least` if `above`."""
        value = self.plain() if self._kind in ("int", "float") else None
        if not isinstance(value, int | float):
            if self._kind == "str" and (written := _with_exponent(self.node.value)):
                raise self.error(
                    f"YAML takes {shown(self.node.value)} for a text, not a number; write {shown(written)}"
                )
            raise self._unlike("a number")
        if not math.isfinite(value):
            raise self.error(f"{value} is not a finite number")
        if value < least or (above and value == least):
            raise self.error(f"{value:g} is {'not more' if above else 'less'} than {least:g}")
        return float(value)

    def scalar(self) -> str | int | float | bool:
        """Read a text, a number, true or false."""
        value = self.plain() if self._kind in ("str", "int", "float", "bool") else None
        if not isinstance(value, str | int | float):
            raise self._unlike("a text, a number, true or false")
        return value

    def plain(self) -> Any:
        """The value without its place."""
        try:
            return yaml.constructor.SafeConstructor().construct_object(self.node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(f"it cannot be read: {' '.join(str(error).split())}") from None

    @property
    def _kind(self) -> str:
        return str(self.node.tag).removeprefix(_TAG)

    def _unlike(self, wanted: str) -> DocumentError:
        found = f" ({shown(self.node.value)!r})" if isinstance(self.node, yaml.ScalarNode) and self.node.value else ""
        return self.error(f"it is {shown(_KINDS.get(self._kind, self._kind))}{found}, not {wanted}")


def _with_exponent(text: str) -> str | None:
    """A number like 1e6 as YAML 1.1 wants it, with a point and a sign; None if it is none."""
    mantissa, e, exponent = text.lower().partition("e")
    try:
        if not e or not math.isfinite(float(text)):
            return None
    except ValueError:
        return None
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[:1] in '+-' else '+' + exponent}"


def _did_you_mean(word: str, known: "Collection[str]") -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
