"""DynamoDB in memory, checked by hand against AWS's documentation and by machine against moto."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from moto import mock_aws

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
    """What DynamoDB answered instead: its error's name."""


def tables() -> dict[str, Any]:
    stack = parse(TEMPLATE).resolve({}, PhysicalNames(queue_base_url="http://127.0.0.1:1"))
    return {resource.ref: resource for resource in stack.resources.values()}


def make_call() -> Call:
    db = DynamoDb(tables(), lambda: 1_700_000_000.0, lambda: "request")

    def call(operation: str, **values: Any) -> Any:
        values.setdefault("TableName", "results")
        return ask(db, f"DynamoDB_20120810.{operation}", json.dumps(values).encode())

    return call


def ask(db: DynamoDb, target: str, body: bytes) -> Any:
    answer = asyncio.run(db.handle(WireRequest("POST", "/", headers={"x-amz-target": target}, body=body)))
    parsed = json.loads(answer.body)
    if answer.status != 200:
        raise RefusedError(parsed["__type"].rpartition("#")[2], parsed["message"])
    return parsed


@pytest.fixture
def call() -> Call:
    return make_call()


def put(call: Call, request_id: str, **attributes: Any) -> None:
    call("PutItem", Item={"request_id": {"S": request_id}, **attributes})


def get(call: Call, request_id: str) -> Any:
    return call("GetItem", Key={"request_id": {"S": request_id}}).get("Item")


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
    db = DynamoDb(tables(), lambda: 0.0, lambda: "request")
    with pytest.raises(RefusedError):
        ask(db, f"DynamoDB_20120810.{operation}", body)


@pytest.mark.parametrize("depth", [33, 500, 5_000])
def test_a_value_that_nests_too_deep_is_refused(depth: int) -> None:
    db = DynamoDb(tables(), lambda: 0.0, lambda: "request")
    value = '{"L": [' * depth + '{"S": "x"}' + "]}" * depth
    body = f'{{"TableName": "results", "Item": {{"request_id": {{"S": "a"}}, "x": {value}}}}}'.encode()
    with pytest.raises(RefusedError):
        ask(db, "DynamoDB_20120810.PutItem", body)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.0", "1"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("0010", "10"),
        ("1E-3", "0.001"),
        ("1732400000123.456", "1732400000123.456"),
    ],
)
def test_a_number_comes_back_as_dynamodb_writes_it(call: Call, written: str, read: str) -> None:
    put(call, "a", n={"N": written})
    assert get(call, "a")["n"] == {"N": read}


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


# ---- against moto, which is another's reading of the same documentation

_VALUES = st.one_of(
    st.sampled_from(["", "a", "ab", "b"]).map(lambda text: {"S": text}),
    st.sampled_from(["0", "1", "2.5", "-3"]).map(lambda text: {"N": text}),
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    item=st.dictionaries(_ATTRIBUTES, _VALUES, max_size=3),
    actions=st.lists(_ACTIONS, min_size=1, max_size=2, unique_by=lambda action: action[0]),
    condition=_CONDITIONS,
    value=_VALUES,
)
def test_an_update_does_what_motos_does(
    moto: Any, item: dict[str, Any], actions: list[tuple[str, str]], condition: str | None, value: Any
) -> None:
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
