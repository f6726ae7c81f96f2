"""DynamoDB on the wire: the operations on items that the pipeline uses, and those one looks at a table with.

moto's would do, but for its speed: a result's two updates took 30 ms of a core there and a query 5 ms an item, so that
it was the writing that held back a run at 25 results a second, not Rekognition at 50.
"""

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from local.attribute_value import InvalidError, Item, Value, read_item, read_value
from local.clock import Clock
from local.expression import (
    Expression,
    Node,
    Scope,
    at,
    holds,
    parse_condition,
    parse_projection,
    parse_update,
    scope,
)
from local.resource_properties import read
from local.service_error import ServiceError
from local.table import PAGE_BYTES, Index, KeySchema, SortRange, Table, updated
from local.template import Resource
from local.wire import WireRequest, WireResponse

_PREFIX: Final = "DynamoDB_20120810."
# What each operation is given that changes its answer, apart from the table's name and the expressions' placeholders.
_PLACEHOLDERS: Final = frozenset({"ExpressionAttributeNames", "ExpressionAttributeValues"})
_INDIFFERENT: Final = frozenset(
    {"TableName", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ConsistentRead"}
)
_RETURN_VALUES: Final = ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")

Body = dict[str, Any]


class ConditionalCheckFailedError(ServiceError):
    """DynamoDB's ConditionalCheckFailedException."""

    def __init__(self) -> None:
        super().__init__("ConditionalCheckFailedException", "The conditional request failed")


class DynamoDb:
    """The DynamoDB API over a stack's tables; a `local.wire.WireService`."""

    def __init__(self, tables: Mapping[str, Resource], clock: Clock, request_id: Callable[[], str]) -> None:
        self._tables = {name: _table(name, resource) for name, resource in tables.items()}
        self._resources = tables
        self._created_at = clock()
        self._request_id = request_id
        self._operations: dict[str, tuple[Callable[[Body], Body], frozenset[str]]] = {
            "DescribeTable": (self._describe_table, frozenset()),
            "ListTables": (self._list_tables, frozenset({"Limit", "ExclusiveStartTableName"})),
            "GetItem": (self._get_item, frozenset({"Key", "ProjectionExpression", "ExpressionAttributeNames"})),
            "PutItem": (self._put_item, frozenset({"Item", "ConditionExpression", "ReturnValues"}) | _PLACEHOLDERS),
            "UpdateItem": (
                self._update_item,
                frozenset({"Key", "UpdateExpression", "ConditionExpression", "ReturnValues"}) | _PLACEHOLDERS,
            ),
            "DeleteItem": (
                self._delete_item,
                frozenset({"Key", "ConditionExpression", "ReturnValues"}) | _PLACEHOLDERS,
            ),
            "Query": (
                self._query,
                frozenset(
                    {
                        *("IndexName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression", "Select"),
                        *("Limit", "ExclusiveStartKey", "ScanIndexForward"),
                    }
                )
                | _PLACEHOLDERS,
            ),
            "Scan": (
                self._scan,
                frozenset(
                    {"IndexName", "FilterExpression", "ProjectionExpression", "Select", "Limit", "ExclusiveStartKey"}
                )
                | _PLACEHOLDERS,
            ),
        }

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        try:
            return self._answer(200, self._perform(request))
        except ServiceError as error:
            if error.code == "ValidationException":
                kind = f"com.amazon.coral.validate#{error.code}"
            else:
                kind = f"com.amazonaws.dynamodb.v20120810#{error.code}"
            return self._answer(error.status, {"__type": kind, "message": error.message})

    def _perform(self, request: WireRequest) -> Body:
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(_PREFIX)
        if request.method != "POST" or name == target or name not in self._operations:
            raise ServiceError("UnknownOperationException", f"{name[:100] or 'this'} is not served here")
        try:
            values = json.loads(request.body)
        except (ValueError, RecursionError):
            raise ServiceError("SerializationException", "the body is not JSON") from None
        if not isinstance(values, dict):
            raise ServiceError("SerializationException", "the body is not a JSON object")
        values = {member: value for member, value in values.items() if value is not None}
        operation, members = self._operations[name]
        if unknown := sorted(set(values) - members - _INDIFFERENT):
            raise InvalidError(f"{', '.join(unknown)[:200]} of {name} is not served here")
        try:
            return operation(values)
        except RecursionError:
            raise InvalidError("Nesting Levels have exceeded supported limits") from None

    def _answer(self, status: int, body: Body) -> WireResponse:
        headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": self._request_id()}
        return WireResponse(status, headers, _ENCODER.encode(body).encode())

    def _describe_table(self, values: Body) -> Body:
        table = self._table(values)
        properties = self._resources[table.name].properties
        return {
            "Table": {
                "TableName": table.name,
                "TableArn": self._resources[table.name].attributes["Arn"],
                "TableStatus": "ACTIVE",
                "CreationDateTime": self._created_at,
                "ItemCount": len(table),
                "AttributeDefinitions": properties["AttributeDefinitions"],
                "KeySchema": properties["KeySchema"],
                "BillingModeSummary": {"BillingMode": properties.get("BillingMode", "PROVISIONED")},
                "GlobalSecondaryIndexes": [
                    {**index, "IndexStatus": "ACTIVE"} for index in properties.get("GlobalSecondaryIndexes", ())
                ],
            }
        }

    def _list_tables(self, _values: Body) -> Body:
        return {"TableNames": sorted(self._tables)}

    def _get_item(self, values: Body) -> Body:
        table = self._table(values)
        key = table.key_of(read_item(values.get("Key")))
        projection, within = _projection(values)
        item = table.get(key)
        return {} if item is None else {"Item": _projected(item, projection, within)}

    def _put_item(self, values: Body) -> Body:
        table = self._table(values)
        item = read_item(values.get("Item"))
        if not table.schema.held_by(item):
            raise InvalidError("One or more parameter values were invalid: Missing the key in the item")
        table.schema.check(item)
        old = table.get(table.schema.of(item))
        condition, within = _condition(values, [])
        _require(condition, old, within)
        returned = _returned(values, ("NONE", "ALL_OLD"), old or {}, item, [])
        table.put(item)
        return returned

    def _update_item(self, values: Body) -> Body:
        table = self._table(values)
        key_attributes = read_item(values.get("Key"))
        key = table.key_of(key_attributes)
        text = values.get("UpdateExpression")
        update = parse_update(_text(text, "UpdateExpression")) if text is not None else None
        condition, within = _condition(values, [update] if update else [])
        old = table.get(key)
        _require(condition, old, within)
        updates = update.tree if update else []
        new = updated(old if old is not None else key_attributes, updates, within, table.schema.names)
        touched = [within.resolve(each.path)[0] for each in updates]
        returned = _returned(values, _RETURN_VALUES, old or {}, new, touched)
        table.put(new)
        return returned

    def _delete_item(self, values: Body) -> Body:
        table = self._table(values)
        key = table.key_of(read_item(values.get("Key")))
        condition, within = _condition(values, [])
        old = table.get(key)
        _require(condition, old, within)
        returned = _returned(values, ("NONE", "ALL_OLD"), old or {}, {}, [])
        table.delete(key)
        return returned

    def _query(self, values: Body) -> Body:
        table = self._table(values)
        index = _index(table, values)
        key_condition = parse_condition(_text(values.get("KeyConditionExpression"), "KeyConditionExpression"))
        filter_, projection, within = _reading(values, [key_condition])
        hash_, range_ = _key_condition(key_condition.tree, index.schema, within)
        return _page(table, index, table.within(index, hash_, range_), values, filter_, projection, within)

    def _scan(self, values: Body) -> Body:
        table = self._table(values)
        index = _index(table, values)
        filter_, projection, within = _reading(values, [])
        return _page(table, index, table.all(index), values, filter_, projection, within)

    def _table(self, values: Body) -> Table:
        name = _text(values.get("TableName"), "TableName")
        # A table goes by its ARN too.
        table = self._tables.get(name.rsplit("/", 1)[-1] if name.startswith("arn:") else name)
        if table is None:
            message = f"Requested resource not found: Table: {name[:255]} not found"
            raise ServiceError("ResourceNotFoundException", message)
        return table


def _table(name: str, resource: Resource) -> Table:
    properties = read(
        resource,
        heeded=("TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"),
        # Neither throughput nor expiry is played: a table on demand takes 4,000 writes a second at once, and expiry
        # takes DynamoDB up to days.
        harmless=(
            *("ProvisionedThroughput", "TimeToLiveSpecification", "PointInTimeRecoverySpecification"),
            *("SSESpecification", "Tags", "DeletionProtectionEnabled", "TableClass"),
        ),
    )
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in properties["AttributeDefinitions"]}
    schema = _schema(properties["KeySchema"], types)
    indexes = {}
    for entry in properties.get("GlobalSecondaryIndexes", ()):
        own = _schema(entry["KeySchema"], types)
        projection = entry.get("Projection", {})
        projected = None
        if projection.get("ProjectionType", "ALL") != "ALL":
            projected = frozenset((*schema.names, *own.names, *projection.get("NonKeyAttributes", ())))
        indexes[entry["IndexName"]] = Index(own, projected)
    return Table(name, schema, indexes)


def _schema(entries: Iterable[Mapping[str, str]], types: Mapping[str, str]) -> KeySchema:
    by_role = {entry["KeyType"]: entry["AttributeName"] for entry in entries}
    return KeySchema(by_role["HASH"], by_role.get("RANGE"), types)


def _index(table: Table, values: Body) -> Index:
    name = values.get("IndexName")
    if name is None:
        return table.own_index
    index = table.indexes.get(_text(name, "IndexName"))
    if index is None:
        raise InvalidError(f"The table does not have the specified index: {str(name)[:255]}")
    if values.get("ConsistentRead"):
        raise InvalidError("Consistent reads are not supported on global secondary indexes")
    return index


def _text(value: object, member: str) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"{member} is missing or not a text")
    return value


def _scope(values: Body, expressions: list[Expression]) -> Scope:
    names = values.get("ExpressionAttributeNames", {})
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise InvalidError("ExpressionAttributeNames is not a map of names")
    given = values.get("ExpressionAttributeValues", {})
    if not isinstance(given, dict):
        raise InvalidError("ExpressionAttributeValues is not a map of values")
    if (names or given) and not expressions:
        raise InvalidError("ExpressionAttributeNames and Values can only be specified when using expressions")
    return scope(expressions, names, {name: read_value(value) for name, value in given.items()})


def _condition(values: Body, others: list[Expression]) -> tuple[Node | None, Scope]:
    text = values.get("ConditionExpression")
    condition = parse_condition(_text(text, "ConditionExpression")) if text is not None else None
    within = _scope(values, [*others, condition] if condition else others)
    return (condition.tree if condition else None), within


def _require(condition: Node | None, item: Item | None, within: Scope) -> None:
    if condition is not None and not holds(condition, item or {}, within):
        raise ConditionalCheckFailedError


def _projection(values: Body) -> tuple[Expression | None, Scope]:
    text = values.get("ProjectionExpression")
    projection = parse_projection(_text(text, "ProjectionExpression")) if text is not None else None
    return projection, _scope(values, [projection] if projection else [])


def _reading(values: Body, others: list[Expression]) -> tuple[Node | None, Expression | None, Scope]:
    expressions = list(others)
    filter_ = None
    if (text := values.get("FilterExpression")) is not None:
        filter_ = parse_condition(_text(text, "FilterExpression"))
        expressions.append(filter_)
    projection = None
    if (text := values.get("ProjectionExpression")) is not None:
        projection = parse_projection(_text(text, "ProjectionExpression"))
        expressions.append(projection)
    return (filter_.tree if filter_ else None), projection, _scope(values, expressions)


def _projected(item: Item, projection: Expression | None, within: Scope) -> Item:
    if projection is None:
        return item
    picked: dict[str, Any] = {}
    for path in projection.tree:
        resolved = within.resolve(path)
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


def _returned(values: Body, allowed: Iterable[str], old: Item, new: Item, touched: Iterable[str | int]) -> Body:
    wanted = values.get("ReturnValues", "NONE")
    if wanted not in allowed:
        raise InvalidError(f"Return values set to invalid value: {str(wanted)[:100]}")
    if wanted == "NONE":
        return {}
    item = old if wanted.endswith("OLD") else new
    if wanted.startswith("UPDATED"):
        item = {name: item[name] for name in map(str, touched) if name in item}
    return {"Attributes": item} if item else {}


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


def _page(
    table: Table,
    index: Index,
    found: list[Item],
    values: Body,
    filter_: Node | None,
    projection: Expression | None,
    within: Scope,
) -> Body:
    limit = values.get("Limit")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidError("Limit must be greater than or equal to 1")
    select = values.get("Select")
    if select not in (None, "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"):
        raise InvalidError(f"Select has no value {str(select)[:100]}")
    found = _to_come(table, index, found, values)
    items: list[Item] = []
    size = scanned = 0
    last: Item | None = None
    for item in found:
        scanned += 1
        size += table.size(item)
        shown = item if index.projected is None else {name: item[name] for name in item if name in index.projected}
        if filter_ is None or holds(filter_, shown, within):
            items.append(shown)
        if scanned == limit or size >= PAGE_BYTES:
            last = item
            break
    page: Body = {"Count": len(items), "ScannedCount": scanned}
    if select != "COUNT":
        page["Items"] = [_projected(item, projection, within) for item in items]
    if last is not None and (limit == scanned or scanned < len(found)):
        page["LastEvaluatedKey"] = {name: last[name] for name in {*table.schema.names, *index.schema.names}}
    return page


def _to_come(table: Table, index: Index, found: list[Item], values: Body) -> list[Item]:
    """What a query has not had yet, in the order it asks for."""
    forward = values.get("ScanIndexForward", True)
    start_key = values.get("ExclusiveStartKey")
    if start_key is not None:
        key = read_item(start_key)
        if set(key) != {*table.schema.names, *index.schema.names}:
            raise InvalidError("The provided starting key is invalid")
        table.schema.check(key)
        index.schema.check(key)
        place = table.place(index, key)
        by_place = [table.place(index, item) for item in found]
        found = found[bisect_right(by_place, place) :] if forward else found[: bisect_left(by_place, place)]
    return found if forward else found[::-1]


def _base64(value: object) -> str:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode("ascii")


_ENCODER: Final = json.JSONEncoder(default=_base64, separators=(",", ":"))
