"""Updates and conditions against moto, which is another's reading of the same documentation."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.dynamodb.world import RefusedError, get, make_call

# No number 1: moto takes it for equal to true.
_VALUES = st.one_of(
    st.sampled_from(["", "a", "ab", "b"]).map(lambda text: {"S": text}),
    st.sampled_from(["0", "4", "2.5", "-3"]).map(lambda text: {"N": text}),
    st.just({"BOOL": True}),
    st.lists(st.sampled_from([{"S": "a"}, {"N": "1"}]), max_size=3).map(lambda members: {"L": members}),
    st.just({"M": {"x": {"N": "1"}}}),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True).map(lambda texts: {"SS": texts}),
)
_ATTRIBUTES = st.sampled_from(["p", "q", "r"])
_ACTIONS = st.one_of(
    _ATTRIBUTES.map(lambda name: ("SET", f"{name} = :v")),
    st.tuples(_ATTRIBUTES, _ATTRIBUTES).map(lambda pair: ("SET", f"{pair[0]} = if_not_exists({pair[1]}, :v)")),
    _ATTRIBUTES.map(lambda name: ("SET", f"{name} = {name} + :n")),
    _ATTRIBUTES.map(lambda name: ("SET", f"{name} = list_append({name}, :l)")),
    _ATTRIBUTES.map(lambda name: ("REMOVE", name)),
    _ATTRIBUTES.map(lambda name: ("REMOVE", f"{name}[0]")),
    _ATTRIBUTES.map(lambda name: ("ADD", f"{name} :n")),
    _ATTRIBUTES.map(lambda name: ("ADD", f"{name} :s")),
    _ATTRIBUTES.map(lambda name: ("DELETE", f"{name} :s")),
)
_CONDITIONS = st.one_of(
    st.none(),
    st.tuples(_ATTRIBUTES, st.sampled_from(["= :v", "<> :v", "< :a", "<= :a", "> :n", ">= :n"])).map(" ".join),
    _ATTRIBUTES.map(lambda name: f"attribute_exists({name}) AND NOT attribute_exists({name}.x)"),
    _ATTRIBUTES.map(lambda name: f"attribute_not_exists({name}) OR contains({name}, :a)"),
    _ATTRIBUTES.map(lambda name: f"begins_with({name}, :a)"),
)
_FIXED = {":n": {"N": "2"}, ":l": {"L": [{"S": "z"}]}, ":s": {"SS": ["b", "z"]}, ":a": {"S": "a"}}


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_table(
            TableName="results",
            AttributeDefinitions=[{"AttributeName": "request_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "request_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    item=st.dictionaries(_ATTRIBUTES, _VALUES, max_size=3),
    actions=st.lists(_ACTIONS, min_size=1, max_size=2, unique_by=lambda action: action[0]),
    condition=_CONDITIONS,
    value=_VALUES,
)
def test_an_update_does_what_motos_does(
    moto: Any, item: dict[str, Any], actions: list[tuple[str, str]], condition: str | None, value: Any
) -> None:
    # moto lets an attribute and an element of it pass in one update; the test below holds what DynamoDB says of them.
    assume(not _overlapping(actions))
    call = make_call()
    text = " ".join(" ".join(action) for action in actions)
    values = {
        name: given
        for name, given in {**_FIXED, ":v": value}.items()
        if any(token.strip(",()") == name for token in f"{text} {condition or ''}".split())
    }
    update: dict[str, Any] = {"Key": {"request_id": {"S": "a"}}, "UpdateExpression": text}
    if condition:
        update["ConditionExpression"] = condition
    if values:
        update["ExpressionAttributeValues"] = values
    whole = {"request_id": {"S": "a"}, **item}
    call("PutItem", Item=whole)
    moto.put_item(TableName="results", Item=whole)
    try:
        moto.update_item(TableName="results", **update)
        expected = "done"
    except ClientError as error:
        expected = error.response["Error"]["Code"]
    except TypeError:
        # moto falls over where an order is asked of values of two types.
        reject()
    try:
        call("UpdateItem", **update)
        done = "done"
    except RefusedError as error:
        done = error.args[0]
    assert done == expected
    # A refused update leaves the item as it was, which is where moto's may be changed by half.
    theirs = whole
    if done == "done":
        theirs = moto.get_item(TableName="results", Key={"request_id": {"S": "a"}})["Item"]
    assert _unordered(get(call, "a")) == _unordered(theirs)


def _unordered(item: dict[str, Any]) -> dict[str, Any]:
    return {name: {"SS": sorted(value["SS"])} if "SS" in value else value for name, value in item.items()}


def _overlapping(actions: list[tuple[str, str]]) -> bool:
    """Whether two actions touch an attribute and an element of it."""
    paths = [clause.split()[0] for _, clause in actions]
    return any(one != other and other.startswith(f"{one}[") for one in paths for other in paths)


@pytest.mark.parametrize(
    "update",
    [
        pytest.param("SET p = list_append(p, :l) REMOVE p[0]", id="a list, and its first element"),
        pytest.param("SET p[0] = :l REMOVE p", id="the other way round"),
    ],
)
def test_an_update_of_overlapping_paths_is_refused(update: str) -> None:
    call = make_call()
    call("PutItem", Item={"request_id": {"S": "a"}, "p": {"L": [{"S": "x"}]}})
    with pytest.raises(RefusedError, match="ValidationException"):
        call(
            "UpdateItem",
            Key={"request_id": {"S": "a"}},
            UpdateExpression=update,
            ExpressionAttributeValues={":l": _FIXED[":l"]},
        )
    assert get(call, "a")["p"] == {"L": [{"S": "x"}]}


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("UpdateItem", {"Key": {"request_id": {"S": "a"}}, "UpdateExpression": "SET q = p"}),
        ("PutItem", {"Item": {"request_id": {"S": "a"}}}),
        ("DeleteItem", {"Key": {"request_id": {"S": "a"}}}),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["an item", "no item"])
@pytest.mark.parametrize("shown", ["ALL_OLD", "NONE", None])
def test_a_failed_condition_shows_the_item_if_it_is_asked_for(
    moto: Any, operation: str, values: dict[str, Any], there: bool, shown: str | None
) -> None:
    item = {"request_id": {"S": "a"}, "p": {"S": "held"}, "n": {"L": [{"N": "1"}]}}
    values = {**values, "ConditionExpression": "attribute_exists(p) AND attribute_exists(nothing)"}
    if shown is not None:
        values["ReturnValuesOnConditionCheckFailure"] = shown
    call = make_call()
    moto.delete_item(TableName="results", Key={"request_id": {"S": "a"}})
    if there:
        moto.put_item(TableName="results", Item=item)
        call("PutItem", Item=item)

    with pytest.raises(ClientError) as theirs:
        {"UpdateItem": moto.update_item, "PutItem": moto.put_item, "DeleteItem": moto.delete_item}[operation](
            TableName="results", **values
        )
    with pytest.raises(RefusedError) as ours:
        call(operation, **values)

    assert theirs.value.response["Error"]["Code"] == ours.value.code == "ConditionalCheckFailedException"
    assert ours.value.item == (item if there and shown == "ALL_OLD" else None)
    assert theirs.value.response.get("Item") == ours.value.item
