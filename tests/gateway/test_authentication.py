"""Methods that ask who calls: whom they let in, what the others are told, and what templates and functions learn."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from delivery.token_bucket import TokenBucket
from local.authentication.api_keys import ApiKeys
from local.authentication.callers import Callers
from local.gateway.configuration import ConfigurationError
from local.gateway.rest_api import RestApi
from local.wire import WireRequest, WireResponse
from tests.authentication.signed import ALICE, NOW, SESSION, signatures, signed
from tests.gateway.upstream import Clock, Upstream, fixed_id, resources

KEY = "a-value-of-24-characters"
CALLERS = Callers(signatures(), ApiKeys({KEY: "key1"}))
IAM = {"AuthorizationType": "AWS_IAM"}
KEYED = {"ApiKeyRequired": True}
TEMPLATE = (
    '{"caller":"$!context.identity.caller","user":"$!context.identity.user","arn":"$!context.identity.userArn",'
    '"account":"$!context.identity.accountId","access_key":"$!context.identity.accessKey",'
    '"key":"$!context.identity.apiKeyId"}'
)


class World:
    def __init__(self, method: Mapping[str, Any], callers: Callers | None = CALLERS, **parts: Any) -> None:
        self.upstream = Upstream()
        services = dict.fromkeys(("kinesis", "sqs", "sns", "dynamodb", "s3"), self.upstream)
        integration = {"RequestTemplates": {"application/json": TEMPLATE}}
        account = TokenBucket(1e9, 1e9)
        made = resources(integration, method=method, **parts)
        self.api = RestApi(made, services, Clock(NOW), fixed_id, account=account, callers=callers)

    async def ask(self, request: WireRequest) -> WireResponse:
        return await self.api.handle(request)

    @property
    def told(self) -> dict[str, str]:
        """What the template made of the caller."""
        (call,) = self.upstream.seen
        told: dict[str, str] = json.loads(call.body)
        return told


def asked(**options: Any) -> WireRequest:
    return signed(**{"target": "/live/things/a", "headers": {"content-type": "application/json"}, **options})


def unsigned(**headers: str) -> WireRequest:
    given = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return WireRequest("POST", "/live/things/a", "", given, b"{}")


async def test_a_signed_request_passes_and_its_template_knows_who_signed() -> None:
    world = World(IAM)

    assert (await world.ask(asked())).status == 200
    assert world.told == {
        "caller": "AIDAALICE", "user": "AIDAALICE", "arn": "arn:aws:iam::000000000000:user/alice",
        "account": "000000000000", "access_key": "AKIAALICE", "key": "",
    }  # fmt: skip


async def test_a_session_of_a_role_is_known_by_its_role_and_name() -> None:
    world = World(IAM)

    assert (await world.ask(asked(identity=SESSION))).status == 200
    assert (world.told["caller"], world.told["arn"]) == (SESSION.caller, SESSION.arn)


async def test_a_request_with_a_key_passes_and_its_template_knows_which() -> None:
    world = World(KEYED)

    assert (await world.ask(unsigned(x_api_key=KEY))).status == 200
    assert world.told == {"caller": "", "user": "", "arn": "", "account": "", "access_key": "", "key": "key1"}


@pytest.mark.parametrize(
    ("method", "request_", "error_type", "message"),
    [
        (IAM, unsigned(), "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (IAM, unsigned(x_api_key=KEY), "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (IAM, asked(service="sqs"), "InvalidSignatureException", "Credential should be scoped to correct service: "),
        (IAM, asked(identity=replace(ALICE, access_key_id="AKIANOBODY")), "UnrecognizedClientException",
            "The security token included in the request is invalid."),
        (KEYED, unsigned(), "ForbiddenException", "Forbidden"),
        (KEYED, asked(), "ForbiddenException", "Forbidden"),
        (KEYED, unsigned(x_api_key="a-value-of-no-key-at-all"), "ForbiddenException", "Forbidden"),
        (IAM | KEYED, unsigned(x_api_key=KEY), "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (IAM | KEYED, asked(), "ForbiddenException", "Forbidden"),
    ],
)  # fmt: skip
async def test_who_is_not_let_in_is_a_403_in_awss_words_and_nothing_is_called(
    method: Mapping[str, Any], request_: WireRequest, error_type: str, message: str
) -> None:
    world = World(method)

    response = await world.ask(request_)

    assert (response.status, response.headers["x-amzn-errortype"]) == (403, error_type)
    said = json.loads(response.body)
    assert set(said) == {"message"}
    assert said["message"].startswith(message)
    assert not world.upstream.seen


async def test_a_changed_body_is_not_what_was_signed() -> None:
    world = World(IAM)

    response = await world.ask(replace(asked(), body=b'{"image":{"key":"dog.jpg"}}'))

    assert (response.status, response.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("kind", "method", "request_"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", IAM, unsigned()),
        ("INVALID_SIGNATURE", IAM, asked(region="us-east-1")),
        ("INVALID_API_KEY", KEYED, unsigned()),
        ("DEFAULT_4XX", KEYED, unsigned()),
    ],
)
async def test_the_templates_own_gateway_response_is_given(
    kind: str, method: Mapping[str, Any], request_: WireRequest
) -> None:
    own = {"StatusCode": "401", "ResponseTemplates": {"application/json": '{"t":"$context.error.responseType"}'}}
    world = World(method, gateway_responses={kind: own})

    response = await world.ask(request_)

    assert response.status == 401
    assert kind in ("DEFAULT_4XX", json.loads(response.body)["t"])


async def test_who_is_not_let_in_uses_up_nothing_of_the_stages_throttle() -> None:
    settings = [{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}]
    world = World(IAM, stage={"MethodSettings": settings})

    assert [(await world.ask(unsigned())).status for _ in range(5)] == [403] * 5
    assert [(await world.ask(asked())).status for _ in range(2)] == [200, 429]


async def test_who_is_let_in_by_nothing_need_show_nothing_and_is_nobody() -> None:
    world = World({}, callers=None)

    assert (await world.ask(asked())).status == 200
    assert set(world.told.values()) == {""}


@pytest.mark.parametrize(
    ("method", "callers", "said"),
    [
        ({"AuthorizationType": "CUSTOM"}, CALLERS, "AuthorizationType is CUSTOM"),
        ({"AuthorizationType": "COGNITO_USER_POOLS"}, CALLERS, "AuthorizationType is COGNITO_USER_POOLS"),
        (IAM, None, "nobody is known here"),
        (KEYED, None, "nobody is known here"),
    ],
)
def test_what_could_not_be_asked_is_refused_when_the_api_is_made(
    method: Mapping[str, Any], callers: Callers | None, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        World(method, callers)
