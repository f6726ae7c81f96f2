"""A table whose key has two parts, as infra.yaml's watchers have: one item for each pair, found by the first."""

from typing import Any

import pytest

from tests.dynamodb.world import Call, RefusedError


def key(name: str, at: str) -> dict[str, Any]:
    return {"name": {"S": name}, "at": {"S": at}}


@pytest.fixture
def log(call: Call) -> Call:
    """The table `log` with three items of two names."""

    def ask(operation: str, **values: Any) -> Any:
        return call(operation, TableName="log", **values)

    for name, at in (("a", "1"), ("a", "2"), ("b", "1")):
        ask("PutItem", Item={**key(name, at), "holder": {"S": f"{name}{at}"}})
    return ask


def of_name(log: Call, name: str, **more: Any) -> list[str]:
    query = {"KeyConditionExpression": "#n = :n", "ExpressionAttributeNames": {"#n": "name"}}
    values = {":n": {"S": name}, **more.pop("values", {})}
    return [item["at"]["S"] for item in log("Query", **query, ExpressionAttributeValues=values, **more)["Items"]]


def test_items_are_found_by_both_parts_and_listed_by_the_first(log: Call) -> None:
    assert log("GetItem", Key=key("a", "2"))["Item"]["holder"] == {"S": "a2"}
    assert "Item" not in log("GetItem", Key=key("b", "2"))
    assert (of_name(log, "a"), of_name(log, "b"), of_name(log, "c")) == (["1", "2"], ["1"], [])
    assert of_name(log, "a", FilterExpression="holder = :o", values={":o": {"S": "a2"}}) == ["2"]


def test_a_put_replaces_its_own_pair_and_no_other(log: Call) -> None:
    log("PutItem", Item={**key("a", "1"), "holder": {"S": "new"}})
    assert of_name(log, "a") == ["1", "2"]
    assert log("GetItem", Key=key("a", "2"))["Item"]["holder"] == {"S": "a2"}


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("PutItem", {"Item": key("a", "1")}),
        ("DeleteItem", {"Key": key("a", "1")}),
        ("UpdateItem", {"Key": key("a", "1"), "UpdateExpression": "REMOVE holder"}),
    ],
)
@pytest.mark.parametrize(
    ("condition", "substitutes", "holds"),
    [
        ("attribute_not_exists(#n)", {}, False),
        ("attribute_exists(#n) AND holder = :o", {":o": {"S": "a1"}}, True),
        ("attribute_exists(#n) AND holder = :o", {":o": {"S": "a2"}}, False),
    ],
)
def test_a_condition_looks_at_the_item_of_that_pair(
    log: Call, operation: str, values: dict[str, Any], condition: str, substitutes: dict[str, Any], holds: bool
) -> None:
    asked = {**values, "ConditionExpression": condition, "ExpressionAttributeNames": {"#n": "name"}}
    if substitutes:
        asked["ExpressionAttributeValues"] = substitutes
    if holds:
        log(operation, **asked)
        left = log("GetItem", Key=key("a", "1")).get("Item", {})
        assert "holder" not in left
    else:
        with pytest.raises(RefusedError) as refused:
            log(operation, **asked)
        assert refused.value.code == "ConditionalCheckFailedException"
        assert log("GetItem", Key=key("a", "1"))["Item"]["holder"] == {"S": "a1"}
    assert log("GetItem", Key=key("a", "2"))["Item"]["holder"] == {"S": "a2"}


def test_an_item_that_is_not_there_can_be_waited_for_by_a_condition(log: Call) -> None:
    new = {**key("c", "1"), "holder": {"S": "c1"}}
    once = {"ConditionExpression": "attribute_not_exists(#n)", "ExpressionAttributeNames": {"#n": "name"}}
    log("PutItem", Item=new, **once)
    with pytest.raises(RefusedError):
        log("PutItem", Item=new, **once)


def test_a_query_goes_on_from_page_to_page_over_deleted_items(log: Call) -> None:
    for number in range(3, 9):
        log("PutItem", Item=key("a", str(number)))
    query = {
        "KeyConditionExpression": "#n = :n",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":n": {"S": "a"}},
        "Limit": 3,
    }
    seen, start = [], None
    while True:
        page = log("Query", **query, **({"ExclusiveStartKey": start} if start else {}))
        for item in page["Items"]:
            seen.append(item["at"]["S"])
            log("DeleteItem", Key=key("a", item["at"]["S"]))
        start = page.get("LastEvaluatedKey")
        if start is None:
            break
    assert seen == [str(number) for number in range(1, 9)]
    assert of_name(log, "a") == []


@pytest.mark.parametrize("given", [{"name": {"S": "a"}}, {"at": {"S": "1"}}, {**key("a", "1"), "more": {"S": "x"}}])
@pytest.mark.parametrize("operation", ["GetItem", "DeleteItem", "UpdateItem"])
def test_half_a_key_names_nothing(log: Call, operation: str, given: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        log(operation, Key=given)
    assert refused.value.code == "ValidationException"
