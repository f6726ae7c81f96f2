"""DynamoDB's expressions: parsed once for each text, evaluated against items.

    condition := operand comparator operand | operand BETWEEN operand AND operand | operand IN ( operand, ... )
               | function | condition AND condition | condition OR condition | NOT condition | ( condition )
    update    := SET path = value, ... | REMOVE path, ... | ADD path :value, ... | DELETE path :value, ...

(docs: Expressions.OperatorsAndFunctions, Expressions.UpdateExpressions.)
"""

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path as FilePath
from typing import Any, Final

from local.attribute_value import InvalidError, Item, Value, add_numbers, equal, kind_of, sort_key

# A path's elements: names, placeholders as they are written, and places in lists.
Path = tuple[str | int, ...]
# What it is, then its parts: a path and its elements, a comparison and its operands; a placeholder stands alone.
Node = tuple[Any, ...]

_TOKEN: Final = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|(<>|<=|>=|[=<>+\-.,()\[\]]))")
_COMPARATORS: Final = ("=", "<>", "<", "<=", ">", ">=")
_ORDERS: Final = ("<", "<=", ">", ">=")
_ORDERED: Final = ("S", "N", "B")
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


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and the placeholders it uses."""

    tree: Any
    names: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Update:
    """One action of an update: SET, REMOVE, ADD or DELETE. `operand` is None for REMOVE."""

    action: str
    path: Path
    operand: Node | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders stand for: ExpressionAttributeNames and ExpressionAttributeValues."""

    names: Mapping[str, str]
    values: Mapping[str, Value]

    def resolve(self, path: Path) -> Path:
        """A path with its placeholders replaced."""
        return tuple(
            self.names[element] if isinstance(element, str) and element.startswith("#") else element for element in path
        )


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


def scope(expressions: list[Expression], names: Mapping[str, str], values: Mapping[str, Value]) -> Scope:
    """The scope of a request's expressions together.

    Raises:
        InvalidError: a placeholder is not defined, or one is defined and not used.
    """
    used_names = frozenset().union(*(expression.names for expression in expressions))
    used_values = frozenset().union(*(expression.values for expression in expressions))
    for used, given, what in ((used_names, names, "name"), (used_values, values, "value")):
        if missing := sorted(used - given.keys()):
            raise InvalidError(
                f"Invalid expression: An expression attribute {what} used in the document path is not defined; "
                f"attribute {what}: {missing[0]}"
            )
        if unused := sorted(given.keys() - used):
            raise InvalidError(
                f"Value provided in ExpressionAttribute{what.capitalize()}s unused in expressions: "
                f"keys: {{{', '.join(unused)}}}"
            )
    return Scope(names, values)


def holds(node: Node, item: Item, within: Scope) -> bool:
    """Whether a condition holds of an item."""
    match node:
        case "and", one, other:
            return holds(one, item, within) and holds(other, item, within)
        case "or", one, other:
            return holds(one, item, within) or holds(other, item, within)
        case "not", one:
            return not holds(one, item, within)
        case "attribute_exists", operand:
            return value_of(operand, item, within) is not None
        case "attribute_not_exists", operand:
            return value_of(operand, item, within) is None
        case "between", operand, low, high:
            return holds((">=", operand, low), item, within) and holds(("<=", operand, high), item, within)
        case "in", operand, choices:
            return any(holds(("=", operand, choice), item, within) for choice in choices)
    comparison, one, other = node
    if comparison in _ORDERS:
        for operand in (one, other):
            if len(operand) == 1 and kind_of(within.values[operand[0]]) not in _ORDERED:
                raise InvalidError(
                    "Invalid ConditionExpression: Incorrect operand type for operator or function; "
                    f"operator or function: {comparison}, operand type: {kind_of(within.values[operand[0]])}"
                )
    left, right = value_of(one, item, within), value_of(other, item, within)
    if left is None or right is None:
        return comparison == "<>" and (left is not None or right is not None)
    return _compare(comparison, left, right)


def value_of(operand: Node, item: Item, within: Scope) -> Value | None:
    """What an operand stands for; None for a path that leads nowhere."""
    match operand:
        case "path", path:
            return at(item, within.resolve(path))
        case "size", inner:
            value = value_of(inner, item, within)
            return None if value is None else _length(value)
        case "if_not_exists", path, default:
            found = value_of(path, item, within)
            return value_of(default, item, within) if found is None else found
        case "list_append", one, other:
            lists = [_needed(value_of(each, item, within)) for each in (one, other)]
            if any(kind_of(each) != "L" for each in lists):
                raise InvalidError(_WRONG_TYPE.format("list_append"))
            return {"L": [*lists[0]["L"], *lists[1]["L"]]}
        case ("+" | "-") as sign, one, other:
            terms = [_needed(value_of(each, item, within)) for each in (one, other)]
            if any(kind_of(each) != "N" for each in terms):
                raise InvalidError(_WRONG_TYPE.format(sign))
            return {"N": add_numbers(terms[0]["N"], terms[1]["N"], 1 if sign == "+" else -1)}
    (name,) = operand
    return within.values[name]


_WRONG_TYPE: Final = (
    "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: {}"
)


def at(item: Item, path: Path) -> Value | None:
    """What a path leads to in an item, if anything."""
    value: Any = {"M": item}
    for element in path:
        if isinstance(element, int):
            members = value.get("L")
            if members is None or element >= len(members):
                return None
            value = members[element]
        else:
            value = value.get("M", {}).get(element)
            if value is None:
                return None
    found: Value = value
    return found


def _needed(value: Value | None) -> Value:
    if value is None:
        raise InvalidError("The provided expression refers to an attribute that does not exist in the item")
    return value


def _compare(comparison: str, left: Value, right: Value) -> bool:
    kind = kind_of(left)
    match comparison:
        case "=":
            return equal(left, right)
        case "<>":
            return not equal(left, right)
        case "attribute_type":
            return right.get("S") == kind
        case "contains":
            if kind in ("S", "B"):
                return kind == kind_of(right) and right[kind] in left[kind]
            if kind in ("SS", "NS", "BS"):
                return kind[0] == kind_of(right) and right[kind[0]] in left[kind]
            return kind == "L" and any(equal(member, right) for member in left["L"])
    if kind != kind_of(right) or kind not in _ORDERED:
        return False
    if comparison == "begins_with":
        return kind != "N" and bool(left[kind].startswith(right[kind]))
    one, other = sort_key(left), sort_key(right)
    match comparison:
        case "<":
            return bool(one < other)
        case "<=":
            return bool(one <= other)
        case ">":
            return bool(one > other)
    return bool(one >= other)


def _length(value: Value) -> Value | None:
    kind = kind_of(value)
    return {"N": str(len(value[kind]))} if kind not in ("N", "BOOL", "NULL") else None


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
