"""A service that answers what it was told to, and APIs in front of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from delivery.token_bucket import TokenBucket
from local.authentication.api_keys import ApiKeys
from local.authentication.callers import Callers, Demand
from local.authentication.signature import Signatures
from local.gateway.exchange import RequestId
from local.gateway.rest_api import RestApi
from local.wire import WireRequest, WireResponse, WireService

STARTED_AT = 1_700_000_000.0
EXTENDED_ID = "Fv6kVGuJIAMF3Iw="


def answered(status: int, body: bytes, **headers: str) -> WireResponse:
    return WireResponse(status, {"content-type": "application/json", **headers}, body)


@dataclass
class Upstream:
    """Answers every request alike, with `answer` or by raising it, and remembers them."""

    answer: WireResponse | Exception = field(default_factory=lambda: answered(200, b"{}"))
    seen: list[WireRequest] = field(default_factory=list)

    async def handle(self, request: WireRequest) -> WireResponse:
        self.seen.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Clock:
    """Stands still until it is moved. Seconds."""

    now: float = STARTED_AT

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Stub:
    """A resource of a template, as the resolver makes them."""

    type: str
    properties: Mapping[str, Any]
    ref: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Everybody(Callers):
    """Lets everybody in, whatever he shows, as nobody: for tests of what comes after that."""

    def __init__(self) -> None:
        super().__init__(Signatures({}, ""), ApiKeys({}))

    def identify(self, request: WireRequest, demand: Demand, now: float) -> dict[str, str]:
        return {}


def fixed_id() -> RequestId:
    return RequestId("6bc7c8a2-0000-4000-8000-000000000000", EXTENDED_ID)


def resources(
    integration: Mapping[str, Any],
    *,
    api: Mapping[str, Any] | None = None,
    stage: Mapping[str, Any] | None = None,
    method: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    gateway_responses: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Stub]:
    """The resources of an API with the one method POST /things/{name}."""
    validated = {"RequestValidatorId": "validator1", "RequestModels": {"application/json": "ThingModel"}}
    return {
        "Api": Stub("AWS::ApiGateway::RestApi", api or {}, "api1", {"RootResourceId": "root1"}),
        "Things": Stub("AWS::ApiGateway::Resource", {"ParentId": "root1", "PathPart": "things"}, "r1"),
        "Thing": Stub("AWS::ApiGateway::Resource", {"ParentId": "r1", "PathPart": "{name}"}, "r2"),
        "Model": Stub("AWS::ApiGateway::Model", {"Schema": schema or {}}, "ThingModel"),
        "Validator": Stub(
            "AWS::ApiGateway::RequestValidator",
            {"ValidateRequestBody": True, "ValidateRequestParameters": "true"},
            "validator1",
        ),
        "Post": Stub(
            "AWS::ApiGateway::Method",
            {
                "ResourceId": "r2",
                "HttpMethod": "POST",
                "AuthorizationType": "NONE",
                "MethodResponses": [{"StatusCode": 200}],
                "Integration": {
                    "Type": "AWS",
                    "IntegrationHttpMethod": "POST",
                    "Uri": "arn:aws:apigateway:eu-west-1:kinesis:action/PutRecord",
                    "IntegrationResponses": [{"StatusCode": 200}],
                    **integration,
                },
                **(validated if schema else {}),
                **(method or {}),
            },
            "method1",
        ),
        "Stage": Stub("AWS::ApiGateway::Stage", {"StageName": "live", **(stage or {})}, "live"),
        **{
            name: Stub("AWS::ApiGateway::GatewayResponse", {"ResponseType": name, **properties}, name)
            for name, properties in (gateway_responses or {}).items()
        },
    }


def small_api(
    upstream: WireService, integration: Mapping[str, Any], clock: Clock | None = None, **parts: Any
) -> RestApi:
    """The API of `resources`, every service of which is `upstream`."""
    services = dict.fromkeys(("kinesis", "sqs", "sns", "dynamodb", "s3"), upstream)
    account = TokenBucket(1e9, 1e9)
    return RestApi(resources(integration, **parts), services, clock or Clock(), fixed_id, account=account)


def post(body: bytes = b"{}", path: str = "/live/things/a", query: str = "", **headers: str) -> WireRequest:
    """A request; header names have underscores for hyphens."""
    return WireRequest("POST", path, query, {name.replace("_", "-"): value for name, value in headers.items()}, body)
