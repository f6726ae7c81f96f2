"""Projection: the parts of an item that a reader asks for."""

from dataclasses import dataclass
from typing import Any

from local.dynamodb.attribute_value import Item, Value
from local.dynamodb.expression import Expression, Scope, at


@dataclass(frozen=True, slots=True)
class Projection:
    """The paths of a ProjectionExpression; without one, items are shown whole."""

    expression: Expression | None
    within: Scope

    def of(self, item: Item) -> Item:
        """What is shown of an item."""
        if self.expression is None:
            return item
        picked: dict[str, Any] = {}
        for path in self.expression.tree:
            resolved = self.within.resolve(path)
            value = at(item, resolved)
            if value is not None:
                _graft(picked, resolved, value)
        return picked


def _graft(onto: dict[str, Any], path: tuple[str | int, ...], value: Value) -> None:
    """Put a value where its path says, maps and lists made on the way; a list holds only what was asked for."""
    node: dict[str, Any] = {"M": onto}
    for place, element in enumerate(path):
        last = place == len(path) - 1
        child: Any = value if last else ({"L": []} if isinstance(path[place + 1], int) else {"M": {}})
        if isinstance(element, int):
            node["L"].append(child)
            node = child
        else:
            node = node["M"].setdefault(element, child)
