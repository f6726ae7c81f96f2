"""Tables and their indexes: what is in them, and in which order."""

from tests.dynamodb.world import Call, get, put


def test_only_what_has_the_indexs_keys_is_in_it_in_the_order_of_numbers(call: Call) -> None:
    put(call, "none")
    for number in (10, 9, -1, 1.5, 100):
        put(call, f"id{number}", run_id={"S": "r"}, sequence={"N": str(number)})
    put(call, "other", run_id={"S": "s"}, sequence={"N": "1"})
    query = {
        "IndexName": "by_run",
        "KeyConditionExpression": "run_id = :r",
        "ExpressionAttributeValues": {":r": {"S": "r"}},
    }
    ascending = [item["sequence"]["N"] for item in call("Query", **query)["Items"]]
    assert ascending == ["-1", "1.5", "9", "10", "100"]
    descending = [item["sequence"]["N"] for item in call("Query", **query, ScanIndexForward=False)["Items"]]
    assert descending == ascending[::-1]


def test_an_item_that_loses_or_changes_its_index_key_moves(call: Call) -> None:
    def in_run(run: str) -> int:
        values = {":r": {"S": run}}
        return int(
            call(
                "Query",
                IndexName="by_run",
                KeyConditionExpression="run_id = :r",
                ExpressionAttributeValues=values,
                Select="COUNT",
            )["Count"]
        )

    put(call, "a", run_id={"S": "r"}, sequence={"N": "1"})
    put(call, "a", run_id={"S": "s"}, sequence={"N": "1"})
    assert (in_run("r"), in_run("s")) == (0, 1)
    call("UpdateItem", Key={"request_id": {"S": "a"}}, UpdateExpression="REMOVE run_id")
    assert in_run("s") == 0
    call("DeleteItem", Key={"request_id": {"S": "a"}})
    assert get(call, "a") is None


def test_an_index_shows_what_it_projects(call: Call) -> None:
    item = {"name": {"S": "n"}, "at": {"S": "t"}, "shown": {"S": "yes"}, "hidden": {"S": "no"}}
    call("PutItem", TableName="log", Item=item)
    found = call(
        "Query",
        TableName="log",
        IndexName="by_at",
        KeyConditionExpression="#a = :a",
        ExpressionAttributeNames={"#a": "at"},
        ExpressionAttributeValues={":a": {"S": "t"}},
    )
    assert found["Items"] == [{"name": {"S": "n"}, "at": {"S": "t"}, "shown": {"S": "yes"}}]
