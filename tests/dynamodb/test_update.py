"""Updates: what they do to an item, and what they return of it."""

import pytest

from tests.dynamodb.world import Call, get, put


def test_the_first_result_wins_and_every_one_counts(call: Call) -> None:
    for label in ("cat", "dog"):
        call(
            "UpdateItem",
            Key={"request_id": {"S": "a"}},
            UpdateExpression="SET #label = if_not_exists(#label, :label) ADD deliveries :one",
            ExpressionAttributeNames={"#label": "label"},
            ExpressionAttributeValues={":label": {"S": label}, ":one": {"N": "1"}},
        )
    assert get(call, "a") == {"request_id": {"S": "a"}, "label": {"S": "cat"}, "deliveries": {"N": "2"}}


@pytest.mark.parametrize("wanted", ["ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"])
def test_an_update_returns_what_it_was_asked_for(call: Call, wanted: str) -> None:
    put(call, "a", n={"N": "1"}, other={"S": "x"})
    answer = call(
        "UpdateItem",
        Key={"request_id": {"S": "a"}},
        UpdateExpression="SET n = n + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues=wanted,
    )
    number = {"N": "1" if wanted.endswith("OLD") else "2"}
    whole = {"request_id": {"S": "a"}, "n": number, "other": {"S": "x"}}
    assert answer["Attributes"] == (whole if wanted.startswith("ALL") else {"n": number})


def test_a_place_beyond_a_lists_end_is_its_end(call: Call) -> None:
    put(call, "a", members={"L": [{"S": "first"}]})
    call(
        "UpdateItem",
        Key={"request_id": {"S": "a"}},
        UpdateExpression="SET members[7] = :v",
        ExpressionAttributeValues={":v": {"S": "second"}},
    )
    assert get(call, "a")["members"] == {"L": [{"S": "first"}, {"S": "second"}]}
