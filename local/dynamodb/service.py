"""The DynamoDB API on the wire."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from local.clock import Clock
from local.dynamodb import capacity
from local.dynamodb.attribute_value import InvalidError, Item, read_item
from local.dynamodb.declaration import description_of, table_of
from local.dynamodb.expression import Expression, Scope, holds
from local.dynamodb.grammar import parse_condition, parse_projection, parse_update
from local.dynamodb.projection import Projection
from local.dynamodb.query import query, scan
from local.dynamodb.request import Body, expression_of, scope_of, text_of
from local.dynamodb.table import Table
from local.dynamodb.update import updated
from local.service_error import ServiceError
from local.template import Resource
from local.wire import WireRequest, WireResponse

_PREFIX: Final = "DynamoDB_20120810."
# What each operation is given that changes its answer, apart from the table's name and the expressions' placeholders.
_PLACEHOLDERS: Final = frozenset({"ExpressionAttributeNames", "ExpressionAttributeValues"})
_CONDITIONAL: Final = frozenset({"ConditionExpression", "ReturnValuesOnConditionCheckFailure", "ReturnValues"})
_INDIFFERENT: Final = frozenset(
    {"TableName", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ConsistentRead"}
)
_RETURN_VALUES: Final = ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")


class ConditionalCheckFailedError(ServiceError):
    """DynamoDB's ConditionalCheckFailedException; with the item that is there, if it was asked for and there is one."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("ConditionalCheckFailedException", "The conditional request failed")
        self.item = item


class DynamoDb:
    """The DynamoDB API over a stack's tables; a `local.wire.WireService`."""

    def __init__(self, tables: Mapping[str, Resource], clock: Clock, request_id: Callable[[], str]) -> None:
        self._tables = {name: table_of(name, resource) for name, resource in tables.items()}
        self._resources = tables
        self._created_at = clock()
        self._request_id = request_id
        self._operations: dict[str, tuple[Callable[[Body], Body], frozenset[str]]] = {
            "DescribeTable": (self._describe_table, frozenset()),
            "ListTables": (self._list_tables, frozenset({"Limit", "ExclusiveStartTableName"})),
            "GetItem": (self._get_item, frozenset({"Key", "ProjectionExpression", "ExpressionAttributeNames"})),
            "PutItem": (self._put_item, frozenset({"Item"}) | _CONDITIONAL | _PLACEHOLDERS),
            "UpdateItem": (
                self._update_item,
                frozenset({"Key", "UpdateExpression"}) | _CONDITIONAL | _PLACEHOLDERS,
            ),
            "DeleteItem": (
                self._delete_item,
                frozenset({"Key"}) | _CONDITIONAL | _PLACEHOLDERS,
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
            body: Body = {"__type": kind, "message": error.message}
            if isinstance(error, ConditionalCheckFailedError) and error.item is not None:
                body["Item"] = error.item
            return self._answer(error.status, body)

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
        return {"Table": description_of(table, self._resources[table.name], self._created_at)}

    def _list_tables(self, _values: Body) -> Body:
        return {"TableNames": sorted(self._tables)}

    def _get_item(self, values: Body) -> Body:
        table = self._table(values)
        key = table.key_of(read_item(values.get("Key")))
        paths = expression_of(values, "ProjectionExpression", parse_projection)
        projection = Projection(paths, scope_of(values, [paths]))
        item = table.get(key)
        consumed = capacity.of_read(values, table, 0 if item is None else table.size(item))
        return consumed if item is None else {"Item": projection.of(item), **consumed}

    def _put_item(self, values: Body) -> Body:
        table = self._table(values)
        item = read_item(values.get("Item"))
        if not table.schema.held_by(item):
            raise InvalidError("One or more parameter values were invalid: Missing the key in the item")
        table.schema.check(item)
        old = table.get(table.schema.of(item))
        condition, within = _condition(values)
        _require(values, condition, old, within)
        returned = _returned(values, ("NONE", "ALL_OLD"), old or {}, item, [])
        consumed = capacity.of_write(values, table, old, item)
        table.put(item)
        return {**returned, **consumed}

    def _update_item(self, values: Body) -> Body:
        table = self._table(values)
        key_attributes = read_item(values.get("Key"))
        key = table.key_of(key_attributes)
        update = expression_of(values, "UpdateExpression", parse_update)
        condition, within = _condition(values, update)
        old = table.get(key)
        _require(values, condition, old, within)
        updates = update.tree if update else []
        new = updated(old if old is not None else key_attributes, updates, within, table.schema.names)
        touched = [within.resolve(each.path)[0] for each in updates]
        returned = _returned(values, _RETURN_VALUES, old or {}, new, touched)
        consumed = capacity.of_write(values, table, old, new)
        table.put(new)
        return {**returned, **consumed}

    def _delete_item(self, values: Body) -> Body:
        table = self._table(values)
        key = table.key_of(read_item(values.get("Key")))
        condition, within = _condition(values)
        old = table.get(key)
        _require(values, condition, old, within)
        returned = _returned(values, ("NONE", "ALL_OLD"), old or {}, {}, [])
        consumed = capacity.of_write(values, table, old, None)
        table.delete(key)
        return {**returned, **consumed}

    def _query(self, values: Body) -> Body:
        return query(self._table(values), values)

    def _scan(self, values: Body) -> Body:
        return scan(self._table(values), values)

    def _table(self, values: Body) -> Table:
        name = text_of(values, "TableName")
        # A table goes by its ARN too.
        table = self._tables.get(name.rsplit("/", 1)[-1] if name.startswith("arn:") else name)
        if table is None:
            message = f"Requested resource not found: Table: {name[:255]} not found"
            raise ServiceError("ResourceNotFoundException", message)
        return table


def _condition(values: Body, update: Expression | None = None) -> tuple[Expression | None, Scope]:
    condition = expression_of(values, "ConditionExpression", parse_condition)
    return condition, scope_of(values, [update, condition])


def _require(values: Body, condition: Expression | None, item: Item | None, within: Scope) -> None:
    shown = values.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if shown not in ("NONE", "ALL_OLD"):
        raise InvalidError(f"Return values set to invalid value: {str(shown)[:100]}")
    if condition is not None and not holds(condition.tree, item or {}, within):
        raise ConditionalCheckFailedError(item if shown == "ALL_OLD" else None)


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


def _base64(value: object) -> str:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode("ascii")


_ENCODER: Final = json.JSONEncoder(default=_base64, separators=(",", ":"))
