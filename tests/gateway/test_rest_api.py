"""The way of a request through an API, in API Gateway's order."""

import asyncio
import json
from typing import Any

import pytest

from local.gateway.configuration import ConfigurationError
from local.gateway.exchange import random_ids
from local.wire import WireRequest, WireResponse
from tests.gateway.upstream import EXTENDED_ID, Clock, Upstream, answered, post, small_api

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


async def test_every_answer_names_its_request() -> None:
    api = small_api(Upstream(), {})
    for request in (post(), post(path="/live/nowhere"), post(path="/elsewhere")):
        response = await api.handle(request)
        assert response.headers["x-amz-apigw-id"] == EXTENDED_ID
        assert response.headers["x-amzn-requestid"] == "6bc7c8a2-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("request_", "status", "error_type", "message"),
    [
        (post(path="/elsewhere/things/a"), 403, "ForbiddenException", "Forbidden"),
        (post(path="/liveness/things/a"), 403, "ForbiddenException", "Forbidden"),
        (post(path="/live/nowhere"), 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (post(path="/live"), 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (
            WireRequest("OPTIONS", "/live/things/a"),
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        (post(b"x" * (10 * 1024 * 1024 + 1)), 413, "RequestTooLargeException", "Request Too Long"),
        (post(b"{}"), 400, "BadRequestException", "Invalid request body"),
        (post(b'{"a": "1"}'), 400, "BadRequestException", "Invalid request body"),
        (post(b"{"), 400, "BadRequestException", "Invalid request body"),
        (post(b""), 400, "BadRequestException", "Invalid request body"),
        (post(b"\xff\xfe"), 400, "BadRequestException", "Invalid request body"),
        (post(b"[" * 200_000), 400, "BadRequestException", "Invalid request body"),
        (post(b'{"a": NaN}'), 400, "BadRequestException", "Invalid request body"),
        (post(b'{"a": ' + b"9" * 5_000 + b"}"), 400, "BadRequestException", "Invalid request body"),
        (post(b"<a/>", content_type="text/xml"), 415, "UnsupportedMediaTypeException", "Unsupported Media Type"),
        (post(b"{}", content_type="text/xml"), 415, "UnsupportedMediaTypeException", "Unsupported Media Type"),
    ],
)
async def test_what_the_gateway_answers_by_itself(
    request_: WireRequest, status: int, error_type: str, message: str
) -> None:
    upstream = Upstream()
    integration = {"PassthroughBehavior": "NEVER", "RequestTemplates": {"application/json": "$input.json('$')"}}
    response = await small_api(upstream, integration, schema=SCHEMA).handle(request_)
    assert (response.status, response.headers["x-amzn-errortype"]) == (status, error_type)
    assert json.loads(response.body) == {"message": message}
    assert upstream.seen == []


async def test_required_parameters_are_asked_for_before_the_body() -> None:
    method = {
        "RequestParameters": {
            "method.request.header.X-Wanted": True,
            "method.request.querystring.q": "true",
            "method.request.header.X-Optional": False,
        }
    }
    api = small_api(Upstream(), {}, schema=SCHEMA, method=method)
    response = await api.handle(post(b"{"))
    assert json.loads(response.body) == {"message": "Missing required request parameters: [X-Wanted, q]"}
    response = await api.handle(post(b'{"a": 1}', query="q=", x_wanted="1"))
    assert json.loads(response.body) == {"message": "Missing required request parameters: [q]"}
    assert (await api.handle(post(b'{"a": 1}', query="q=2", x_wanted="1"))).status == 200


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", ""])
async def test_json_is_json_by_any_spelling_and_by_default(content_type: str) -> None:
    headers = {"content_type": content_type} if content_type else {}
    upstream = Upstream()
    api = small_api(upstream, {"PassthroughBehavior": "NEVER", "RequestTemplates": {"application/json": "T"}})
    assert (await api.handle(post(**headers))).status == 200
    assert upstream.seen[0].body == b"T"


@pytest.mark.parametrize(
    ("passthrough", "templates", "status", "body", "reason"),
    [
        ("WHEN_NO_MATCH", {"application/json": "T"}, 200, b"sent", "no template for the type: passed on"),
        ("WHEN_NO_TEMPLATES", {"application/json": "T"}, 415, None, "there are templates, and none fits"),
        ("WHEN_NO_TEMPLATES", {}, 200, b"sent", "there are none"),
        ("NEVER", {}, 415, None, "never"),
        (None, {}, 200, b"sent", "WHEN_NO_MATCH is the default"),
    ],
)
async def test_passthrough(
    passthrough: str | None, templates: dict[str, str], status: int, body: bytes | None, reason: str
) -> None:
    upstream = Upstream()
    integration: dict[str, Any] = {"RequestTemplates": templates}
    if passthrough:
        integration["PassthroughBehavior"] = passthrough
    response = await small_api(upstream, integration).handle(post(b"sent", content_type="text/plain"))
    assert response.status == status, reason
    assert [request.body for request in upstream.seen] == ([] if body is None else [body]), reason


@pytest.mark.parametrize(
    ("template", "status", "reason"),
    [
        ("$input.path('$.x').substring(9)", 500, "a template that fails is the API's fault"),
        ("$input.json('$')", 400, "a body that is no JSON is the client's"),
    ],
)
async def test_a_template_that_cannot_be_rendered_calls_nobody(template: str, status: int, reason: str) -> None:
    upstream = Upstream()
    api = small_api(upstream, {"RequestTemplates": {"application/json": template}})
    body = b'{"x": "short"}' if status == 500 else b"{"
    assert (await api.handle(post(body))).status == status, reason
    assert upstream.seen == []


class _Slow:
    async def handle(self, request: WireRequest) -> WireResponse:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    ("upstream", "status", "message"),
    [
        (Upstream(ConnectionRefusedError("nobody there")), 504, "Network error communicating with endpoint"),
        (Upstream(ConnectionResetError("gone")), 504, "Network error communicating with endpoint"),
        (_Slow(), 504, "Endpoint request timed out"),
        (Upstream(ValueError("a defect")), 500, "Internal server error"),
    ],
)
async def test_an_upstream_that_does_not_answer(upstream: Any, status: int, message: str) -> None:
    response = await small_api(upstream, {"TimeoutInMillis": 50}).handle(post())
    assert (response.status, json.loads(response.body)) == (status, {"message": message})


async def test_the_stage_throttles_by_its_bucket_and_refills() -> None:
    clock = Clock()
    setting = {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 2, "ThrottlingBurstLimit": "3"}
    api = small_api(Upstream(), {}, clock, stage={"MethodSettings": [setting]})

    async def statuses(count: int) -> list[int]:
        return [(await api.handle(post())).status for _ in range(count)]

    assert await statuses(4) == [200, 200, 200, 429]
    clock.now += 1
    assert await statuses(3) == [200, 200, 429]
    response = await api.handle(post())
    assert response.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert json.loads(response.body) == {"message": "Too Many Requests"}


async def test_a_method_may_have_a_bucket_of_its_own() -> None:
    own = {
        "HttpMethod": "POST",
        "ResourcePath": "/~1things~1{name}",
        "ThrottlingRateLimit": 1,
        "ThrottlingBurstLimit": 1,
    }
    all_ = {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2}
    api = small_api(Upstream(), {}, stage={"MethodSettings": [all_, own]})
    nowhere = post(path="/live/nowhere")
    assert [(await api.handle(post())).status for _ in range(2)] == [200, 429]
    assert [(await api.handle(nowhere)).status for _ in range(3)] == [403, 403, 429]


async def test_a_throttled_request_never_reaches_the_service() -> None:
    upstream = Upstream()
    setting = {"ThrottlingRateLimit": 0, "ThrottlingBurstLimit": 0}
    assert (await small_api(upstream, {}, stage={"MethodSettings": [setting]}).handle(post())).status == 429
    assert upstream.seen == []


async def test_gateway_responses_can_be_changed_and_are_no_vtl() -> None:
    changed = {
        "MISSING_AUTHENTICATION_TOKEN": {
            "StatusCode": "404",
            "ResponseParameters": {
                "gatewayresponse.header.X-Why": "'nothing here'",
                "gatewayresponse.header.X-Id": "context.extendedRequestId",
            },
            "ResponseTemplates": {
                "application/json": '{"m":$context.error.messageString,"t":"${context.error.responseType}",'
                '"p":"$context.path.","v":"$stageVariables.a","n":"$input.body #if(true)","u":"$context.unknown"}'
            },
        },
        "DEFAULT_4XX": {"ResponseTemplates": {"application/json": '{"other":$context.error.messageString}'}},
        "DEFAULT_5XX": {"StatusCode": "503"},
    }
    api = small_api(Upstream(ValueError("x")), {}, gateway_responses=changed, stage={"Variables": {"a": "A"}})
    response = await api.handle(post(path="/live/x"))
    assert response.status == 404
    assert (response.headers["x-why"], response.headers["x-id"]) == ("nothing here", EXTENDED_ID)
    assert json.loads(response.body) == {
        "m": "Missing Authentication Token",
        "t": "MISSING_AUTHENTICATION_TOKEN",
        "p": "/live/x.",
        "v": "A",
        "n": "$input.body #if(true)",
        "u": "",
    }
    too_large = await api.handle(post(b"x" * 10_485_761))
    assert (too_large.status, json.loads(too_large.body)) == (413, {"other": "Request Too Long"})
    assert (await api.handle(post())).status == 503


async def test_context_says_what_it_knows() -> None:
    upstream = Upstream()
    names = (
        "requestId", "extendedRequestId", "requestTimeEpoch", "requestTime", "stage", "resourcePath", "resourceId",
        "httpMethod", "path", "apiId", "identity.sourceIp", "identity.userAgent", "domainName",
    )  # fmt: skip
    template = "\n".join(f"$context.{name}" for name in names)
    api = small_api(upstream, {"RequestTemplates": {"application/json": template}})
    await api.handle(post(user_agent="me", host="h:1"))
    assert upstream.seen[0].body.decode().split("\n") == [
        "6bc7c8a2-0000-4000-8000-000000000000", EXTENDED_ID, "1700000000000", "14/Nov/2023:22:13:20 +0000", "live",
        "/things/{name}", "r2", "POST", "/live/things/a", "api1", "127.0.0.1", "me", "h:1",
    ]  # fmt: skip


def test_ids_are_unique_and_safe_in_a_url() -> None:
    ids = [random_ids() for _ in range(1000)]
    assert len({made.extended for made in ids}) == len({made.plain for made in ids}) == 1000
    for made in ids:
        assert len(made.extended) == 16
        assert made.extended.endswith("=")
        assert set(made.extended[:-1]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"integration": {"Type": "HTTP"}}, "type HTTP"),
        ({"integration": {"Uri": "https://example.com"}}, "no arn"),
        ({"integration": {"Uri": "arn:aws:apigateway:eu-west-1:sqs2:path/x"}}, "sqs2, which is not served"),
        ({"integration": {"IntegrationHttpMethod": ""}}, "IntegrationHttpMethod is missing"),
        ({"integration": {"RequestTemplates": {"application/json": "#if(true)"}}}, "template for application/json"),
        ({"integration": {"RequestParameters": {"integration.request.header.X": "nothing.x"}}}, "'nothing.x' is no"),
        ({"integration": {"RequestParameters": {"integration.request.cookie.X": "'a'"}}}, "cookie.X is no"),
        ({"integration": {"ContentHandling": "CONVERT"}}, "ContentHandling"),
        ({"integration": {"IntegrationResponses": [{"StatusCode": 201}]}}, "no MethodResponse for the status 201"),
        (
            {
                "integration": {
                    "IntegrationResponses": [
                        {"StatusCode": 200, "ResponseParameters": {"method.response.header.X": "'a'"}}
                    ]
                }
            },
            "header.X is not declared",
        ),
        ({"method": {"AuthorizationType": "CUSTOM"}}, "AuthorizationType"),
        ({"method": {"ResourceId": "gone"}}, "ResourceId gone"),
        ({"method": {"RequestModels": {"application/json": "Gone"}}, "schema": SCHEMA}, "no model Gone"),
        ({"gateway_responses": {"THROTTLED": {"ResponseParameters": {"gatewayresponse.header.A": "b"}}}}, "header.A"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once_by_its_name(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        small_api(Upstream(answered(200, b"")), parts.pop("integration", {}), **parts)
