"""The functions of a stack as Lambda loads them, each with its own variables, and the events that they are given."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local.template import ResolvedStack
from tests import lambda_environment

Handler = Callable[[dict[str, Any]], Any]
# Of a client that signs its requests.
IDENTITY = {
    "sourceIp": "127.0.0.1",
    "caller": "AIDACKCEVSQ6C2EXAMPLE",
    "userArn": "arn:aws:iam::123456789012:user/client",
    "accessKey": "AKIAIOSFODNN7EXAMPLE",
}


def load(stack: ResolvedStack, function: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Handler:
    """A new environment of a function. `variables` are set over the template's."""
    properties = stack.resources[function].properties
    of_the_template = {name: str(value) for name, value in properties["Environment"]["Variables"].items()}
    for name, value in {**of_the_template, **variables}.items():
        monkeypatch.setenv(name, value)
    module, _, name = properties["Handler"].rpartition(".")
    handler = getattr(lambda_environment.start(module, monkeypatch), name)
    return lambda event: handler(event, lambda_environment.Context())


def record(stack: ResolvedStack, buffer: str, request: Mapping[str, Any], **more: str) -> str:
    """A record as the gateway renders it."""
    of_the_gateway = {
        "request_id": uuid.uuid4().hex,
        "accepted_at": round(time.time() * 1_000),
        "buffer": buffer,
        "bucket": stack.resources["ImageBucket"].ref,
    }
    return json.dumps({**of_the_gateway, **more, "request": request})


def sns_event(body: str) -> dict[str, Any]:
    return {"Records": [{"Sns": {"MessageId": uuid.uuid4().hex, "Message": body}}]}


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": uuid.uuid4().hex, "receiptHandle": "receipt", "body": body} for body in bodies]}


def kinesis_event(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"kinesis": {"sequenceNumber": str(number), "data": base64.b64encode(body.encode()).decode()}}
            for number, body in enumerate(bodies)
        ]
    }


def proxy_event(body: str, buffer: str = "", **headers: str) -> dict[str, Any]:
    """What API Gateway sends a function; header names have underscores for hyphens."""
    return {
        "body": body,
        "isBase64Encoded": False,
        "pathParameters": {"buffer": buffer},
        "multiValueHeaders": {name.replace("_", "-"): [value] for name, value in headers.items()},
        "requestContext": {
            "extendedRequestId": uuid.uuid4().hex,
            "requestTimeEpoch": round(time.time() * 1_000),
            "stage": "live",
            "identity": IDENTITY,
        },
    }


def websocket_event(route: str, message: Mapping[str, Any] | None = None) -> dict[str, Any]:
    about = {
        "connectionId": "L0SM9cOFvHcCIhw=",
        "routeKey": route,
        "requestTimeEpoch": round(time.time() * 1_000),
        "identity": IDENTITY,
    }
    return {"requestContext": about, "body": None if message is None else json.dumps(message)}
