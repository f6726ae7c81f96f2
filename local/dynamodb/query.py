"""Query and Scan: which items of an index are read, and a page of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from local.dynamodb import capacity
from local.dynamodb.attribute_value import InvalidError, Item, Value, read_item, size_of
from local.dynamodb.expression import Expression, Node, Scope, holds
from local.dynamodb.grammar import parse_condition, parse_projection
from local.dynamodb.projection import Projection
from local.dynamodb.request import Body, expression_of, scope_of, text_of
from local.dynamodb.table import PAGE_BYTES, Index, KeySchema, SortRange, Table


def query(table: Table, values: Body) -> Body:
    """A page of the items that a KeyConditionExpression names.

    Raises:
        InvalidError: the request is none that Query takes.
    """
    index = _index(table, values)
    key_condition = parse_condition(text_of(values, "KeyConditionExpression"))
    reading = _Reading.asked_for(table, index, values, [key_condition])
    hash_, range_ = _key_condition(key_condition.tree, index.schema, reading.within)
    return reading.page(table.within(index, hash_, range_), values)


def scan(table: Table, values: Body) -> Body:
    """A page of all items.

    Raises:
        InvalidError: the request is none that Scan takes.
    """
    index = _index(table, values)
    return _Reading.asked_for(table, index, values, []).page(table.all(index), values)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What Query and Scan share: where they read, what passes their filter and what they show of it."""

    table: Table
    index: Index
    filter: Expression | None
    projection: Projection
    within: Scope

    @classmethod
    def asked_for(cls, table: Table, index: Index, values: Body, others: Iterable[Expression]) -> Self:
        """What a request asks for; `others` are expressions of it that share its placeholders."""
        filter_ = expression_of(values, "FilterExpression", parse_condition)
        paths = expression_of(values, "ProjectionExpression", parse_projection)
        within = scope_of(values, [*others, filter_, paths])
        return cls(table, index, filter_, Projection(paths, within), within)

    def page(self, found: list[Item], values: Body) -> Body:
        """The answer that a request gets of the items found."""
        limit = values.get("Limit")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidError("Limit must be greater than or equal to 1")
        select = values.get("Select")
        if select not in (None, "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"):
            raise InvalidError(f"Select has no value {str(select)[:100]}")
        found = self._to_come(found, values)
        items: list[Item] = []
        size = scanned = 0
        last: Item | None = None
        for item in found:
            scanned += 1
            shown = self.index.shown(item)
            size += self.table.size(item) if shown is item else size_of(shown)
            if self.filter is None or holds(self.filter.tree, shown, self.within):
                items.append(shown)
            if scanned == limit or size >= PAGE_BYTES:
                last = item
                break
        page: Body = {"Count": len(items), "ScannedCount": scanned}
        if select != "COUNT":
            page["Items"] = [self.projection.of(item) for item in items]
        if last is not None and (limit == scanned or scanned < len(found)):
            page["LastEvaluatedKey"] = {name: last[name] for name in self._key_names()}
        return {**page, **capacity.of_read(values, self.table, size, values.get("IndexName"))}

    def _to_come(self, found: list[Item], values: Body) -> list[Item]:
        """What a query has not had yet, in the order it asks for."""
        forward = values.get("ScanIndexForward", True)
        start_key = values.get("ExclusiveStartKey")
        if start_key is not None:
            key = read_item(start_key)
            if set(key) != self._key_names():
                raise InvalidError("The provided starting key is invalid")
            self.table.schema.check(key)
            self.index.schema.check(key)
            place = self.table.place(self.index, key)
            by_place = [self.table.place(self.index, item) for item in found]
            found = found[bisect_right(by_place, place) :] if forward else found[: bisect_left(by_place, place)]
        return found if forward else found[::-1]

    def _key_names(self) -> set[str]:
        return {*self.table.schema.names, *self.index.schema.names}


def _index(table: Table, values: Body) -> Index:
    name = values.get("IndexName")
    if name is None:
        return table.own_index
    index = table.indexes.get(text_of(values, "IndexName"))
    if index is None:
        raise InvalidError(f"The table does not have the specified index: {str(name)[:255]}")
    if values.get("ConsistentRead"):
        raise InvalidError("Consistent reads are not supported on global secondary indexes")
    return index


def _key_condition(node: Node, schema: KeySchema, within: Scope) -> tuple[Value, SortRange]:
    """What a KeyConditionExpression asks for: `hash = :v`, and perhaps one condition on the sort key."""
    parts = [node[1], node[2]] if node[0] == "and" else [node]
    hash_: Value | None = None
    range_ = SortRange()
    for part in parts:
        name, values = _compared(part, within)
        if any(schema.types.get(name) not in value for value in values):
            raise InvalidError(
                "One or more parameter values were invalid: Condition parameter type does not match schema type"
            )
        if name == schema.hash and part[0] == "=" and hash_ is None:
            (hash_,) = values
        elif name == schema.sort and range_ == SortRange():
            range_ = _sort_range(part[0], values)
        else:
            raise InvalidError("Query key condition not supported")
    if hash_ is None:
        raise InvalidError(f"Query condition missed key schema element: {schema.hash}")
    return hash_, range_


def _compared(part: Node, within: Scope) -> tuple[str, list[Value]]:
    operator, operand, *others = part
    values = [within.values[other[0]] for other in others if len(other) == 1]
    if operand[0] != "path" or len(operand[1]) != 1 or len(values) != len(others):
        raise InvalidError("Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression")
    if operator not in ("=", "<", "<=", ">", ">=", "between", "begins_with"):
        raise InvalidError(f"Invalid operator used in KeyConditionExpression: {operator}")
    (name,) = within.resolve(operand[1])
    return str(name), values


def _sort_range(operator: str, values: list[Value]) -> SortRange:
    match operator:
        case "between":
            return SortRange(low=values[0], high=values[1])
        case "begins_with":
            if "N" in values[0]:
                raise InvalidError("Invalid KeyConditionExpression: begins_with is not for numbers")
            return SortRange(prefix=values[0])
        case "=":
            return SortRange(low=values[0], high=values[0])
        case "<" | "<=":
            return SortRange(high=values[0], without_high=operator == "<")
    return SortRange(low=values[0], without_low=operator == ">")
