"""Attribute values off the wire and back."""

import pytest

from tests.dynamodb.world import Call, RefusedError, ask, get, make_db, put


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


@pytest.mark.parametrize("depth", [33, 500, 5_000])
def test_a_value_that_nests_too_deep_is_refused(depth: int) -> None:
    db = make_db()
    value = '{"L": [' * depth + '{"S": "x"}' + "]}" * depth
    body = f'{{"TableName": "results", "Item": {{"request_id": {{"S": "a"}}, "x": {value}}}}}'.encode()
    with pytest.raises(RefusedError):
        ask(db, "DynamoDB_20120810.PutItem", body)
