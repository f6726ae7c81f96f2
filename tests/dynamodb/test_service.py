"""The DynamoDB API: what it refuses, checked by hand against AWS's documentation."""

from typing import Any

import pytest

from tests.dynamodb.world import Call, RefusedError, ask, get, make_db


@pytest.mark.parametrize(
    ("operation", "values", "code"),
    [
        ("GetItem", {"Key": {}}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"N": "1"}}}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"S": ""}}}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"S": "x" * 2_049}}}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"S": "a"}, "more": {"S": "b"}}}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"S": "a"}}, "TableName": "none"}, "ResourceNotFoundException"),
        ("GetItem", {"Key": {"request_id": {"S": "a"}}, "TableName": 7}, "ValidationException"),
        ("GetItem", {"Key": {"request_id": {"S": "a"}}, "AttributesToGet": ["a"]}, "ValidationException"),
        ("PutItem", {"Item": {"a": {"S": "b"}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"S": "x" * 410_000}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"Q": "x"}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"S": "a", "N": "1"}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"SS": ["a", "a"]}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"SS": []}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"B": "not base64!"}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"S": "\ud800"}}}, "ValidationException"),
        ("PutItem", {"Item": {"request_id": {"S": "a"}, "sequence": {"S": "no number"}}}, "ValidationException"),
        *[
            ("PutItem", {"Item": {"request_id": {"S": "a"}, "x": {"N": text}}}, "ValidationException")
            for text in ("", "x", "NaN", "Infinity", "1e126", "1e-131", "1_0", "\u0661", "1" * 39, "0x1")
        ],
        ("UpdateItem", {"UpdateExpression": "SET request_id = :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :v, a = :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a.b = :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = nothing"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :v SET b = :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :v + :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "ADD a :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET status = :v"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": ""}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :v;"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :w"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "REMOVE a"}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = " + "if_not_exists(a, " * 300}, "ValidationException"),
        ("UpdateItem", {"UpdateExpression": "SET a = :v", "ConditionExpression": "a < :m"}, "ValidationException"),
        (
            "UpdateItem",
            {"UpdateExpression": "SET a = :v", "ReturnValuesOnConditionCheckFailure": "ALL_NEW"},
            "ValidationException",
        ),
        ("Query", {}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "run_id = :v"}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "request_id > :v"}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "request_id = :v OR request_id = :v"}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "request_id = :v", "IndexName": "none"}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "(" * 2_000}, "ValidationException"),
        ("Query", {"KeyConditionExpression": "request_id = :v", "Limit": 0}, "ValidationException"),
        ("Scan", {"ExclusiveStartKey": {"a": {"S": "b"}}}, "ValidationException"),
        ("BatchWriteItem", {}, "UnknownOperationException"),
    ],
)
def test_what_dynamodb_refuses_is_refused(call: Call, operation: str, values: dict[str, Any], code: str) -> None:
    if operation == "UpdateItem":
        values = {"Key": {"request_id": {"S": "a"}}, **values}
    if any(":v" in str(values.get(name)) for name in ("UpdateExpression", "KeyConditionExpression")) or (
        values.get("UpdateExpression") == "REMOVE a"
    ):
        more = {":m": {"M": {}}} if "ConditionExpression" in values else {}
        values = {**values, "ExpressionAttributeValues": {":v": {"S": "v"}, **more}}
    with pytest.raises(RefusedError) as refused:
        call(operation, **values)
    assert refused.value.args[0] == code
    assert get(call, "a") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"Key": ' * 50_000, b'{"TableName": {}}'],
)
@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem", "Query", "PutItem", "\x00", ""])
def test_a_body_that_is_none_is_refused_whatever_it_is(operation: str, body: bytes) -> None:
    db = make_db()
    with pytest.raises(RefusedError):
        ask(db, f"DynamoDB_20120810.{operation}", body)
