"""The grammar of DynamoDB's expressions; each text is parsed once.

    condition := operand comparator operand | operand BETWEEN operand AND operand | operand IN ( operand, ... )
               | function | condition AND condition | condition OR condition | NOT condition | ( condition )
    update    := SET path = value, ... | REMOVE path, ... | ADD path :value, ... | DELETE path :value, ...

(docs: Expressions.OperatorsAndFunctions, Expressions.UpdateExpressions.)
"""

import importlib.util
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from pathlib import Path as FilePath
from typing import Any, Final

from local.dynamodb.attribute_value import InvalidError
from local.dynamodb.expression import Expression, Node, Path, Update

_TOKEN: Final = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|(<>|<=|>=|[=<>+\-.,()\[\]]))")
_COMPARATORS: Final = ("=", "<>", "<", "<=", ">", ">=")
_CONDITION_FUNCTIONS: Final = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
# DynamoDB quotas: 4 KB of expression. What nests deeper than a sane one is refused before it can exhaust the stack.
_LONGEST: Final = 4_096
_DEEPEST: Final = 100


@lru_cache(maxsize=1_024)
def parse_condition(text: str) -> Expression:
    """Parse a ConditionExpression, FilterExpression or KeyConditionExpression.

    Raises:
        InvalidError: it is none.
    """
    return _parse(text, _Parser.whole_condition)


@lru_cache(maxsize=1_024)
def parse_update(text: str) -> Expression:
    """Parse an UpdateExpression; the tree is a list of `Update`.

    Raises:
        InvalidError: it is none.
    """
    return _parse(text, _Parser.whole_update)


@lru_cache(maxsize=1_024)
def parse_projection(text: str) -> Expression:
    """Parse a ProjectionExpression; the tree is a list of paths.

    Raises:
        InvalidError: it is none.
    """
    return _parse(text, _Parser.whole_projection)


def _parse(text: str, rule: "Callable[[_Parser], Any]") -> Expression:
    if not text.strip():
        raise InvalidError("Invalid expression: The expression can not be empty;")
    if len(text.encode("utf-8", "replace")) > _LONGEST:
        raise InvalidError("Invalid expression: Expression size has exceeded the maximum allowed size;")
    parser = _Parser(text)
    tree = rule(parser)
    return Expression(tree, frozenset(parser.names), frozenset(parser.values))


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self.names: set[str] = set()
        self.values: set[str] = set()

    def whole_condition(self) -> Node:
        node = self._or()
        self._end()
        return node

    def whole_projection(self) -> list[Path]:
        paths = self._listed(self._path)
        self._end()
        return paths

    def whole_update(self) -> list[Update]:
        updates: list[Update] = []
        seen: set[str] = set()
        while self._peek():
            action = self._take().upper()
            if action in seen:
                raise InvalidError(f'Invalid UpdateExpression: The "{action}" section can only be used once')
            seen.add(action)
            match action:
                case "SET":
                    updates.extend(self._listed(self._assignment))
                case "REMOVE":
                    updates.extend(Update("REMOVE", path, None) for path in self._listed(self._path))
                case "ADD" | "DELETE":
                    updates.extend(self._listed(partial(self._change, action)))
                case _:
                    raise self._error(action)
        return updates

    def _change(self, action: str) -> Update:
        return Update(action, self._path(), self._value())

    def _assignment(self) -> Update:
        path = self._path()
        self._expect("=")
        operand = self._set_operand()
        if self._peek() in ("+", "-"):
            operand = (self._take(), operand, self._set_operand())
        return Update("SET", path, operand)

    def _set_operand(self) -> Node:
        if self._peek(1) == "(":
            function = self._take()
            self._expect("(")
            first = self._set_operand()
            self._expect(",")
            second = self._set_operand()
            self._expect(")")
            if function == "list_append" or (function == "if_not_exists" and first[0] == "path"):
                return (function, first, second)
            raise self._error(function)
        return self._operand()

    def _or(self) -> Node:
        node = self._and()
        while self._keyword("OR"):
            node = ("or", node, self._and())
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._keyword("AND"):
            node = ("and", node, self._not())
        return node

    def _not(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise InvalidError("Invalid expression: The expression is nested too deep")
        try:
            return ("not", self._not()) if self._keyword("NOT") else self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Node:
        if self._peek() == "(":
            self._take()
            node = self._or()
            self._expect(")")
            return node
        if self._peek(1) == "(" and self._peek() != "size":
            return self._function()
        operand = self._operand()
        if self._peek() in _COMPARATORS:
            return (self._take(), operand, self._operand())
        if self._keyword("BETWEEN"):
            low = self._operand()
            if not self._keyword("AND"):
                raise self._error(self._peek())
            return ("between", operand, low, self._operand())
        if self._keyword("IN"):
            self._expect("(")
            choices = self._listed(self._operand)
            self._expect(")")
            return ("in", operand, choices)
        raise self._error(self._peek())

    def _function(self) -> Node:
        name = self._take()
        self._expect("(")
        arguments = self._listed(self._operand)
        self._expect(")")
        if _CONDITION_FUNCTIONS.get(name) != len(arguments):
            raise self._error(name)
        return (name, *arguments)

    def _operand(self) -> Node:
        if self._peek().startswith(":"):
            return self._value()
        if self._peek() == "size" and self._peek(1) == "(":
            self._take()
            self._expect("(")
            path = self._path()
            self._expect(")")
            return ("size", ("path", path))
        return ("path", self._path())

    def _value(self) -> Node:
        name = self._take()
        if not name.startswith(":"):
            raise self._error(name)
        self.values.add(name)
        return (name,)

    def _path(self) -> Path:
        elements: list[str | int] = [self._name()]
        while True:
            if self._peek() == ".":
                self._take()
                elements.append(self._name())
            elif self._peek() == "[":
                self._take()
                index = self._take()
                if not (index.isascii() and index.isdigit()):
                    raise self._error(index)
                elements.append(int(index))
                self._expect("]")
            else:
                return tuple(elements)

    def _name(self) -> str:
        name = self._take()
        if name.startswith("#"):
            self.names.add(name)
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise self._error(name)
        elif name.upper() in _reserved_words():
            raise InvalidError(f"Invalid expression: Attribute name is a reserved keyword; reserved keyword: {name}")
        return name

    def _listed(self, rule: Callable[[], Any]) -> list[Any]:
        members = [rule()]
        while self._peek() == ",":
            self._take()
            members.append(rule())
        return members

    def _keyword(self, word: str) -> bool:
        if self._peek().upper() != word:
            return False
        self._next += 1
        return True

    def _peek(self, ahead: int = 0) -> str:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise self._error("<EOF>")
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise self._error(self._peek())
        self._next += 1

    def _end(self) -> None:
        if self._peek():
            raise self._error(self._peek())

    def _error(self, token: str) -> InvalidError:
        near = " ".join(self._tokens[max(0, self._next - 2) : self._next + 2])
        return InvalidError(f'Invalid expression: Syntax error; token: "{token or "<EOF>"}", near: "{near}"')


def _tokens(text: str) -> Iterator[str]:
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise InvalidError(f'Invalid expression: Syntax error; token: "{text[place : place + 10].strip()}"')
        place = match.end()
        yield match[1] or match[2]


@cache
def _reserved_words() -> frozenset[str]:
    """AWS's list of some 570 words, which moto carries. Read as a file, for importing moto takes a second."""
    moto = importlib.util.find_spec("moto")
    assert moto is not None
    assert moto.origin is not None
    words = FilePath(moto.origin).parent / "dynamodb" / "parsing" / "reserved_keywords.txt"
    return frozenset(words.read_text(encoding="ascii").split())
