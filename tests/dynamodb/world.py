"""Two tables as a template declares them, and calls to them as they come over the wire."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from local.dynamodb.service import DynamoDb
from local.physical_names import PhysicalNames
from local.template import parse
from local.wire import WireRequest

TEMPLATE = """
Resources:
  Results:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: results
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: request_id, AttributeType: S}
        - {AttributeName: run_id, AttributeType: S}
        - {AttributeName: sequence, AttributeType: N}
      KeySchema: [{AttributeName: request_id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: by_run
          KeySchema: [{AttributeName: run_id, KeyType: HASH}, {AttributeName: sequence, KeyType: RANGE}]
          Projection: {ProjectionType: ALL}
  Log:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: log
      AttributeDefinitions:
        - {AttributeName: name, AttributeType: S}
        - {AttributeName: at, AttributeType: S}
      KeySchema: [{AttributeName: name, KeyType: HASH}, {AttributeName: at, KeyType: RANGE}]
      GlobalSecondaryIndexes:
        - IndexName: by_at
          KeySchema: [{AttributeName: at, KeyType: HASH}]
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [shown]}
"""

Call = Callable[..., Any]


class RefusedError(Exception):
    """What DynamoDB answered instead: its error's name, and the item that it shows with it."""

    def __init__(self, code: str, message: str, item: Any = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.item = item


def make_db() -> DynamoDb:
    stack = parse(TEMPLATE).resolve({}, PhysicalNames(queue_base_url="http://127.0.0.1:1"))
    tables = {resource.ref: resource for resource in stack.resources.values()}
    return DynamoDb(tables, lambda: 1_700_000_000.0, lambda: "request")


def make_call() -> Call:
    db = make_db()

    def call(operation: str, **values: Any) -> Any:
        values.setdefault("TableName", "results")
        return ask(db, f"DynamoDB_20120810.{operation}", json.dumps(values).encode())

    return call


def ask(db: DynamoDb, target: str, body: bytes) -> Any:
    answer = asyncio.run(db.handle(WireRequest("POST", "/", headers={"x-amz-target": target}, body=body)))
    parsed = json.loads(answer.body)
    if answer.status != 200:
        raise RefusedError(parsed["__type"].rpartition("#")[2], parsed["message"], parsed.get("Item"))
    return parsed


def put(call: Call, request_id: str, **attributes: Any) -> None:
    call("PutItem", Item={"request_id": {"S": request_id}, **attributes})


def get(call: Call, request_id: str) -> Any:
    return call("GetItem", Key={"request_id": {"S": request_id}}).get("Item")
