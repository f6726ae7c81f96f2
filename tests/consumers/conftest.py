"""The handlers as Lambda loads them: infra.yaml's variables, the results table on moto, and a Rekognition by script.

Rekognition is a real HTTP server, reached through boto3's own variable, because moto's answers every image alike.
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.results_table import ResultsTable
from tests import lambda_environment


class Rekognition:
    """Answers DetectLabels by the image's bytes: a list of answers, the last of which stays; a cat if none is given."""

    THROTTLE = (400, {"__type": "ProvisionedThroughputExceededException", "Message": "Rate exceeded"})
    NO_IMAGE = (400, {"__type": "InvalidImageFormatException", "Message": "Request has invalid image format"})
    # What no retry mends: the record fails at once.
    DENIED = (400, {"__type": "AccessDeniedException", "Message": "not authorized"})
    CAT = (
        200,
        {
            "Labels": [{"Name": "Cat", "Confidence": 93.25, "Parents": [{"Name": "Animal"}]}],
            "LabelModelVersion": "scripted",
        },
    )

    def __init__(self) -> None:
        self.script: dict[bytes, list[tuple[int, dict[str, Any]]]] = {}
        self.calls: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        rekognition = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                assert self.headers["x-amz-target"] == "RekognitionService.DetectLabels"
                status, answer = rekognition.answer(base64.b64decode(body["Image"]["Bytes"]))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, image: bytes) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.calls[image] += 1
            script = self.script.get(image, [self.CAT])
            return script.pop(0) if len(script) > 1 else script[0]


@pytest.fixture
def context() -> Callable[..., lambda_environment.Context]:
    """Makes a context with so much time left, in ms."""
    return lambda_environment.Context


@pytest.fixture
def rekognition() -> Iterator[Rekognition]:
    rekognition = Rekognition()
    thread = threading.Thread(target=rekognition.server.serve_forever, args=(0.01,))
    thread.start()
    yield rekognition
    # A handler's connections stay open between invocations, and this environment is at its end.
    rekognition.server.shutdown()
    rekognition.server.server_close()
    thread.join()


VARIABLES = {
    "RESULTS_TABLE": "results",
    "RESULT_TTL_DAYS": "7",
    "MIN_CONFIDENCE": "55",
    "MAX_LABELS": "10",
    "IN_BATCH_CONCURRENCY": "4",
    "CALLBACK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/callbacks",
    "PUSH_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/pushes",
    "POWERTOOLS_METRICS_NAMESPACE": "Forebay",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123",
}


@pytest.fixture
def table(rekognition: Rekognition, monkeypatch: pytest.MonkeyPatch) -> Iterator[ResultsTable]:
    """The results table, in the environment that infra.yaml gives a function."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL_REKOGNITION": rekognition.url}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
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
        yield ResultsTable(client, "results")


@pytest.fixture
def queues(table: ResultsTable, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, list[Any]]]:
    """The queues of those who tell clients; what is in them, by the variable that names them."""
    client = boto3.client("sqs")
    urls = {name: client.create_queue(QueueName=name)["QueueUrl"] for name in ("CALLBACK_QUEUE_URL", "PUSH_QUEUE_URL")}
    for name, url in urls.items():
        monkeypatch.setenv(name, url)

    def messages() -> dict[str, list[Any]]:
        return {
            name: [
                json.loads(message["Body"])
                for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            ]
            for name, url in urls.items()
        }

    return messages


@pytest.fixture
def cold_start(table: ResultsTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Loads a handler's module anew, as a new environment does."""
    yield lambda name: lambda_environment.start(f"consumers.{name}", monkeypatch)
    lambda_environment.forget()
