"""What an update expression does to an item."""

import itertools
from collections.abc import Sequence
from typing import Final

from local.dynamodb.attribute_value import InvalidError, Item, Value, add_numbers, kind_of
from local.dynamodb.expression import Path, Scope, Update, at, value_of

_SETS: Final = ("SS", "NS", "BS")
_INVALID_PATH: Final = "The document path provided in the update expression is invalid for update"


def updated(item: Item, updates: Sequence[Update], within: Scope, key_names: Sequence[str]) -> dict[str, Value]:
    """An item with an update's actions applied, all of them judged by the item as it was.

    Raises:
        InvalidError: an action is not possible, touches the key, or two touch the same path.
    """
    paths = [within.resolve(update.path) for update in updates]
    _check_paths(paths, key_names)
    changes = [(path, _changed(item, path, update, within)) for path, update in zip(paths, updates, strict=True)]
    root: Value = {"M": item}
    for path, value in changes:
        if value is not None:
            root = _with(root, path, value)
    # From the end of each list, so that the places still to come stay what they were.
    for path, value in sorted(changes, key=lambda change: _order(change[0]), reverse=True):
        if value is None:
            root = _without(root, path)
    return dict(root["M"])


def _check_paths(paths: Sequence[Path], key_names: Sequence[str]) -> None:
    for path in paths:
        if path[0] in key_names:
            raise InvalidError(
                "One or more parameter values were invalid: "
                f"Cannot update attribute {path[0]}. This attribute is part of the key"
            )
    # In order, a path stands right before those that begin with it.
    ordered = sorted(paths, key=_order)
    for one, other in itertools.pairwise(ordered):
        if other[: len(one)] == one:
            raise InvalidError(
                "Invalid UpdateExpression: Two document paths overlap with each other; "
                "must remove or rewrite one of these paths"
            )


def _order(path: Path) -> list[tuple[bool, str | int]]:
    return [(isinstance(element, int), element) for element in path]


def _changed(item: Item, path: Path, update: Update, within: Scope) -> Value | None:
    """The new value at a path; None to remove it."""
    if update.operand is None:
        return None
    value = value_of(update.operand, item, within)
    if value is None:
        raise InvalidError("The provided expression refers to an attribute that does not exist in the item")
    old = at(item, path)
    if update.action == "ADD":
        return _added(old, value)
    if update.action == "DELETE":
        return _deleted(old, value)
    return value


def _added(old: Value | None, value: Value) -> Value:
    kind = kind_of(value)
    if kind not in ("N", *_SETS):
        raise InvalidError(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, "
            f"operand type: {kind}"
        )
    if old is None:
        return value
    if kind_of(old) != kind:
        raise InvalidError("An operand in the update expression has an incorrect data type")
    if kind == "N":
        return {"N": add_numbers(old["N"], value["N"])}
    return {kind: [*old[kind], *(member for member in value[kind] if member not in old[kind])]}


def _deleted(old: Value | None, value: Value) -> Value | None:
    kind = kind_of(value)
    if kind not in _SETS:
        raise InvalidError(
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, "
            f"operand type: {kind}"
        )
    if old is None:
        return None
    if kind_of(old) != kind:
        raise InvalidError("An operand in the update expression has an incorrect data type")
    left = [member for member in old[kind] if member not in value[kind]]
    return {kind: left} if left else None


def _with(value: Value, path: Path, new: Value) -> Value:
    if not path:
        return new
    element, rest = path[0], path[1:]
    if isinstance(element, int):
        if "L" not in value:
            raise InvalidError(_INVALID_PATH)
        members = list(value["L"])
        if element < len(members):
            members[element] = _with(members[element], rest, new)
        elif rest:
            raise InvalidError(_INVALID_PATH)
        else:
            members.append(new)
        return {"L": members}
    if "M" not in value or (rest and element not in value["M"]):
        raise InvalidError(_INVALID_PATH)
    return {"M": {**value["M"], element: _with(value["M"][element], rest, new) if rest else new}}


def _without(value: Value, path: Path) -> Value:
    element, rest = path[0], path[1:]
    if isinstance(element, int):
        members = list(value.get("L", ()))
        if "L" not in value:
            raise InvalidError(_INVALID_PATH)
        if element < len(members):
            members[element : element + 1] = [_without(members[element], rest)] if rest else []
        return {"L": members}
    if "M" not in value or (rest and element not in value["M"]):
        raise InvalidError(_INVALID_PATH)
    attributes = dict(value["M"])
    if rest:
        attributes[element] = _without(attributes[element], rest)
    else:
        attributes.pop(element, None)
    return {"M": attributes}
