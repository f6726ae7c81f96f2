"""What a request says: its texts, its expressions, and what their placeholders stand for."""

from collections.abc import Callable, Iterable
from typing import Any

from local.dynamodb.attribute_value import InvalidError, read_value
from local.dynamodb.expression import Expression, Scope, scope

Body = dict[str, Any]


def text_of(values: Body, member: str) -> str:
    """A member that has to be there and a text.

    Raises:
        InvalidError: it is not.
    """
    text = values.get(member)
    if not isinstance(text, str):
        raise InvalidError(f"{member} is missing or not a text")
    return text


def expression_of(values: Body, member: str, parse: Callable[[str], Expression]) -> Expression | None:
    """The expression in a member, None if there is no such member.

    Raises:
        InvalidError: it is no expression of that grammar.
    """
    return parse(text_of(values, member)) if member in values else None


def scope_of(values: Body, expressions: Iterable[Expression | None]) -> Scope:
    """The scope of all of a request's expressions.

    Raises:
        InvalidError: a placeholder is malformed, not defined or not used.
    """
    given = [expression for expression in expressions if expression is not None]
    names = values.get("ExpressionAttributeNames", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise InvalidError("ExpressionAttributeNames is not a map of names")
    substitutes = values.get("ExpressionAttributeValues", {})
    if not isinstance(substitutes, dict):
        raise InvalidError("ExpressionAttributeValues is not a map of values")
    if (names or substitutes) and not given:
        raise InvalidError("ExpressionAttributeNames and Values can only be specified when using expressions")
    return scope(given, names, {name: read_value(value) for name, value in substitutes.items()})
