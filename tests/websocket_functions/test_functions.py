"""The handlers, from event to answer, on tables and queues."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

from pipeline.request import Request
from pipeline.results_table import ResultsTable
from pipeline.watchers import hash_of
from tests.websocket_functions.world import RESULT

ColdStart = Callable[[str], ModuleType]
ROOT = Path(__file__).parents[2]
CONNECTION = "L0SM9cOFvHcCIhw="


def event(
    route: str, body: dict[str, Any] | str | None = None, connection_id: str = CONNECTION, caller: str | None = None
) -> dict[str, Any]:
    """What API Gateway hands over (WebSocket, Lambda proxy integration), as far as it matters."""
    kind = {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE")
    return {
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "connectionId": connection_id,
            "requestTimeEpoch": 1732400000123,
            "stage": "v1",
            "apiId": "api",
            "identity": {"sourceIp": "127.0.0.1", "caller": caller},
        },
        "body": json.dumps(body) if isinstance(body, dict) else body,
        "isBase64Encoded": False,
    }


def sqs_event(*bodies: dict[str, Any] | str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(number), "body": json.dumps(body) if isinstance(body, dict) else body}
            for number, body in enumerate(bodies)
        ]
    }


def answer_of(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["statusCode"] == 200
    return dict(json.loads(answer["body"]))


def take_all(name: str) -> list[str]:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in messages]


def test_a_connection_sends_a_request_and_is_pushed_its_result(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any
) -> None:
    websocket = cold_start("websocket")
    assert websocket.handler(event("$connect", caller="AIDAALICE"), context) == {"statusCode": 200}
    body = {"image": {"key": "cat.jpg"}, "attach": hash_of("secret")}

    answer = answer_of(
        websocket.handler(event("recognise", {"action": "recognise", "buffer": "sqs", "request": body}), context)
    )

    assert answer["type"] == "accepted"
    (record,) = take_all("images")
    request = Request.from_json(record)
    assert (request.request_id, request.connection_id) == (answer["request_id"], CONNECTION)
    assert (request.accepted_at, request.attach) == (1732400000123, hash_of("secret"))
    assert request.owner == "iam:AIDAALICE"

    ResultsTable(dynamodb, "results").write(replace(RESULT, request_id=request.request_id))
    push = cold_start("push")
    notification = {"request_id": request.request_id, "connection_id": CONNECTION, "attach": hash_of("secret")}
    assert push.handler(sqs_event(notification), context) == {"batchItemFailures": []}
    (pushed,) = posts.posted[CONNECTION]
    assert pushed == {"type": "result"} | RESULT.to_document() | {"request_id": request.request_id}


def test_a_connection_attaches_before_the_result_and_another_after_it(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any
) -> None:
    websocket = cold_start("websocket")
    attach = {"action": "attach", "request_id": "id1", "secret": "secret"}
    for connection_id in ("early=", "late="):
        websocket.handler(event("$connect", connection_id=connection_id), context)

    assert answer_of(websocket.handler(event("attach", attach, "early="), context))["type"] == "attached"
    assert take_all("pushes") == []
    ResultsTable(dynamodb, "results").write(RESULT)
    assert answer_of(websocket.handler(event("attach", attach, "late="), context))["type"] == "attached"

    (message,) = take_all("pushes")
    assert cold_start("push").handler(sqs_event(message), context) == {"batchItemFailures": []}
    assert [len(posts.posted[connection_id]) for connection_id in ("early=", "late=")] == [1, 1]
    assert dynamodb.scan(TableName="watchers")["Count"] == 0


def test_a_disconnect_forgets_the_connection(cold_start: ColdStart, context: Any, dynamodb: Any) -> None:
    websocket = cold_start("websocket")
    websocket.handler(event("$connect"), context)
    assert dynamodb.scan(TableName="connections")["Count"] == 1

    assert websocket.handler(event("$disconnect"), context) == {"statusCode": 200}
    assert dynamodb.scan(TableName="connections")["Count"] == 0


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        pytest.param("$default", None, 400, id="an empty message"),
        pytest.param("$default", "hello", 400, id="no JSON"),
        pytest.param("$default", {"action": "help"}, 404, id="no such action"),
        pytest.param(
            "recognise",
            {"action": "recognise", "buffer": "kafka", "request": {"image": {"key": "cat.jpg"}}},
            404,
            id="no such buffer",
        ),
        pytest.param(
            "recognise",
            {"action": "recognise", "buffer": "kinesis-efo", "request": {"image": {"key": "cat.jpg"}}},
            404,
            id="a buffer that this stack has not",
        ),
        pytest.param("recognise", {"action": "recognise", "buffer": "sqs", "request": {}}, 400, id="no image"),
        pytest.param(
            "recognise",
            {"action": "recognise", "buffer": "sqs", "request": {"image": {"key": "a"}, "attach": "secret"}},
            400,
            id="a secret in place of its hash",
        ),
        pytest.param(
            "recognise",
            {"action": "recognise", "buffer": "sqs", "request": {"image": {"key": "\ud800"}}},
            400,
            id="half a character",
        ),
        pytest.param(
            "recognise",
            {
                "action": "recognise",
                "buffer": "sqs",
                "request": {"image": {"key": "a"}, "callback_url": "https://127.0.0.1/"},
            },
            400,
            id="a callback to oneself",
        ),
    ],
)
def test_what_cannot_be_done_is_answered_and_teaches(
    route: str, body: Any, status: int, cold_start: ColdStart, context: Any
) -> None:
    websocket = cold_start("websocket")
    websocket.handler(event("$connect"), context)

    answer = answer_of(websocket.handler(event(route, body), context))

    assert (answer["type"], answer["status"]) == ("error", status)
    assert answer["message"]
    assert answer["remedy"]
    assert take_all("images") == []


def test_a_connection_that_cannot_be_stored_is_refused(
    cold_start: ColdStart, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_TABLE", "nowhere")
    websocket = cold_start("websocket")

    # The gateway answers a function that raises in $connect with a 500, and the client does not get a connection.
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        websocket.handler(event("$connect"), context)


def test_a_gone_connection_is_forgotten_with_its_watcher(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any
) -> None:
    websocket = cold_start("websocket")
    websocket.handler(event("$connect"), context)
    websocket.handler(event("attach", {"action": "attach", "request_id": "id1", "secret": "secret"}), context)
    ResultsTable(dynamodb, "results").write(RESULT)
    posts.statuses[CONNECTION] = [410]

    message = {"request_id": "id1", "attach": hash_of("secret")}
    assert cold_start("push").handler(sqs_event(message), context) == {"batchItemFailures": []}

    assert posts.calls == [CONNECTION]
    assert dynamodb.scan(TableName="connections")["Count"] == 0
    assert dynamodb.scan(TableName="watchers")["Count"] == 0
    assert ResultsTable(dynamodb, "results").read("id1") is not None


def test_a_push_that_fails_now_and_then_is_tried_again_at_once(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any
) -> None:
    ResultsTable(dynamodb, "results").write(RESULT)
    posts.statuses["c1"] = [500, 200]

    message = {"request_id": "id1", "connection_id": "c1"}
    assert cold_start("push").handler(sqs_event(message), context) == {"batchItemFailures": []}
    assert len(posts.posted["c1"]) == 1


def test_a_push_that_fails_for_long_is_delivered_again_alone(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any
) -> None:
    ResultsTable(dynamodb, "results").write(RESULT)
    posts.statuses["c1"] = [429]

    answer = cold_start("push").handler(
        sqs_event(
            {"request_id": "id1", "connection_id": "c2"},
            {"request_id": "id1", "connection_id": "c1"},
            "no JSON",
            {"request_id": "id1", "connection_id": "c3"},
        ),
        context,
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert [len(posts.posted[name]) for name in ("c1", "c2", "c3")] == [0, 1, 1]


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_what_was_stored_is_what_was_notified_and_what_failed(
    cold_start: ColdStart, context: Any, dynamodb: Any, posts: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    ResultsTable(dynamodb, "results").write(RESULT)
    posts.statuses |= {"gone": [410], "broken": [403]}
    push = cold_start("push")
    capfd.readouterr()

    push.handler(
        sqs_event(*({"request_id": "id1", "connection_id": name} for name in ("c1", "gone", "broken", "c2"))), context
    )

    (counted,) = [line for line in lines(capfd.readouterr().out) if "_aws" in line and "Notified" in line]
    assert {name: counted[name] for name in ("Notified", "Pushed", "Gone", "PushFailures")} == {
        "Notified": [3.0],
        "Pushed": [2.0],
        "Gone": [1.0],
        "PushFailures": [1.0],
    }


def test_logs_hold_neither_secret_nor_image(
    cold_start: ColdStart, context: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    websocket = cold_start("websocket")
    websocket.handler(event("$connect"), context)
    capfd.readouterr()

    image = "c2VjcmV0IGltYWdl"
    for body in (
        {"action": "recognise", "buffer": "sqs", "request": {"image": {"bytes": image}}},
        {"action": "recognise", "buffer": "sqs", "request": {"image": {"bytes": image, "key": "both"}}},
        {"action": "attach", "request_id": "id1", "secret": "my-own-secret"},
        {"action": "attach", "request_id": "", "secret": "my-own-secret"},
    ):
        websocket.handler(event(str(body["action"]), body), context)

    out = capfd.readouterr().out
    assert image not in out
    assert "my-own-secret" not in out
    assert hash_of("my-own-secret") not in out
    answers = [line["answer"] for line in lines(out) if line.get("message") == "message"]
    assert [answer["type"] for answer in answers] == ["accepted", "error", "attached", "error"]


@pytest.mark.parametrize("function", ["websocket", "push"])
def test_a_function_starts_with_botocore_alone(function: str, aws: None) -> None:
    # Of the whole SDK, boto3 is what takes the longest to import, and neither function asks for it.
    code = f"import sys, consumers.{function}; print(sorted({{'boto3', 'aiohttp', 'requests'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
