from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.request import BUFFERS, Measurement
from pipeline.result import Label, Passage, Result, Status
from pipeline.results_table import ItemError, ResultsTable, StoredResult, from_item, to_item

MEASURED = Result(
    request_id="id1",
    buffer="sqs",
    status=Status.SUCCEEDED,
    labels=(Label("Cat", 93.28125, ("Mammal", "Animal")),),
    reason=None,
    model_version="local",
    passage=Passage(1732400000123, 1732400000200.25, 1732400000300.125, 10, 2, 350.5, "env"),
    measurement=Measurement("r1", 7, 1732400000100.5),
)
PLAIN = replace(MEASURED, measurement=None)
REFUSED = replace(
    MEASURED, status=Status.FAILED, labels=(), reason="InvalidImageFormatException: no", model_version=None
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
times = st.floats(0, 2**53 - 1).map(lambda ms: round(ms, 3)) | st.integers(0, 2**53 - 1)
results = st.builds(
    Result,
    request_id=names,
    buffer=st.none() | st.sampled_from(BUFFERS),
    status=st.sampled_from(Status),
    labels=st.lists(st.builds(Label, names, st.floats(0, 100), st.lists(names, max_size=3).map(tuple)), max_size=3).map(
        tuple
    ),
    reason=st.none() | texts,
    model_version=st.none() | texts,
    passage=st.builds(Passage, times, times, times, st.integers(0, 10_000), st.integers(0, 1_000), times, names),
    measurement=st.none() | st.builds(Measurement, names, st.integers(0, 2**53 - 1), times),
    attach=st.none() | names,
)


class Clock:
    """Seconds since the epoch; each look at it takes 10 ms."""

    def __init__(self) -> None:
        self.now = 1732400001.0

    def __call__(self) -> float:
        self.now = round(self.now + 0.01, 3)
        return self.now


@pytest.fixture
def client(aws: None) -> Any:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="results",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "request_id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "request_id", "AttributeType": "S"},
            {"AttributeName": "run_id", "AttributeType": "S"},
            {"AttributeName": "sequence", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_run",
                "KeySchema": [
                    {"AttributeName": "run_id", "KeyType": "HASH"},
                    {"AttributeName": "sequence", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return client


@pytest.fixture
def table(client: Any) -> ResultsTable:
    return ResultsTable(client, "results", ttl_days=7, now=Clock())


def counting(client: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real = client.update_item

    def update_item(**arguments: Any) -> Any:
        calls.append(arguments["UpdateExpression"])
        return real(**arguments)

    monkeypatch.setattr(client, "update_item", update_item)
    return calls


@given(results, st.integers(0, 2**40))
def test_an_item_is_read_back_as_the_result_it_was_made_of(result: Result, expires_at: int) -> None:
    item = to_item(result, expires_at=expires_at) | {"deliveries": {"N": "1"}}

    assert from_item(item) == StoredResult(result, stored_at=None, deliveries=1, expires_at=expires_at)


@given(results)
def test_no_number_is_one_that_dynamodb_refuses(result: Result) -> None:
    for value in to_item(result, expires_at=0).values():
        number = float(value.get("N", 0))
        assert number == 0 or 1e-130 <= abs(number) < 1e126


def test_a_time_too_small_for_dynamodb_becomes_0() -> None:
    tiny = replace(MEASURED, measurement=Measurement("r1", 7, 1e-200))

    assert to_item(tiny, expires_at=0)["intended_at"] == {"N": "0.0"}


def test_a_result_is_written_in_one_call_and_read_whole(
    client: Any, table: ResultsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counting(client, monkeypatch)

    table.write(PLAIN)

    assert len(calls) == 1
    assert table.read("id1") == StoredResult(PLAIN, 1732400001010, 1, 1732400001 + 7 * 86_400)
    assert "run_id" not in client.get_item(TableName="results", Key={"request_id": {"S": "id1"}})["Item"]


def test_a_measured_result_is_stamped_after_its_write(
    client: Any, table: ResultsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counting(client, monkeypatch)

    table.write(MEASURED)

    assert len(calls) == 2
    stored = table.read("id1")
    assert stored is not None
    assert stored.result == MEASURED
    assert stored.stored_at == 1732400001020
    assert stored.deliveries == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(MEASURED, REFUSED, id="a refusal adds no reason to a success"),
        pytest.param(REFUSED, MEASURED, id="a success adds no model version to a refusal"),
        pytest.param(PLAIN, replace(PLAIN, labels=()), id="labels stay"),
    ],
)
def test_processed_twice_the_first_result_stands_whole_and_deliveries_are_2(
    table: ResultsTable, first: Result, second: Result
) -> None:
    table.write(first)
    once = table.read("id1")
    later = replace(second.passage, received_at=2e12, recognised_at=2e12, environment="other", init_ms=0.0)
    table.write(replace(second, passage=later))

    assert once is not None
    assert table.read("id1") == replace(once, deliveries=2)


def test_counting_adds_to_the_deliveries_alone(table: ResultsTable) -> None:
    table.write(MEASURED)
    once = table.read("id1")
    table.count("id1")

    assert once is not None
    assert table.read("id1") == replace(once, deliveries=2)


def test_killed_between_write_and_stamp_the_redelivery_stamps(
    client: Any, table: ResultsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client.update_item

    def killed(**arguments: Any) -> Any:
        if "ADD" not in arguments["UpdateExpression"]:
            raise KeyboardInterrupt
        return real(**arguments)

    with monkeypatch.context() as patch:
        patch.setattr(client, "update_item", killed)
        with pytest.raises(KeyboardInterrupt):
            table.write(MEASURED)
    unstamped = table.read("id1")
    table.write(MEASURED)
    stamped = table.read("id1")

    assert unstamped is not None
    assert unstamped.stored_at is None
    assert stamped is not None
    assert stamped.stored_at is not None
    assert stamped.deliveries == 2


def test_a_request_without_a_result_has_none(table: ResultsTable) -> None:
    assert table.read("unknown") is None


def write_run(table: ResultsTable, run_id: str, sequences: range) -> None:
    for sequence in sequences:
        measured = Measurement(run_id, sequence, 1732400000100.5)
        table.write(replace(MEASURED, request_id=f"{run_id}-{sequence}", measurement=measured))


RANGES = [
    (0, None, range(12)),
    (4, None, range(4, 12)),
    (0, 4, range(4)),
    (9, 11, range(9, 11)),
    (5, 5, range(0)),
    (11, 1_000, range(11, 12)),
    (12, None, range(0)),
]


def test_a_run_is_read_in_order_and_in_ranges(table: ResultsTable) -> None:
    # 9 and 10 stand in it: a range goes by number, not by text.
    write_run(table, "r1", range(12))
    write_run(table, "r2", range(3))
    table.write(replace(PLAIN, request_id="of no run"))

    for first, end, expected in RANGES:
        found = [stored.result.measurement for stored in table.read_run("r1", first=first, end=end)]

        assert [(m.run_id, m.sequence) for m in found if m] == [("r1", sequence) for sequence in expected]


def test_a_run_longer_than_a_page_is_read_to_its_end(client: Any, table: ResultsTable) -> None:
    # A page of a Query ends at 1 MB (API:Query).
    long = "x" * 60_000
    for sequence in range(20):
        measured = Measurement("r1", sequence, 0)
        table.write(replace(REFUSED, request_id=f"r1-{sequence}", reason=long, measurement=measured))
    pages: list[int] = []
    client.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: pages.append(parsed["Count"]))

    assert sum(1 for _ in table.read_run("r1")) == 20
    assert len(pages) > 1


PENDING: dict[str, Any] = {
    "request_id": {"S": "id1"},
    "pending_until": {"N": "1732400030000"},
    "body_hash": {"S": "0f" * 32},
    "attempt": {"S": "a"},
    "expires_at": {"N": "1732404321"},
    "attach": {"S": "0f" * 32},
}


@pytest.mark.parametrize("more", [{}, {"published_at": {"N": "1732400000001"}}, {"unpublished": {"S": "why"}}], ids=str)
def test_a_request_that_is_pending_has_no_result_yet_and_its_first_stands_whole(
    client: Any, table: ResultsTable, more: dict[str, Any]
) -> None:
    client.put_item(TableName="results", Item=PENDING | more)
    assert table.read("id1") is None

    result = replace(MEASURED, attach="0f" * 32)
    table.write(result)
    table.write(replace(REFUSED, attach="0f" * 32))

    stored = table.read("id1")
    assert stored is not None
    assert (stored.result, stored.deliveries, stored.expires_at) == (result, 2, 1732404321)
    assert [each.result for each in table.read_run("r1")] == [result]


def test_a_request_that_is_pending_is_in_no_run(client: Any, table: ResultsTable) -> None:
    client.put_item(TableName="results", Item=PENDING)

    assert client.scan(TableName="results", IndexName="by_run")["Items"] == []


def test_the_hash_of_an_owners_secret_is_kept(table: ResultsTable) -> None:
    table.write(replace(PLAIN, attach="0f" * 32))

    stored = table.read("id1")
    assert stored is not None
    assert stored.result.attach == "0f" * 32


def test_an_unknown_run_is_empty(table: ResultsTable) -> None:
    assert list(table.read_run("none")) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": {"S": "DONE"}}, "DONE"),
        ({"status": {"N": "1"}}, "KeyError"),
        ({"labels": {"L": [{"S": "Cat"}]}}, "KeyError"),
        ({"buffer": {"S": "fax"}}, "fax"),
        ({"accepted_at": {"N": "now"}}, "now"),
        ({"deliveries": "x"}, "TypeError"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_item_that_is_no_result_names_its_request_and_the_problem(change: dict[str, Any], problem: str) -> None:
    item = to_item(MEASURED, expires_at=1) | {"deliveries": {"N": "1"}} | change

    with pytest.raises(ItemError, match=f"the item of request 'id1' is no result: .*{problem}"):
        from_item(item)


def test_an_item_without_the_attributes_that_were_null_is_read() -> None:
    item = to_item(MEASURED, expires_at=1) | {"deliveries": {"N": "1"}}
    del item["reason"]

    assert from_item(item).result == MEASURED
