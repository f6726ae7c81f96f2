"""The tree of `AWS::ApiGateway::Resource`s: from a path and a verb to a method."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

M = TypeVar("M")

ANY: Final = "ANY"


@dataclass(slots=True)
class _Node(Generic[M]):
    literals: "dict[str, _Node[M]]" = field(default_factory=dict)
    variable: "tuple[str, _Node[M]] | None" = None
    # {name+}: takes the rest of the path, whatever it is.
    greedy: "tuple[str, _Node[M]] | None" = None
    methods: dict[str, M] = field(default_factory=dict)


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class Match(Generic[M]):
    """A method and the parameters of its path, decoded."""

    method: M
    path_parameters: Mapping[str, str]


class Routes(Generic[M]):
    """Resource paths such as /v1/images/{key}. A literal part goes before a variable, that before {proxy+}."""

    def __init__(self) -> None:
        self._root: _Node[M] = _Node()
        # Paths without a variable, which go before all others: found without walking the tree.
        self._literal: dict[str, _Node[M]] = {}

    def add(self, resource_path: str, verb: str, method: M) -> None:
        """Add a method; the verb may be ANY.

        Raises:
            ValueError: two variables of different names at the same place.
        """
        node = self._root
        for part in _parts(resource_path):
            node = _child(node, part)
        node.methods[verb] = method
        if "{" not in resource_path:
            self._literal[resource_path] = node

    def find(self, path: str, verb: str) -> Match[M] | None:
        """The method for an undecoded path, or None."""
        parameters: dict[str, str] = {}
        node = self._literal.get(path) or _descend(self._root, _parts(path), parameters)
        if node is None:
            return None
        method = node.methods.get(verb) or node.methods.get(ANY)
        return None if method is None else Match(method, parameters)


def raw_path_parameters(resource_path: str, path: str) -> dict[str, str]:
    """The parameters of a path that belongs to a resource, undecoded."""
    parts = path.strip("/").split("/")
    parameters = {}
    for index, wanted in enumerate(_parts(resource_path)):
        if wanted.startswith("{") and wanted.endswith("+}"):
            parameters[wanted[1:-2]] = "/".join(parts[index:])
        elif wanted.startswith("{"):
            parameters[wanted[1:-1]] = parts[index]
    return parameters


def _parts(path: str) -> list[str]:
    return path.split("/")[1:] if path not in {"", "/"} else []


def _child(node: _Node[M], part: str) -> _Node[M]:
    if not (part.startswith("{") and part.endswith("}")):
        return node.literals.setdefault(part, _Node())
    name = part[1:-1]
    if name.endswith("+"):
        node.greedy = node.greedy or (name[:-1], _Node())
        name, known = name[:-1], node.greedy
    else:
        node.variable = node.variable or (name, _Node())
        known = node.variable
    if known[0] != name:
        raise ValueError(f"{{{name}}} stands where {{{known[0]}}} does")
    return known[1]


def _descend(node: _Node[M], parts: list[str], parameters: dict[str, str]) -> _Node[M] | None:
    if not parts:
        return node if node.methods else None
    part, rest = parts[0], parts[1:]
    literal = node.literals.get(part)
    if literal is not None and (found := _descend(literal, rest, parameters)) is not None:
        return found
    if node.variable is not None and part:
        name, below = node.variable
        if (found := _descend(below, rest, parameters)) is not None:
            parameters[name] = urllib.parse.unquote(part)
            return found
    if node.greedy is not None and any(parts):
        name, below = node.greedy
        parameters[name] = urllib.parse.unquote("/".join(parts))
        return below if below.methods else None
    return None
