"""What a service gets, and what its answer becomes."""

import base64
import json
from typing import Any

import pytest

from local.wire import WireRequest, WireResponse
from tests.gateway.upstream import Upstream, answered, post, small_api

ARN = "arn:aws:apigateway:eu-west-1"
EVERY_BYTE = bytes(range(256))


async def call(integration: dict[str, Any], request: WireRequest, **parts: Any) -> WireRequest:
    upstream = Upstream()
    response = await small_api(upstream, integration, **parts).handle(request)
    assert response.status == 200, response
    return upstream.seen[0]


@pytest.mark.parametrize(
    ("uri", "path", "query", "target"),
    [
        (f"{ARN}:kinesis:action/PutRecord", "/", "", "Kinesis_20131202.PutRecord"),
        (f"{ARN}:dynamodb:action/GetItem", "/", "", "DynamoDB_20120810.GetItem"),
        (f"{ARN}:sqs:path/123456789012/queue", "/123456789012/queue", "", None),
        (f"{ARN}:sqs:path/", "/", "", None),
        (f"{ARN}:sns:path//", "/", "", None),
        (f"{ARN}:sns:action/Publish", "/", "Action=Publish", None),
        (f"{ARN}:s3:path/bucket/key?acl", "/bucket/key", "acl", None),
        ("arn:aws-cn:apigateway:cn-north-1:a-b.kinesis:action/PutRecord", "/", "", "Kinesis_20131202.PutRecord"),
    ],
)
async def test_where_an_integration_goes(uri: str, path: str, query: str, target: str | None) -> None:
    got = await call({"Uri": uri, "IntegrationHttpMethod": "PUT"}, post(query="client=1"))
    assert (got.method, got.path, got.query, got.headers.get("x-amz-target")) == ("PUT", path, query, target)


async def test_the_service_is_told_region_and_name_as_a_signature_would() -> None:
    got = await call({"Uri": f"{ARN}:s3:path/bucket/key"}, post())
    assert "/eu-west-1/s3/aws4_request" in got.headers["authorization"]


async def test_client_headers_do_not_go_along_unless_mapped() -> None:
    parameters = {
        "integration.request.header.Content-Type": "'application/x-amz-json-1.1'",
        "integration.request.header.X-From": "method.request.header.X-Sent",
        "integration.request.header.X-Absent": "method.request.header.X-Not-Sent",
        "integration.request.header.X-Id": "context.extendedRequestId",
        "integration.request.header.X-Variable": "stageVariables.a",
        "integration.request.header.X-Body": "method.request.body.user.name",
        "integration.request.querystring.q": "method.request.querystring.query",
        "integration.request.querystring.none": "method.request.querystring.gone",
    }
    got = await call(
        {"RequestParameters": parameters},
        post(b'{"user": {"name": "me"}}', query="query=a%26b%3D1", x_sent="s", x_amz_target="Evil.Action"),
        stage={"Variables": {"a": "A"}},
    )
    assert got.headers["x-amz-target"] == "Kinesis_20131202.PutRecord"
    assert {name: value for name, value in got.headers.items() if name.startswith("x-") and name != "x-amz-target"} == {
        "x-from": "s",
        "x-id": "Fv6kVGuJIAMF3Iw=",
        "x-variable": "A",
        "x-body": "me",
    }
    assert got.headers["content-type"] == "application/x-amz-json-1.1"
    assert got.query == "q=a%26b%3D1"


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("a.jpg", "/bucket/a.jpg"),
        ("a%2Fb", "/bucket/a%2Fb"),  # stays one part
        ("..", "/bucket/%2E%2E"),  # nobody on the way may resolve it
        (".", "/bucket/%2E"),
        ("%2e%2e%2fother", "/bucket/..%2Fother"),
        ("a%3Fx%23y%25z%20+&=", "/bucket/a%3Fx%23y%25z%20%2B%26%3D"),
        ("%C3%A9%F0%9F%98%80", "/bucket/%C3%A9%F0%9F%98%80"),
        ("%0D%0AX-Evil:1", "/bucket/%0D%0AX-Evil%3A1"),
        ("{name}", "/bucket/%7Bname%7D"),  # what is put in is not looked at again
    ],
)
async def test_a_path_parameter_stays_one_part_of_the_path(sent: str, path: str) -> None:
    got = await call(
        {
            "Uri": f"{ARN}:s3:path/bucket/{{key}}",
            "RequestParameters": {"integration.request.path.key": "method.request.path.name"},
        },
        post(path=f"/live/things/{sent}"),
    )
    assert got.path == path


async def test_a_line_break_cannot_forge_a_header() -> None:
    upstream = Upstream()
    parameters = {"integration.request.header.X-Name": "method.request.path.name"}
    response = await small_api(upstream, {"RequestParameters": parameters}).handle(
        post(path="/live/things/a%0D%0AX-Evil:%201")
    )
    assert (response.status, upstream.seen) == (500, [])


async def test_a_template_can_override_what_goes_along() -> None:
    template = (
        "#set($context.requestOverride.header.X-Over = 'h')#set($context.requestOverride.querystring.q = 'a&b')"
        "#set($context.requestOverride.path.key = 'x/y')"
    )
    got = await call(
        {"Uri": f"{ARN}:s3:path/bucket/{{key}}", "RequestTemplates": {"application/json": template}}, post()
    )
    assert (got.path, got.query, got.headers["x-over"]) == ("/bucket/x%2Fy", "q=a%26b", "h")


@pytest.mark.parametrize(
    ("binary_types", "content_type", "handling", "sent", "got", "reason"),
    [
        (["image/png"], "image/png", None, EVERY_BYTE, EVERY_BYTE, "binary passes as it is"),
        (["image~1png"], "image/PNG;q=1", None, EVERY_BYTE, EVERY_BYTE, "written with ~1, in any case"),
        (["*/*"], "text/plain", None, EVERY_BYTE, EVERY_BYTE, "*/* is every type"),
        (["image/png"], "image/png", "CONVERT_TO_TEXT", EVERY_BYTE, base64.b64encode(EVERY_BYTE), "binary as base64"),
        (["image/png"], "image/png", "CONVERT_TO_BINARY", EVERY_BYTE, EVERY_BYTE, "it is binary already"),
        (["image/png"], "text/plain", "CONVERT_TO_BINARY", base64.b64encode(EVERY_BYTE), EVERY_BYTE, "text decoded"),
        (["image/png"], "text/plain", "CONVERT_TO_TEXT", b"caf\xc3\xa9", b"caf\xc3\xa9", "text stays text"),
        ([], "image/png", None, b"a\xffb", "a\ufffdb".encode(), "not declared binary: taken for UTF-8, and broken"),
    ],
)
async def test_content_handling(
    binary_types: list[str], content_type: str, handling: str | None, sent: bytes, got: bytes, reason: str
) -> None:
    integration = {"ContentHandling": handling} if handling else {}
    request = post(sent, content_type=content_type)
    assert (await call(integration, request, api={"BinaryMediaTypes": binary_types})).body == got, reason


@pytest.mark.parametrize(
    ("integration", "body", "content_type"),
    [
        ({"ContentHandling": "CONVERT_TO_BINARY"}, b"not base64!", "text/plain"),
        ({"RequestTemplates": {"image/png": "$input.body"}}, EVERY_BYTE, "image/png"),
    ],
)
async def test_what_cannot_be_converted_is_a_500(integration: dict[str, Any], body: bytes, content_type: str) -> None:
    api = small_api(Upstream(), integration, api={"BinaryMediaTypes": ["image/png"]})
    assert (await api.handle(post(body, content_type=content_type))).status == 500


RESPONSES = [
    {"StatusCode": 200, "SelectionPattern": r"2\d{2}"},
    {"StatusCode": 429, "SelectionPattern": "40[0-9]"},
    {"StatusCode": 502, "SelectionPattern": r"4\d{2}"},
    {"StatusCode": 503, "SelectionPattern": "5"},
]
METHOD_RESPONSES = {"MethodResponses": [{"StatusCode": str(status)} for status in (200, 429, 502, 503, 500)]}


@pytest.mark.parametrize(
    ("upstream", "status", "reason"),
    [
        (200, 200, "the whole status matches"),
        (400, 429, "the first pattern that does"),
        (413, 502, "the next one"),
        (500, 500, "5 is not the whole of 500, and there is no default"),
        (302, 500, "nothing matches"),
    ],
)
async def test_a_response_is_chosen_by_the_whole_status(upstream: int, status: int, reason: str) -> None:
    api = small_api(Upstream(answered(upstream, b"{}")), {"IntegrationResponses": RESPONSES}, method=METHOD_RESPONSES)
    assert (await api.handle(post())).status == status, reason


async def test_the_response_without_a_pattern_is_the_default_wherever_it_stands() -> None:
    responses = [{"StatusCode": 500, "ResponseTemplates": {"application/json": "default"}}, *RESPONSES]
    for upstream, body in ((302, b"default"), (200, b"{}")):
        api = small_api(
            Upstream(answered(upstream, b"{}")), {"IntegrationResponses": responses}, method=METHOD_RESPONSES
        )
        assert (await api.handle(post())).body == body


async def respond(response: dict[str, Any], upstream: WireResponse, request: WireRequest, **parts: Any) -> WireResponse:
    method = {
        "MethodResponses": [
            {"StatusCode": 200, "ResponseParameters": {f"method.response.header.X-{i}": False for i in range(6)}}
        ]
    }
    api = small_api(
        Upstream(upstream), {"IntegrationResponses": [{"StatusCode": 200, **response}]}, method=method, **parts
    )
    return await api.handle(request)


async def test_response_headers_come_from_where_they_are_mapped() -> None:
    parameters = {
        "method.response.header.X-0": "'literal'",
        "method.response.header.X-1": "integration.response.header.ETag",
        "method.response.header.X-2": "integration.response.header.Gone",
        "method.response.header.X-3": "integration.response.body.a.b",
        "method.response.header.X-4": "context.requestId",
        "method.response.header.X-5": "integration.response.body",
    }
    upstream = answered(200, b'{"a":{"b":5}}', etag='"e"', secret="s")
    response = await respond({"ResponseParameters": parameters}, upstream, post())
    assert {name: value for name, value in response.headers.items() if name.startswith("x-") and len(name) == 3} == {
        "x-0": "literal",
        "x-1": '"e"',
        "x-3": "5",
        "x-4": "6bc7c8a2-0000-4000-8000-000000000000",
        "x-5": '{"a":{"b":5}}',
    }
    assert "secret" not in response.headers
    assert (response.body, response.headers["content-type"]) == (b'{"a":{"b":5}}', "application/json")


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("text/xml", "text/xml", b"<a/>"),
        ("application/json", "application/json", b"{}"),
        ("*/*", "application/json", b"{}"),
        ("text/html, text/xml", "application/json", b"{}"),
        ("", "application/json", b"{}"),
    ],
)
async def test_the_response_template_is_the_one_accepted(accept: str, content_type: str, body: bytes) -> None:
    templates = {"text/xml": "<a/>", "application/json": "{}"}
    headers = {"accept": accept} if accept else {}
    response = await respond({"ResponseTemplates": templates}, answered(200, b"x"), post(**headers))
    assert (response.headers["content-type"], response.body) == (content_type, body)


async def test_a_template_overrides_status_and_headers() -> None:
    template = (
        "#set($context.responseOverride.status = 429)#set($context.responseOverride.header.Retry-After = '1')"
        '{"id": "$context.extendedRequestId", "name": "$input.params(\'name\')"}'
    )
    response = await respond({"ResponseTemplates": {"application/json": template}}, answered(200, b"{}"), post())
    assert (response.status, response.headers["retry-after"]) == (429, "1")
    assert json.loads(response.body) == {"id": "Fv6kVGuJIAMF3Iw=", "name": "a"}


@pytest.mark.parametrize(
    ("template", "upstream", "reason"),
    [
        ("$input.path('$.a')", b"<Error/>", "an answer that is no JSON"),
        ("#set($context.responseOverride.status = 'many')", b"{}", "no status"),
        ("#set($context.responseOverride.status = 99)", b"{}", "none that HTTP has"),
        ("#set($context.responseOverride.header.X = $input.path('$.a'))", b'{"a": "x\\r\\ny: 1"}', "a forged header"),
    ],
)
async def test_a_response_that_cannot_be_made_is_never_a_success(template: str, upstream: bytes, reason: str) -> None:
    response = await respond({"ResponseTemplates": {"application/json": template}}, answered(200, upstream), post())
    assert response.status == 500, reason


async def test_a_binary_answer_passes_as_it_is_to_who_accepts_it() -> None:
    parts = {"api": {"BinaryMediaTypes": ["image/png"]}}
    upstream = WireResponse(200, {}, EVERY_BYTE)
    assert (await respond({}, upstream, post(accept="image/png"), **parts)).body == EVERY_BYTE
    assert (await respond({}, upstream, post(accept="text/plain"), **parts)).body != EVERY_BYTE
    as_text = {"ContentHandling": "CONVERT_TO_TEXT"}
    assert base64.b64decode((await respond(as_text, upstream, post(accept="image/png"), **parts)).body) == EVERY_BYTE
