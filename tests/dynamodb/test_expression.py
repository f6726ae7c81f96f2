"""Conditions: what they say of an item."""

from typing import Any

import pytest

from tests.dynamodb.world import Call, RefusedError, get, put


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("attribute_exists(n)", {}, True),
        ("attribute_not_exists(n)", {}, False),
        ("attribute_exists(m.deep[1])", {}, True),
        ("attribute_exists(m.deep[2])", {}, False),
        ("attribute_type(n, :t)", {":t": {"S": "N"}}, True),
        ("begins_with(s, :p)", {":p": {"S": "te"}}, True),
        ("contains(s, :p)", {":p": {"S": "ex"}}, True),
        ("contains(tags, :p)", {":p": {"S": "a"}}, True),
        ("contains(m.deep, :p)", {":p": {"N": "2"}}, True),
        ("size(s) = :n", {":n": {"N": "4"}}, True),
        ("size(tags) > :n", {":n": {"N": "2"}}, False),
        ("n IN (:a, :b)", {":a": {"N": "1"}, ":b": {"N": "5.0"}}, True),
        ("n BETWEEN :a AND :b", {":a": {"N": "5"}, ":b": {"N": "6"}}, True),
        ("NOT n = :a OR n = :a AND n <> :a", {":a": {"N": "5"}}, False),
        ("(NOT n = :b) AND NOT (n < :b)", {":b": {"N": "4"}}, True),
        ("n = :s", {":s": {"S": "5"}}, False),
        ("n <> :s", {":s": {"S": "5"}}, True),
        ("n < :n", {":n": {"N": "5"}}, False),
        ("n > :n", {":n": {"N": "5"}}, False),
        ("n < :s", {":s": {"S": "9"}}, False),
        ("m < :s", {":s": {"S": "9"}}, False),
        ("nothing = :s", {":s": {"S": "5"}}, False),
        ("nothing <> :s", {":s": {"S": "5"}}, True),
        ("tags = :t", {":t": {"SS": ["b", "a"]}}, True),
        ("m = :m", {":m": {"M": {"deep": {"L": [{"N": "1.0"}, {"N": "2"}]}}}}, True),
    ],
)
def test_a_condition_decides_whether_an_item_is_written(
    call: Call, condition: str, values: dict[str, Any], holds: bool
) -> None:
    put(
        call,
        "a",
        n={"N": "5"},
        s={"S": "text"},
        tags={"SS": ["a", "b"]},
        m={"M": {"deep": {"L": [{"N": "1"}, {"N": "2"}]}}},
    )
    given = {"ExpressionAttributeValues": values} if values else {}
    write: dict[str, Any] = {"Key": {"request_id": {"S": "a"}}, "ConditionExpression": condition, **given}
    if holds:
        call("DeleteItem", **write)
        assert get(call, "a") is None
    else:
        with pytest.raises(RefusedError, match="ConditionalCheckFailedException"):
            call("DeleteItem", **write)
        assert get(call, "a") is not None
