"""The two functions as Lambda loads them: infra.yaml's variables, tables and queues on moto, @connections by script.

@connections is a real HTTP server: moto's knows no connection that is gone.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from moto import mock_aws

from tests import lambda_environment

VARIABLES = {
    "RESULTS_TABLE": "results",
    "RESULT_TTL_DAYS": "7",
    "CONNECTIONS_TABLE": "connections",
    "WATCHERS_TABLE": "watchers",
    "IMAGE_BUCKET": "images",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:images",
    "SQS_FIFO": "false",
    "STREAM_NAME": "images",
    "CALLBACK_PORTS": "443",
    "CALLBACK_TEST_RECEIVER": "",
    "SNS_PENDING_S": "3600",
    "SQS_PENDING_S": "3600",
    "KINESIS_PENDING_S": "3600",
    "POWERTOOLS_METRICS_NAMESPACE": "Forebay",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Posts:
    """@connections of a stage: what was posted to each, and the statuses to answer with, the last of which stays."""

    def __init__(self) -> None:
        self.posted: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.statuses: dict[str, list[int]] = {}
        self.calls: list[str] = []
        posts = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
                stage, _, connection_id = self.path[1:].partition("/@connections/")
                if stage == "%40connections":
                    raise AssertionError("the stage is missing")
                posts.calls.append(unquote(connection_id))
                statuses = posts.statuses.get(unquote(connection_id), [200])
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                if status == 200:
                    posts.posted[unquote(connection_id)].append(json.loads(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def context() -> lambda_environment.Context:
    return lambda_environment.Context(25_000)


@pytest.fixture
def posts() -> Iterator[Posts]:
    posts = Posts()
    thread = threading.Thread(target=posts.server.serve_forever, args=(0.01,))
    thread.start()
    yield posts
    posts.server.shutdown()
    posts.server.server_close()
    thread.join()


@pytest.fixture
def aws(posts: Posts, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables and queues, in the environment that infra.yaml gives the functions."""
    for name, value in {**VARIABLES, "WEBSOCKET_ENDPOINT": posts.endpoint}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        for table, keys in {
            "results": {"request_id": "HASH"},
            "connections": {"connection_id": "HASH"},
            "watchers": {"request_id": "HASH", "connection_id": "RANGE"},
        }.items():
            boto3.client("dynamodb").create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            )
        sqs = boto3.client("sqs")
        monkeypatch.setenv("QUEUE_URL", sqs.create_queue(QueueName="images")["QueueUrl"])
        monkeypatch.setenv("PUSH_QUEUE_URL", sqs.create_queue(QueueName="pushes")["QueueUrl"])
        yield


@pytest.fixture
def dynamodb(aws: None) -> Any:
    return boto3.client("dynamodb")


@pytest.fixture
def cold_start(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Loads a handler's module anew, as a new environment does."""
    yield lambda name: lambda_environment.start(f"consumers.{name}", monkeypatch)
    lambda_environment.forget()
