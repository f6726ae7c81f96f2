"""AWS_PROXY: what a function is told of a request, and what becomes of its answer."""

import base64
import json
from typing import Any

import pytest

from local.gateway.configuration import ConfigurationError
from local.gateway.rest_api import RestApi
from local.wire import WireRequest, WireResponse
from tests.gateway.upstream import EXTENDED_ID, Clock, Stub, Upstream, answered, fixed_id, post, resources

FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:forebay-Sync"
URI = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
PERMISSION = {
    "Action": "lambda:InvokeFunction",
    "FunctionName": FUNCTION,
    "Principal": "apigateway.amazonaws.com",
    "SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/*/POST/things/*",
}


def api_of(
    upstream: Upstream,
    *,
    permission: dict[str, Any] | None = PERMISSION,
    integration: dict[str, Any] | None = None,
    **parts: Any,
) -> RestApi:
    """The API of `resources` with its method proxied to a function."""
    made = resources({"Type": "AWS_PROXY", "Uri": URI, "IntegrationResponses": [], **(integration or {})}, **parts)
    if permission is not None:
        made["Permission"] = Stub("AWS::Lambda::Permission", permission, "permission")
    return RestApi(made, {"lambda": upstream}, Clock(), fixed_id)


def returned(answer: object) -> Upstream:
    """A Lambda whose function returns that."""
    return Upstream(answered(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode()))


async def told(request: WireRequest, **parts: Any) -> dict[str, Any]:
    """The event that a request becomes."""
    upstream = returned({"statusCode": 204})
    response = await api_of(upstream, **parts).handle(request)
    assert response.status == 204, response
    (invoked,) = upstream.seen
    assert (invoked.method, invoked.path) == ("POST", f"/2015-03-31/functions/{FUNCTION}/invocations")
    event = json.loads(invoked.body)
    assert isinstance(event, dict)
    return event


async def answer_to(returned_by_function: object, **parts: Any) -> WireResponse:
    return await api_of(returned(returned_by_function), **parts).handle(post())


async def test_a_request_is_told_whole() -> None:
    request = WireRequest(
        "POST",
        "/live/things/a%2Bb",
        "q=1&q=a%26b&empty=&plus=a+b",
        {"host": "127.0.0.1:4566", "user-agent": "curl/8", "x-several": "1, 2", "content-type": "application/json"},
        '{"text": "é \U0001f600"}'.encode(),
        [
            ("Host", "127.0.0.1:4566"), ("User-Agent", "curl/8"), ("X-Several", "1"), ("X-Several", "2"),
            ("Content-Type", "application/json"), ("Content-Length", "24"), ("Connection", "keep-alive"),
            ("Expect", "100-continue"), ("X-Forwarded-For", "10.0.0.1"),
        ],
    )  # fmt: skip
    event = await told(request, stage={"Variables": {"a": "A"}, "DeploymentId": "deployment1"})
    trace_id = event["headers"].pop("X-Amzn-Trace-Id")
    assert event["multiValueHeaders"].pop("X-Amzn-Trace-Id") == [trace_id]
    assert trace_id.startswith("Root=1-6553f100-")
    assert event == {
        "resource": "/things/{name}",
        "path": "/things/a%2Bb",
        "httpMethod": "POST",
        "headers": {
            "Host": "127.0.0.1:4566",
            "User-Agent": "curl/8",
            "X-Several": "2",
            "Content-Type": "application/json",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "4566",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Host": ["127.0.0.1:4566"],
            "User-Agent": ["curl/8"],
            "X-Several": ["1", "2"],
            "Content-Type": ["application/json"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["4566"],
            "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": {"q": "a&b", "empty": "", "plus": "a b"},
        "multiValueQueryStringParameters": {"q": ["1", "a&b"], "empty": [""], "plus": ["a b"]},
        "pathParameters": {"name": "a%2Bb"},
        "stageVariables": {"a": "A"},
        "requestContext": {
            "resourceId": "r2",
            "resourcePath": "/things/{name}",
            "httpMethod": "POST",
            "extendedRequestId": EXTENDED_ID,
            "requestTime": "14/Nov/2023:22:13:20 +0000",
            "path": "/live/things/a%2Bb",
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": "live",
            "domainPrefix": "127",
            "requestTimeEpoch": 1_700_000_000_000,
            "requestId": "6bc7c8a2-0000-4000-8000-000000000000",
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": "127.0.0.1",
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": "curl/8",
                "user": None,
            },
            "domainName": "127.0.0.1:4566",
            "deploymentId": "deployment1",
            "apiId": "api1",
        },
        "body": '{"text": "é \U0001f600"}',
        "isBase64Encoded": False,
    }


async def test_what_is_not_there_is_null() -> None:
    event = await told(post(b""))
    for member in ("queryStringParameters", "multiValueQueryStringParameters", "stageVariables", "body"):
        assert event[member] is None
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body", "told_as", "encoded"),
    [
        ("image/jpeg", b"\xff\xd8\x00", base64.b64encode(b"\xff\xd8\x00").decode(), True),
        ("text/plain", b"\xff\xd8", "��", False),  # text is UTF-8, and what is not is replaced, as on AWS
        ("", b"{}", "{}", False),  # no content type is needed
        ("image/jpeg", b"", None, False),
    ],
)
async def test_a_body_is_base64_if_its_media_type_is_binary(
    content_type: str, body: bytes, told_as: str | None, encoded: bool
) -> None:
    headers = {"content_type": content_type} if content_type else {}
    event = await told(post(body, **headers), api={"BinaryMediaTypes": ["image/jpeg"]})
    assert (event["body"], event["isBase64Encoded"]) == (told_as, encoded)


async def test_the_answer_is_the_response() -> None:
    answer = {
        "statusCode": 422,
        "headers": {
            "Content-Type": "text/plain", "X-One": "1", "X-True": True, "X-Five": 5, "X-None": None, "X-Both": "a",
        },
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "X-Both": ["a", "b"]},
        "body": "é",
        "isBase64Encoded": False,
    }  # fmt: skip
    response = await answer_to(answer)
    assert (response.status, response.body) == (422, "é".encode())
    assert response.headers == {
        "content-type": "text/plain",
        "x-one": "1",
        "x-true": "true",
        "x-five": "5",
        "set-cookie": "a=1",
        "x-both": "a",
        "x-amzn-requestid": "6bc7c8a2-0000-4000-8000-000000000000",
        "x-amz-apigw-id": EXTENDED_ID,
    }
    assert response.more_headers == [("set-cookie", "b=2"), ("x-both", "b")]


async def test_headers_that_are_the_gateways_own_come_under_another_name_and_none_twice() -> None:
    own = {
        "Content-Length": "3", "Date": "today", "Server": "mine", "Connection": "close", "Transfer-Encoding": "chunked",
        "x-amzn-RequestId": "mine", "X-Amz-Apigw-Id": "mine",
    }  # fmt: skip
    response = await answer_to({"headers": own, "body": "abc"})
    assert response.headers == {
        "content-type": "application/json",
        "x-amzn-remapped-content-length": "3",
        "x-amzn-remapped-date": "today",
        "x-amzn-remapped-server": "mine",
        "x-amzn-remapped-connection": "close",
        "x-amzn-remapped-x-amzn-requestid": "mine",
        "x-amzn-requestid": "6bc7c8a2-0000-4000-8000-000000000000",
        "x-amz-apigw-id": EXTENDED_ID,
    }


@pytest.mark.parametrize(
    ("answer", "status", "body", "why"),
    [
        ({}, 200, b"", "no member has to be there"),
        ({"statusCode": "201", "body": "a"}, 201, b"a", "a status may be a text"),
        ({"statusCode": None, "headers": None, "multiValueHeaders": None, "body": None}, 200, b"", "null is not there"),
        ({"body": ""}, 200, b"", "an empty body"),
        ({"body": "YQ==", "isBase64Encoded": True}, 200, b"YQ==", "nobody asked for a binary type"),
    ],
)
async def test_what_is_an_answer(answer: object, status: int, body: bytes, why: str) -> None:
    response = await answer_to(answer)
    assert (response.status, response.body) == (status, body), why
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("image/png", b"\x89PNG"),
        ("image/png;q=0.9, text/plain", b"\x89PNG"),
        ("text/plain, image/png", b"iVBORw=="),  # the first one counts
        ("", b"iVBORw=="),
    ],
)
async def test_a_base64_body_is_decoded_for_who_accepts_a_binary_type(accept: str, body: bytes) -> None:
    api = api_of(returned({"body": "iVBORw==", "isBase64Encoded": True}), api={"BinaryMediaTypes": ["image/png"]})
    assert (await api.handle(post(accept=accept))).body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"null", b"[]", b'"text"', b"{", b"[" * 100_000, {"labels": []}, {"statusCode": 200, "Body": "a"},
        {"statusCode": "ok"}, {"statusCode": True}, {"statusCode": 99}, {"statusCode": 600}, {"statusCode": 2_000},
        {"body": {"a": 1}}, {"body": 5}, {"isBase64Encoded": "yes", "body": "a"}, {"headers": []},
        {"headers": {"a b": "c"}}, {"headers": {"": "c"}}, {"headers": {"x": {}}}, {"headers": {"x": "a\r\nx-evil: b"}},
        {"multiValueHeaders": {"x": "a"}}, {"multiValueHeaders": {"x": [["a"]]}}, {"multiValueHeaders": 5},
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_502_of_default_5xx(answer: object) -> None:
    own = {
        "DEFAULT_5XX": {"ResponseTemplates": {"application/json": '{"message":$context.error.messageString,"own":1}'}}
    }
    response = await answer_to(answer, gateway_responses=own)
    assert (response.status, json.loads(response.body)) == (502, {"message": "Internal server error", "own": 1})
    assert response.headers["x-amzn-errortype"] == "InternalServerErrorException"


async def test_base64_that_is_none_is_a_500() -> None:
    api = api_of(returned({"body": "*", "isBase64Encoded": True}), api={"BinaryMediaTypes": ["*/*"]})
    assert (await api.handle(post(accept="image/png"))).status == 500


async def test_a_function_that_fails_is_a_502_and_what_it_says_stays_here() -> None:
    error = b'{"errorType": "RuntimeError", "errorMessage": "secret"}'
    upstream = Upstream(answered(200, error, **{"x-amz-function-error": "Unhandled"}))
    response = await api_of(upstream).handle(post())
    assert (response.status, response.body) == (502, b'{"message":"Internal server error"}')


@pytest.mark.parametrize(
    ("answer", "kind", "status", "message"),
    [
        (answered(429, b"{}"), "INTEGRATION_FAILURE", 500, "Internal server error"),
        (answered(503, b"{}"), "INTEGRATION_FAILURE", 500, "Internal server error"),
        (ConnectionError("gone"), "INTEGRATION_FAILURE", 504, "Network error communicating with endpoint"),
        (answered(413, b"{}"), "REQUEST_TOO_LARGE", 413, "Request Too Long"),
        (answered(404, b"{}"), "API_CONFIGURATION_ERROR", 500, "Internal server error"),
    ],
)
async def test_a_function_that_is_not_invoked(
    answer: WireResponse | Exception, kind: str, status: int, message: str
) -> None:
    response = await api_of(Upstream(answer)).handle(post())
    assert (response.status, json.loads(response.body)) == (status, {"message": message})
    response = await api_of(Upstream(answer), gateway_responses={kind: {"StatusCode": "502"}}).handle(post())
    assert (response.status, json.loads(response.body)) == (502, {"message": message})


async def test_the_functions_throttle_is_never_the_clients_429_by_itself() -> None:
    fallback = {"DEFAULT_4XX": {"StatusCode": "429"}, "THROTTLED": {"StatusCode": "429"}}
    response = await api_of(Upstream(answered(429, b"{}")), gateway_responses=fallback).handle(post())
    assert response.status == 500


@pytest.mark.parametrize(
    ("permission", "integration", "status"),
    [
        (None, {}, 500),
        ({**PERMISSION, "SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:other/*"}, {}, 500),
        ({**PERMISSION, "FunctionName": "another"}, {}, 500),
        ({**PERMISSION, "SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/live/*"}, {}, 200),
        # By a role it needs no permission of the function's.
        (None, {"Credentials": "arn:aws:iam::000000000000:role/invoker"}, 200),
    ],
)
async def test_a_function_is_only_invoked_by_who_may(
    permission: dict[str, Any] | None,
    integration: dict[str, Any],
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upstream = returned({})
    api = api_of(upstream, permission=permission, integration=integration)
    for _ in range(2):
        response = await api.handle(post())
        assert response.status == status
    assert len(upstream.seen) == (2 if status == 200 else 0)
    if status == 500:
        assert response.body == b'{"message":"Internal server error"}'
        assert [record.message for record in caplog.records if "AWS::Lambda::Permission" in record.message], "its cure"
        assert len(caplog.records) == 1, "told once"


async def test_the_body_is_checked_before_the_function_is_asked() -> None:
    upstream = returned({})
    api = api_of(upstream, schema={"type": "object", "required": ["image"]})
    assert (await api.handle(post(b"{}"))).status == 400
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("integration", "named"),
    [
        ({"Uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/name/invocations"}, "FUNCTION_ARN"),
        ({"Uri": URI.replace("lambda:path", "kinesis:path")}, "lambda:path"),
        ({"IntegrationHttpMethod": "GET"}, "POST"),
        ({"RequestParameters": {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}}, "RequestParameters"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_by_name(integration: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        api_of(returned({}), integration=integration)


def test_an_api_with_a_function_needs_a_lambda() -> None:
    with pytest.raises(ConfigurationError, match="no Lambda"):
        RestApi(resources({"Type": "AWS_PROXY", "Uri": URI}), {}, Clock(), fixed_id)


async def test_what_is_greedy_in_a_path_is_told_as_it_was_sent() -> None:
    upstream = returned({})
    made = resources({"Type": "AWS_PROXY", "Uri": URI})
    made["Thing"] = Stub("AWS::ApiGateway::Resource", {"ParentId": "r1", "PathPart": "{rest+}"}, "r2")
    made["Permission"] = Stub("AWS::Lambda::Permission", {**PERMISSION, "SourceArn": "*"}, "permission")
    api = RestApi(made, {"lambda": upstream}, Clock(), fixed_id)
    assert (await api.handle(post(path="/live/things/a%2Bb/c+d/"))).status == 200
    event = json.loads(upstream.seen[0].body)
    assert (event["path"], event["pathParameters"]) == ("/things/a%2Bb/c+d/", {"rest": "a%2Bb/c+d"})
