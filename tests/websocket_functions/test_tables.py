from typing import Any

import boto3
import pytest

from pipeline.connections import LIFETIME_S, ConnectionsTable, Known
from pipeline.on_demand import OnDemand
from pipeline.ownership import Ownership, Ownerships
from pipeline.push_queue import PushQueue
from pipeline.results_table import ResultsTable
from pipeline.watchers import WatchersTable, hash_of, is_owner
from tests.websocket_functions.world import RESULT

NOW = 1732400001.5


@pytest.fixture
def connections(dynamodb: Any) -> ConnectionsTable:
    return ConnectionsTable(dynamodb, "connections", now=lambda: NOW)


@pytest.fixture
def watchers(dynamodb: Any) -> WatchersTable:
    return WatchersTable(dynamodb, "watchers", now=lambda: NOW)


def connection_item(dynamodb: Any, connection_id: str) -> Any:
    return dynamodb.get_item(TableName="connections", Key={"connection_id": {"S": connection_id}}).get("Item")


def test_a_connection_outlives_the_longest_that_the_gateway_keeps(dynamodb: Any, connections: ConnectionsTable) -> None:
    connections.add("c1")

    assert connection_item(dynamodb, "c1") == {
        "connection_id": {"S": "c1"},
        "connected_at": {"N": "1732400001500"},
        "attached": {"N": "0"},
        "expires_at": {"N": str(1732400001 + LIFETIME_S)},
    }
    assert LIFETIME_S > 2 * 3_600


def test_a_connection_is_removed_as_often_as_one_likes(dynamodb: Any, connections: ConnectionsTable) -> None:
    connections.add("c1")
    connections.remove("c1")
    connections.remove("c1")

    assert connection_item(dynamodb, "c1") is None


def test_attaches_are_counted_up_to_the_most(connections: ConnectionsTable) -> None:
    connections.add("c1")
    connections.add("c2")

    assert [connections.count_attach("c1", 2) for _ in range(3)] == [Known(None), Known(None), None]
    assert connections.count_attach("c2", 2)


def test_a_connection_is_its_owners_from_its_handshake_on(connections: ConnectionsTable) -> None:
    connections.add("c1", "iam:AIDAALICE")
    connections.add("c2")

    assert connections.read("c1") == connections.count_attach("c1", 2) == Known("iam:AIDAALICE")
    assert connections.read("c2") == Known(None)
    assert connections.read("gone") is None


def test_of_a_connection_that_is_gone_no_item_is_made(dynamodb: Any, connections: ConnectionsTable) -> None:
    assert connections.count_attach("gone", 2) is None

    assert connection_item(dynamodb, "gone") is None


def test_owners_are_those_whose_secret_hashes_to_the_requests_own(watchers: WatchersTable) -> None:
    watchers.add("id1", "c1", hash_of("secret"))
    watchers.add("id1", "c2", hash_of("guess"))
    watchers.add("id1", "c3", hash_of("secret"))
    watchers.add("id2", "c4", hash_of("secret"))

    assert watchers.owners("id1", hash_of("secret")) == ["c1", "c3"]
    assert watchers.owners("unknown", hash_of("secret")) == []


def test_another_owners_connection_is_told_nothing_whatever_secret_it_shows(watchers: WatchersTable) -> None:
    watchers.add("id1", "c1", hash_of("secret"), "iam:AIDAALICE")
    watchers.add("id1", "c2", hash_of("secret"), "iam:AIDABOB")
    watchers.add("id1", "c3", hash_of("secret"))

    assert watchers.owners("id1", hash_of("secret"), "iam:AIDAALICE") == ["c1"]
    assert watchers.owners("id1", hash_of("secret")) == ["c3"]


def test_of_a_connections_secrets_the_last_one_stands(watchers: WatchersTable) -> None:
    watchers.add("id1", "c1", hash_of("guess"))
    watchers.add("id1", "c1", hash_of("secret"))

    assert watchers.owners("id1", hash_of("secret")) == ["c1"]
    assert watchers.owners("id1", hash_of("guess")) == []


def test_who_waits_no_longer_is_no_owner(dynamodb: Any, watchers: WatchersTable) -> None:
    watchers.add("id1", "c1", hash_of("secret"))
    watchers.remove("id1", "c1")
    watchers.remove("id1", "c1")

    assert watchers.owners("id1", hash_of("secret")) == []
    assert dynamodb.scan(TableName="watchers")["Count"] == 0


def test_watchers_are_read_page_by_page_and_consistently() -> None:
    asked: list[dict[str, Any]] = []
    connections = [f"c{number}" for number in range(5)]

    class OneAPage:
        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **arguments: Any) -> Any:
            asked.append(arguments)
            for connection_id in connections:
                yield {"Items": [{"connection_id": {"S": connection_id}, "secret_hash": {"S": hash_of("secret")}}]}

    paged: Any = OneAPage()
    assert WatchersTable(paged, "watchers").owners("id1", hash_of("secret")) == connections
    assert asked[0]["ConsistentRead"] is True


def test_a_watcher_goes_with_its_connection(dynamodb: Any, watchers: WatchersTable) -> None:
    watchers.add("id1", "c1", hash_of("secret"))

    (item,) = dynamodb.scan(TableName="watchers")["Items"]
    assert item["expires_at"] == {"N": str(1732400001 + LIFETIME_S)}


def test_the_hash_is_sha256_in_hex_as_sha256sum_writes_it() -> None:
    assert hash_of("secret") == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    assert is_owner(hash_of("secret"), "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")
    assert not is_owner(hash_of("secret"), hash_of("guess"))
    assert not is_owner(hash_of("secret"), None)


def ownerships(dynamodb: Any) -> Ownerships:
    return Ownerships(dynamodb, "results", now=lambda: NOW)


def test_a_result_that_the_worker_stored_is_its_owners(dynamodb: Any) -> None:
    ResultsTable(dynamodb, "results").write(RESULT)

    assert ownerships(dynamodb).read("id1") == Ownership(hash_of("secret"), done=True)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            {"pending_until": {"N": "1732400002000"}, "attach": {"S": "h"}}, Ownership("h", done=False), id="on its way"
        ),
        pytest.param(
            {"pending_until": {"N": "1732400002000"}, "unpublished": {"S": "the stream is full"}, "attach": {"S": "h"}},
            Ownership("h", done=False, stranded="the stream is full"),
            id="not published",
        ),
        pytest.param(
            {"pending_until": {"N": "1732400001500"}, "attach": {"S": "h"}},
            Ownership("h", done=False, stranded="GivenUp: its time in the buffer is over, or it never got there"),
            id="out of time",
        ),
        pytest.param(
            {"status": {"S": "FAILED"}, "pending_until": {"N": "1"}, "unpublished": {"S": "x"}, "attach": {"S": "h"}},
            Ownership("h", done=True),
            id="a result in spite of all",
        ),
        pytest.param({"status": {"S": "SUCCEEDED"}}, Ownership(None, done=True), id="without a hash"),
    ],
)
def test_whose_a_request_is_stands_in_the_results_table(
    dynamodb: Any, attributes: dict[str, Any], expected: Ownership
) -> None:
    dynamodb.put_item(TableName="results", Item={"request_id": {"S": "id1"}, **attributes})

    assert ownerships(dynamodb).read("id1") == expected


def test_what_the_table_does_not_know_is_nobodys(dynamodb: Any) -> None:
    assert ownerships(dynamodb).read("unknown") is None


def test_the_push_queues_client_is_made_for_the_first_message(aws: None) -> None:
    made = []

    def make() -> Any:
        made.append(boto3.client("sqs"))
        return made[-1]

    url = boto3.client("sqs").get_queue_url(QueueName="pushes")["QueueUrl"]
    queue = PushQueue(OnDemand(make), url)
    assert made == []

    queue.send("id1", attach="h")
    queue.send("id2", attach="h")

    assert len(made) == 1
    messages = made[0].receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in messages} == {
        '{"request_id":"id1","attach":"h"}',
        '{"request_id":"id2","attach":"h"}',
    }
