"""DynamoDB's expressions, parsed: what their nodes mean for an item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.dynamodb.attribute_value import InvalidError, Item, Value, add_numbers, equal, kind_of, sort_key

# A path's elements: names, placeholders as they are written, and places in lists.
Path = tuple[str | int, ...]
# What it is, then its parts: a path and its elements, a comparison and its operands; a placeholder stands alone.
Node = tuple[Any, ...]

_ORDERS: Final = ("<", "<=", ">", ">=")
_ORDERED: Final = ("S", "N", "B")
_WRONG_TYPE: Final = (
    "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: {}"
)


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
