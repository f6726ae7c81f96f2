"""Query and Scan: ranges of sort keys, pages, filters and projections."""

import pytest

from tests.dynamodb.world import Call, put


@pytest.mark.parametrize(
    ("condition", "values", "wanted"),
    [
        ("#s = :a", {":a": 3}, [3]),
        ("#s < :a", {":a": 3}, [1, 2]),
        ("#s <= :a", {":a": 3}, [1, 2, 3]),
        ("#s > :a", {":a": 3}, [4, 5]),
        ("#s >= :a", {":a": 3}, [3, 4, 5]),
        ("#s BETWEEN :a AND :b", {":a": 2, ":b": 4}, [2, 3, 4]),
        ("#s between :a and :b", {":a": 4, ":b": 2}, []),
    ],
)
@pytest.mark.parametrize("hash_first", [True, False])
def test_a_query_takes_a_range_of_sort_keys(
    call: Call, condition: str, values: dict[str, int], wanted: list[int], hash_first: bool
) -> None:
    for number in range(1, 6):
        put(call, f"id{number}", run_id={"S": "r"}, sequence={"N": str(number)})
    parts = ["run_id = :r", condition] if hash_first else [condition, "run_id = :r"]
    found = call(
        "Query",
        IndexName="by_run",
        KeyConditionExpression=" AND ".join(parts),
        ExpressionAttributeNames={"#s": "sequence"},
        ExpressionAttributeValues={":r": {"S": "r"}, **{name: {"N": str(value)} for name, value in values.items()}},
    )
    assert [int(item["sequence"]["N"]) for item in found["Items"]] == wanted


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_together_are_the_whole_also_when_items_go_meanwhile(call: Call, forward: bool, limit: int) -> None:
    for number in range(7):
        put(call, f"id{number}", run_id={"S": "r"}, sequence={"N": "1"} if number < 4 else {"N": "2"})
    query = {
        "IndexName": "by_run",
        "KeyConditionExpression": "run_id = :r",
        "ExpressionAttributeValues": {":r": {"S": "r"}},
        "Limit": limit,
        "ScanIndexForward": forward,
    }
    seen = []
    page = call("Query", **query)
    while True:
        seen.extend(item["request_id"]["S"] for item in page["Items"])
        for item in page["Items"]:
            call("DeleteItem", Key={"request_id": item["request_id"]})
        if "LastEvaluatedKey" not in page:
            break
        page = call("Query", **query, ExclusiveStartKey=page["LastEvaluatedKey"])
    expected = [f"id{number}" for number in range(7)]
    assert seen == (expected if forward else expected[::-1])


def test_a_page_ends_after_a_megabyte(call: Call) -> None:
    for number in range(12):
        put(call, f"id{number:02}", run_id={"S": "r"}, sequence={"N": str(number)}, filler={"S": "x" * 100_000})
    query = {
        "IndexName": "by_run",
        "KeyConditionExpression": "run_id = :r",
        "ExpressionAttributeValues": {":r": {"S": "r"}},
    }
    first = call("Query", **query)
    assert first["Count"] == 11
    assert call("Query", **query, ExclusiveStartKey=first["LastEvaluatedKey"])["Count"] == 1
    assert call("Scan")["Count"] == 11


def test_a_filter_counts_what_it_passed_over_and_a_projection_takes_parts(call: Call) -> None:
    for number in range(4):
        put(call, f"id{number}", n={"N": str(number)}, deep={"M": {"list": {"L": [{"S": "x"}, {"S": f"y{number}"}]}}})
    page = call(
        "Scan",
        FilterExpression="n > :n",
        ProjectionExpression="deep.#l[1], nothing.here",
        ExpressionAttributeNames={"#l": "list"},
        ExpressionAttributeValues={":n": {"N": "2"}},
    )
    assert (page["Count"], page["ScannedCount"]) == (1, 4)
    assert page["Items"] == [{"deep": {"M": {"list": {"L": [{"S": "y3"}]}}}}]
