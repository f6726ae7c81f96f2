"""What a call costs, told to who asks."""

from typing import Any

import pytest

from tests.dynamodb.world import Call, RefusedError, put

ID = {"request_id": {"S": "a"}}


def units(call: Call, operation: str, **values: Any) -> float:
    """The units of a call to the results table, whatever it answers beside them."""
    consumed = call(operation, ReturnConsumedCapacity="TOTAL", **values)["ConsumedCapacity"]
    assert set(consumed) == {"TableName", "CapacityUnits"}
    assert consumed["TableName"] == values.get("TableName", "results")
    return float(consumed["CapacityUnits"])


def item_of(size: int, **attributes: Any) -> dict[str, Any]:
    """An item of so many bytes as DynamoDB counts them: names and values; `run_id` and `sequence` are 21 of them."""
    bare = {**ID, **attributes, "x": {"S": ""}}
    taken = sum(len(name) + (2 if "N" in value else len(value["S"])) for name, value in bare.items())
    return {**bare, "x": {"S": "x" * (size - taken)}}


@pytest.mark.parametrize(
    ("size", "consistent", "cost"),
    [
        (100, True, 1.0),
        (100, False, 0.5),
        (4096, True, 1.0),
        (4097, True, 2.0),
        (4097, False, 1.0),
        (9000, False, 1.5),
    ],
)
def test_a_read_costs_a_unit_for_each_4_kb_and_half_of_it_if_it_need_not_be_consistent(
    call: Call, size: int, consistent: bool, cost: float
) -> None:
    call("PutItem", Item=item_of(size))
    assert units(call, "GetItem", Key=ID, ConsistentRead=consistent) == cost


@pytest.mark.parametrize(("consistent", "cost"), [(True, 1.0), (False, 0.5), (None, 0.5)])
def test_a_read_of_nothing_costs_the_least(call: Call, consistent: bool | None, cost: float) -> None:
    answer = call("GetItem", Key=ID, ReturnConsumedCapacity="TOTAL", ConsistentRead=consistent)
    assert answer == {"ConsumedCapacity": {"TableName": "results", "CapacityUnits": cost}}


def test_only_who_asks_is_told(call: Call) -> None:
    put(call, "a")
    for asked in ({}, {"ReturnConsumedCapacity": "NONE"}):
        assert set(call("GetItem", Key=ID, **asked)) == {"Item"}
    with pytest.raises(RefusedError):
        call("GetItem", Key=ID, ReturnConsumedCapacity="ALL")


def test_a_query_costs_what_it_reads_and_not_what_it_shows(call: Call) -> None:
    for number in range(3):
        item = {**item_of(2000, run_id={"S": "r"}, sequence={"N": "1"}), "request_id": {"S": str(number)}}
        call("PutItem", Item=item)
    query = {
        "KeyConditionExpression": "run_id = :r",
        "ExpressionAttributeValues": {":r": {"S": "r"}},
        "IndexName": "by_run",
        "Select": "COUNT",
    }
    assert units(call, "Query", **query) == 1.0, "6,000 bytes together, where each by itself would cost 0.5"
    assert units(call, "Query", **query, Limit=1) == 0.5
    assert units(call, "Scan", ProjectionExpression="request_id", ConsistentRead=True) == 2.0
    told = call("Query", **query, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert told["Table"] == {"CapacityUnits": 0.0}
    assert told["GlobalSecondaryIndexes"] == {"by_run": {"CapacityUnits": 1.0}}


def test_a_query_of_an_index_reads_only_what_the_index_has(call: Call) -> None:
    item = {"name": {"S": "n"}, "at": {"S": "t"}, "hidden": {"S": "x" * 9000}}
    call("PutItem", TableName="log", Item=item)
    query = {"KeyConditionExpression": "#a = :a", "ExpressionAttributeNames": {"#a": "at"}}
    values = {":a": {"S": "t"}}
    cost = units(call, "Query", TableName="log", IndexName="by_at", ExpressionAttributeValues=values, **query)
    assert cost == 0.5


INDEXED = {"run_id": {"S": "r"}, "sequence": {"N": "1"}}


@pytest.mark.parametrize(
    ("old", "new", "table", "index", "why"),
    [
        (None, item_of(1024), 1.0, 0.0, "not in the index"),
        (None, item_of(1025), 2.0, 0.0, "a unit for each 1 KB"),
        (item_of(3000), item_of(100), 3.0, 0.0, "the larger of the two"),
        (None, item_of(1025, **INDEXED), 2.0, 2.0, "into the index too"),
        (item_of(1025, **INDEXED), item_of(100), 2.0, 2.0, "out of it"),
        (item_of(100, **INDEXED), item_of(1025, **INDEXED), 2.0, 2.0, "changed in it"),
        (item_of(100, **INDEXED), item_of(100, **INDEXED), 1.0, 0.0, "nothing changed in it"),
        (item_of(100, **INDEXED), item_of(100, run_id={"S": "s"}, sequence={"N": "1"}), 1.0, 2.0, "out and in"),
        (item_of(2000, **INDEXED), None, 2.0, 2.0, "deleted, and out of it"),
        (None, None, 1.0, 0.0, "deleting nothing costs a write"),
    ],
)
def test_a_write_costs_a_unit_for_each_1_kb_and_each_index_that_it_changes(
    call: Call, old: Any, new: Any, table: float, index: float, why: str
) -> None:
    if old is not None:
        call("PutItem", Item=old)
    operation, values = ("DeleteItem", {"Key": ID}) if new is None else ("PutItem", {"Item": new})
    told = call(operation, ReturnConsumedCapacity="INDEXES", **values)["ConsumedCapacity"]
    assert told["CapacityUnits"] == table + index, why
    assert told["Table"] == {"CapacityUnits": table}, why
    expected = {"by_run": {"CapacityUnits": index}} if index else None
    assert told.get("GlobalSecondaryIndexes") == expected, why


def test_an_update_costs_what_the_larger_of_the_two_does(call: Call) -> None:
    call("PutItem", Item=item_of(2000))
    change = {"UpdateExpression": "SET y = :y", "ExpressionAttributeValues": {":y": {"S": "y" * 1100}}}
    assert units(call, "UpdateItem", Key=ID, **change) == 4.0
    assert units(call, "UpdateItem", Key=ID, UpdateExpression="REMOVE x, y") == 4.0
    assert units(call, "UpdateItem", Key=ID, UpdateExpression="REMOVE x") == 1.0
