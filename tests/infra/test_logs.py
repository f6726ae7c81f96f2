"""No line that a function logs has an image in it, a secret, a token or the query of a URL; whatever goes wrong.

What the stages log is tests/infra/test_hardening.py's.
"""

import base64
import json
import traceback
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Template
from tests import lambda_environment
from tests.infra import account, handlers
from tests.infra.recorded_calls import RecordedCalls

GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip", "LogLevel": "DEBUG"}
IMAGE = b"the pixels of somebody's face" * 40
SECRET, TOKEN, SIGNATURE = "secret-of-the-client", "token-of-the-receiver", "signature-of-the-caller"
URL = f"https://receiver.example/hook/{TOKEN}?token={TOKEN}"
# What a private address is refused for, its URL and all.
PRIVATE_URL = f"https://10.0.0.1/{TOKEN}?token={TOKEN}"
ENCODED = base64.b64encode(IMAGE).decode()
ASKING = {"image": {"bytes": ENCODED}, "callback_url": URL, "attach": "0" * 64}
MARKS = (
    *(IMAGE.decode()[:20], ENCODED[:20], SECRET, TOKEN, SIGNATURE, account.SECRET_STRING),
    base64.b64encode(json.dumps(ASKING).encode()).decode()[40:80],
)
HEADERS = {"Authorization": SIGNATURE, "x_api_key": SIGNATURE, "Idempotency_Key": "k"}


def with_query(body: dict[str, Any], buffer: str = "sqs") -> dict[str, Any]:
    event = handlers.proxy_event(json.dumps(body), buffer, **HEADERS)
    return {**event, "headers": {"Authorization": SIGNATURE}, "queryStringParameters": {"X-Amz-Signature": SIGNATURE}}


def records(stack: ResolvedStack, buffer: str) -> list[str]:
    return [
        handlers.record(stack, buffer, ASKING, connection_id="L0SM9cOFvHcCIhw="),
        # None of these is a request.
        handlers.record(stack, buffer, {**ASKING, "callback_url": f"http://{TOKEN}"}),
        handlers.record(stack, buffer, {"image": {"bytes": ENCODED + "!"}, "callback_url": URL}),
        handlers.record(stack, buffer, {"image": ENCODED}),
        json.dumps({"request": ASKING}),
        ENCODED,
    ]


def events(stack: ResolvedStack, function: str) -> list[dict[str, Any]]:
    match function:
        case "SnsFunction":
            return [handlers.sns_event(record) for record in records(stack, "sns")]
        case "SqsFunction":
            return [handlers.sqs_event(*records(stack, "sqs"))]
        case "KinesisFunction" | "KinesisEfoFunction":
            return [handlers.kinesis_event(*records(stack, "kinesis"), "\xf3\x89\x9a\xc2" + ENCODED)]
        case "SyncFunction":
            return [with_query({"image": image}) for image in ({"bytes": ENCODED}, {"bytes": ENCODED + "!"}, ENCODED)]
        case "RequestHandlerFunction":
            bodies = [ASKING, {**ASKING, "callback_url": PRIVATE_URL}, {**ASKING, "image": ENCODED}]
            return [with_query(body, buffer) for body in bodies for buffer in ("sns", "sqs", "kinesis")]
        case "CallbackFunction":
            account.store(stack, "done")
            message = json.dumps({"request_id": "done", "callback_url": URL})
            # Nobody listens there; the next is not called at all, the last is no message.
            return [handlers.sqs_event(message), handlers.sqs_event(message.replace("done", "none"), URL)]
        case "PushFunction":
            return [handlers.sqs_event(json.dumps({"request_id": "none", "attach": SECRET}), SECRET)]
        case "WebSocketFunction":
            asked = {"action": "recognise", "buffer": "sqs", "request": ASKING}
            attach = {"action": "attach", "request_id": "none", "secret": SECRET}
            connect = {**handlers.websocket_event("$connect"), "headers": {"Authorization": SIGNATURE}}
            return [
                {**connect, "queryStringParameters": {"X-Amz-Signature": SIGNATURE}},
                handlers.websocket_event("recognise", asked),
                handlers.websocket_event("recognise", {**asked, "request": {**ASKING, "callback_url": PRIVATE_URL}}),
                handlers.websocket_event("attach", attach),
                handlers.websocket_event("attach", {**attach, "request_id": SECRET * 100}),
                handlers.websocket_event("$default", {"secret": SECRET, "image": ENCODED}),
            ]
    raise AssertionError(f"nothing is sent to {function}")


@pytest.fixture(scope="module")
def stack(template: Template) -> Iterator[ResolvedStack]:
    names = PhysicalNames(queue_base_url="https://sqs.us-east-1.amazonaws.com", account=account.ACCOUNT)
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "none")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        resolved = template.resolve(GIVEN, names)
        account.make(resolved)
        yield resolved
        lambda_environment.forget()


FUNCTIONS = [
    *("SnsFunction", "SqsFunction", "KinesisFunction", "KinesisEfoFunction", "SyncFunction", "RequestHandlerFunction"),
    *("CallbackFunction", "PushFunction", "WebSocketFunction"),
]


def test_each_function_is_driven(stack: ResolvedStack) -> None:
    assert set(FUNCTIONS) == {function.logical_id for function in stack.of_type("AWS::Lambda::Function")}


def refuse(_client: Any, operation: str, _parameters: Any) -> Any:
    error: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}, "ResponseMetadata": {}}
    raise ClientError(error, operation)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_line_of_a_function_gives_anything_away(
    stack: ResolvedStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], function: str
) -> None:
    handler = handlers.load(stack, function, monkeypatch, CALLBACK_TEST_RECEIVER="receiver.example=127.0.0.1:1")
    given, raised = events(stack, function), []
    # Where AWS works, and where it refuses everything.
    for calls in (RecordedCalls(stack).recording(), patch.object(BaseClient, "_make_api_call", refuse)):
        with calls:
            for event in given:
                try:
                    handler(event)
                except Exception:  # noqa: BLE001 (Lambda's runtime logs it, whatever it is)
                    raised.append(traceback.format_exc())
    lines = [*capsys.readouterr().out.splitlines(), *raised]

    assert len(lines) >= len(given)
    for line in lines:
        for mark in MARKS:
            assert mark not in line, line
