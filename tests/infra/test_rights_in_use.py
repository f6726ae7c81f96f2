"""No role may do what nothing of it does, and none lacks what its code does: rights beside recorded calls.

What a function's own code calls is recorded from its handlers, a route's from API Gateway's rendered integration. What
Lambda does in a role's name, poll and send what was given up, is in no code of ours: it follows from the mappings.
"""

import ast
import asyncio
import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import boto3
import botocore.session
import pytest
from botocore import xform_name
from moto import mock_aws

from local.gateway.rest_api import RestApi
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Resource, Template
from local.wire import WireRequest
from pipeline import code_package
from pipeline.ownership import owner_of
from pipeline.watchers import WatchersTable
from tests import lambda_environment
from tests.gateway.upstream import Clock, Upstream, fixed_id
from tests.infra import account, handlers
from tests.infra.conftest import path_of
from tests.infra.recorded_calls import GONE, RecordedCalls, Rights, deployed, merged
from tests.infra.test_roles import RIGHTS, as_list

ROOT = Path(__file__).parents[2]
GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip"}
INLINE = {"image": {"bytes": "AAEC"}}
STORED = {"image": {"key": "cat.jpg"}}
# Larger than any buffer takes.
LARGE = {"image": {"bytes": base64.b64encode(bytes(900_000)).decode()}}
SECRET = "of-the-client"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()
ASKING = {**INLINE, "callback_url": "https://receiver.example/", "attach": HASH}
BUFFERS = ("sns", "sqs", "kinesis", "kinesis-efo")
POLL_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
POLL_STREAM = (
    *("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator"),
    "kinesis:ListShards",
)
SUBSCRIBE = ("kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard")


@pytest.fixture(scope="module")
def stack(template: Template) -> ResolvedStack:
    names = PhysicalNames(queue_base_url="https://sqs.us-east-1.amazonaws.com", account=account.ACCOUNT)
    return template.resolve(GIVEN, names)


@pytest.fixture(scope="module")
def calls(stack: ResolvedStack) -> Iterator[Mapping[str, RecordedCalls]]:
    """What each function's handler calls, on whatever way through it there is."""
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "none")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        account.make(stack)
        recorded = {}
        for function, events in EVENTS.items():
            recorded[function] = RecordedCalls(stack)
            given = events(stack)
            handler = handlers.load(stack, function, monkeypatch, **VARIABLES.get(function, {}))
            with recorded[function].recording():
                for event in given:
                    handler(event)
        yield recorded
        lambda_environment.forget()


def sns_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    return [handlers.sns_event(handlers.record(stack, "sns", request)) for request in (ASKING, STORED)]


def sqs_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    return [handlers.sqs_event(*(handlers.record(stack, "sqs", request) for request in (ASKING, STORED)))]


def kinesis_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    return [handlers.kinesis_event(*(handlers.record(stack, "kinesis", request) for request in (ASKING, STORED)))]


def sync_events(_stack: ResolvedStack) -> list[dict[str, Any]]:
    return [handlers.proxy_event(json.dumps(request)) for request in (INLINE, STORED)]


def request_handler_events(_stack: ResolvedStack) -> list[dict[str, Any]]:
    taken = [handlers.proxy_event(json.dumps(INLINE), buffer) for buffer in BUFFERS]
    named = handlers.proxy_event(json.dumps(INLINE), "sqs", Idempotency_Key="once")
    return [*taken, named, named, handlers.proxy_event(json.dumps(LARGE), "sqs")]


def callback_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    store(stack, "done")
    message = json.dumps({"request_id": "done", "callback_url": "https://receiver.example/"})
    # Nobody listens there, so it is to come again; the second is given up at once.
    return [handlers.sqs_event(message), handlers.sqs_event("no callback")]


def push_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    store(stack, "watched")
    watchers = WatchersTable(boto3.client("dynamodb"), stack.resources["WatchersTable"].ref)
    for connection in ("there", GONE):
        watchers.add("watched", connection, HASH, owner_of(handlers.IDENTITY))
    return [handlers.sqs_event(json.dumps({"request_id": "watched", "attach": HASH}))]


def websocket_events(stack: ResolvedStack) -> list[dict[str, Any]]:
    store(stack, "attached")
    attach = {"action": "attach", "request_id": "attached", "secret": SECRET}
    return [
        handlers.websocket_event("$connect"),
        *(handlers.websocket_event("recognise", {"buffer": buffer, "request": INLINE}) for buffer in BUFFERS),
        handlers.websocket_event("recognise", {"buffer": "sns", "request": LARGE}),
        handlers.websocket_event("attach", attach),
        handlers.websocket_event("$disconnect"),
    ]


EVENTS = {
    "SnsFunction": sns_events,
    "SqsFunction": sqs_events,
    "KinesisFunction": kinesis_events,
    "KinesisEfoFunction": kinesis_events,
    "SyncFunction": sync_events,
    "RequestHandlerFunction": request_handler_events,
    "CallbackFunction": callback_events,
    "PushFunction": push_events,
    "WebSocketFunction": websocket_events,
}
VARIABLES = {"CallbackFunction": {"CALLBACK_TEST_RECEIVER": "receiver.example=127.0.0.1:1"}}


def store(stack: ResolvedStack, request_id: str) -> None:
    account.store(stack, request_id, attach=HASH, owner=owner_of(handlers.IDENTITY))


def role_of(stack: ResolvedStack, arn: object) -> str:
    return next(role.logical_id for role in stack.of_type("AWS::IAM::Role") if role.attributes["Arn"] == arn)


def by_lambda(stack: ResolvedStack, function: Resource) -> Rights:
    """What Lambda does in the name of a function's role."""
    group = next(
        group
        for group in stack.of_type("AWS::Logs::LogGroup")
        if group.ref == function.properties["LoggingConfig"]["LogGroup"]
    )
    rights: Rights = {action: {group.attributes["Arn"]} for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    for kind in ("EventSourceMapping", "EventInvokeConfig"):
        for resource in stack.of_type(f"AWS::Lambda::{kind}"):
            if resource.properties["FunctionName"] != function.ref:
                continue
            rights = merged(rights, polling(stack, resource.properties.get("EventSourceArn")))
            given_up = resource.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            if given_up is not None and ":s3:" in given_up:
                rights = merged(rights, {"s3:PutObject": {f"{given_up}/*"}, "s3:ListBucket": {given_up}})
            elif given_up is not None:
                rights = merged(rights, {"sqs:SendMessage": {given_up}})
    return rights


def polling(stack: ResolvedStack, source: str | None) -> Rights:
    """AWS's own lists: services-sqs-configure, services-kinesis-create, and for a consumer both of Kinesis's."""
    if source is None:
        return {}
    if ":sqs:" in source:
        return {action: {source} for action in POLL_QUEUE}
    if "/consumer/" not in source:
        return {action: {source} for action in POLL_STREAM}
    stream = source.partition("/consumer/")[0]
    return {action: {stream} for action in POLL_STREAM} | {action: {source} for action in SUBSCRIBE}


def granted(stack: ResolvedStack, role: str) -> Rights:
    rights: Rights = {}
    for policy in stack.resources[role].properties.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in as_list(statement["Action"]):
                rights = merged(rights, {action: set(as_list(statement["Resource"]))})
    return rights


def test_each_function_is_driven(stack: ResolvedStack) -> None:
    assert set(EVENTS) == {function.logical_id for function in stack.of_type("AWS::Lambda::Function")}


@pytest.mark.parametrize("name", EVENTS)
def test_a_function_may_do_what_it_does_and_nothing_else(
    stack: ResolvedStack, calls: Mapping[str, RecordedCalls], name: str
) -> None:
    function = stack.resources[name]
    role = role_of(stack, function.properties["Role"])

    assert granted(stack, role) == merged(calls[name].rights, by_lambda(stack, function))


def test_no_call_in_the_deployed_code_went_unrecorded(calls: Mapping[str, RecordedCalls]) -> None:
    recorded = set().union(*(each.operations for each in calls.values()))

    assert recorded
    assert called_in_deployed_code() <= recorded


def called_in_deployed_code() -> set[str]:
    """The methods of AWS's clients that are called by name in what is in the zip."""
    session = botocore.session.get_session()
    services = (
        *("kinesis", "sqs", "sns", "dynamodb", "s3", "secretsmanager", "rekognition", "apigatewaymanagementapi"),
    )
    known = {
        xform_name(operation)
        for service in services
        for operation in session.get_service_model(service).operation_names
    }
    found: set[str] = set()
    for path in code_package._own(ROOT):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found.add(node.func.attr)
                if node.func.attr == "get_paginator":
                    found.update(argument.value for argument in node.args if isinstance(argument, ast.Constant))
    return found & known


def of_a_service(request: WireRequest, stack: ResolvedStack, service: str) -> tuple[str, str]:
    """The action and the resource of a call on the wire."""
    arns = {resource.ref: resource.attributes.get("Arn") or resource.ref for resource in deployed(stack)}
    if service == "s3":
        assert request.method == "PUT"
        return "s3:PutObject", arns[request.path.split("/")[1]] + "/*"
    if service in ("kinesis", "dynamodb"):
        body = json.loads(request.body)
        action = request.headers["x-amz-target"].rpartition(".")[2]
        return f"{service}:{action}", arns[body.get("StreamName") or body["TableName"]]
    form = parse_qs(request.body.decode())
    (action,) = form["Action"]
    if service == "sns":
        return f"sns:{action}", form["TopicArn"][0]
    urls = {ref: arn for ref, arn in arns.items() if ref.endswith(request.path)}
    (arn,) = urls.values()
    return f"sqs:{action}", arn


def methods(stack: ResolvedStack) -> list[Resource]:
    return [
        method
        for method in stack.of_type("AWS::ApiGateway::Method")
        if method.properties["Integration"]["Type"] == "AWS"
    ]


def test_a_route_may_make_the_one_call_that_it_makes(stack: ResolvedStack) -> None:
    # Who may call the route is another matter: what it calls then is the same.
    open_to_all = {
        name: dataclasses.replace(
            resource, properties={**resource.properties, "AuthorizationType": "NONE", "ApiKeyRequired": False}
        )
        if resource.type == "AWS::ApiGateway::Method"
        else resource
        for name, resource in stack.resources.items()
    }
    clock = Clock()
    roles = set()
    for method in methods(stack):
        services = {name: Upstream() for name in ("kinesis", "sqs", "sns", "dynamodb", "s3", "lambda")}
        api = RestApi(open_to_all, services, clock, fixed_id)
        integration = method.properties["Integration"]
        path = re.sub(r"\{\w+\}", "cat.jpg", path_of(stack, method.properties["ResourceId"]))
        verb = method.properties["HttpMethod"]
        headers = {"content-type": "image/jpeg" if verb == "PUT" else "application/json"}
        body = json.dumps(INLINE).encode() if verb == "POST" else b""
        asyncio.run(api.handle(WireRequest(verb, f"/live{quote(path)}", "", headers, body)))
        made = [(name, request) for name, upstream in services.items() for request in upstream.seen]
        assert len(made) == 1, method.logical_id
        ((service, request),) = made
        action, resource = of_a_service(request, stack, service)
        role = role_of(stack, integration["Credentials"])
        assert granted(stack, role) == {action: {resource}}, method.logical_id
        roles.add(role)
    # The last one is AWS's own policy, for the account's logs.
    functions = {role_of(stack, function.properties["Role"]) for function in stack.of_type("AWS::Lambda::Function")}
    assert roles | functions | {"ApiLogRole"} == set(RIGHTS)
