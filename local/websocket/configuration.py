"""The `AWS::ApiGatewayV2::*` resources of a template, read strictly into one WebSocket API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from delivery.quotas import Quotas
from local.authentication.callers import Demand, demand_of
from local.function_policy import API_GATEWAY, FunctionPolicy
from local.gateway.configuration import ConfigurationError, truth
from local.gateway.function_integration import FUNCTION_URI
from local.resource_properties import read
from local.template import ResolvedStack, Resource
from local.websocket.events import CONNECT
from local.websocket.selection import SelectionExpression

_V2: Final = "AWS::ApiGatewayV2::"
# API Gateway: the shortest integration timeout, in ms.
_SHORTEST_MS: Final = 50


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `two_way`: what its function answers goes to the client. `demand` is what it asks of a client."""

    key: str
    function_arn: str
    timeout_s: float
    two_way: bool
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class WebSocketConfiguration:
    """A WebSocket API on its one stage. `stage` are the properties of the `AWS::ApiGatewayV2::Stage`."""

    api_id: str
    stage_name: str
    stage: Mapping[str, Any]
    selection: SelectionExpression
    routes: Mapping[str, Route]


def read_websocket_api(stack: ResolvedStack, quotas: Quotas) -> WebSocketConfiguration | None:
    """The WebSocket API of a stack; None if it has none.

    Raises:
        ConfigurationError: API Gateway would refuse a resource, or answer nothing but errors, or it needs what is not
            served here.
        NotServedError: a resource has a property that is not served.
    """
    apis = _of(stack, "Api")
    if not apis:
        return None
    if len(apis) > 1:
        raise ConfigurationError(apis[1].logical_id, "one API of AWS::ApiGatewayV2 is served, and there is another")
    (api,) = apis
    properties = read(
        api,
        heeded=("ProtocolType", "RouteSelectionExpression"),
        harmless=("Name", "Description", "Tags", "Version", "ApiKeySelectionExpression", "IpAddressType"),
    )
    if properties.get("ProtocolType") != "WEBSOCKET":
        raise ConfigurationError(api.logical_id, "of AWS::ApiGatewayV2 the ProtocolType WEBSOCKET is served")
    expression = properties.get("RouteSelectionExpression")
    if not expression:
        raise ConfigurationError(api.logical_id, "a WebSocket API needs a RouteSelectionExpression")
    stage = _stage(stack, api)
    name = str(stage["StageName"])
    return WebSocketConfiguration(
        api_id=api.ref,
        stage_name=name,
        stage=stage,
        selection=SelectionExpression(api.logical_id, str(expression)),
        routes=_routes(stack, api, name, quotas),
    )


def _stage(stack: ResolvedStack, api: Resource) -> Mapping[str, Any]:
    stages = _of(stack, "Stage")
    if len(stages) != 1:
        raise ConfigurationError(f"{_V2}Stage", f"there are {len(stages)} in this template, and one is served")
    (stage,) = stages
    _check_api(stage, api)
    properties = read(
        stage,
        heeded=(
            "ApiId", "StageName", "AutoDeploy", "DeploymentId", "DefaultRouteSettings", "RouteSettings",
            "StageVariables",
        ),
        harmless=("Description", "Tags", "AccessLogSettings"),
    )  # fmt: skip
    deployments = {deployment.ref for deployment in _of(stack, "Deployment")}
    if not truth(properties.get("AutoDeploy")) and properties.get("DeploymentId") not in deployments:
        raise ConfigurationError(
            stage.logical_id,
            "nothing is deployed to it: set AutoDeploy, or DeploymentId to a deployment of this template",
        )
    return properties


def _routes(stack: ResolvedStack, api: Resource, stage: str, quotas: Quotas) -> dict[str, Route]:
    integrations = {integration.ref: integration for integration in _of(stack, "Integration")}
    answering = {str(_route_response(resource, api)) for resource in _of(stack, "RouteResponse")}
    for resource in _of(stack, "IntegrationResponse"):
        # Without effect: a proxy integration has no integration response, says AWS.
        _check_api(resource, api)
    policy = FunctionPolicy(stack.resources)
    functions = {function.attributes["Arn"] for function in stack.of_type("AWS::Lambda::Function")}
    routes: dict[str, Route] = {}
    for resource in _of(stack, "Route"):
        _check_api(resource, api)
        properties = read(
            resource,
            heeded=(
                "ApiId", "RouteKey", "Target", "AuthorizationType", "ApiKeyRequired",
                "RouteResponseSelectionExpression",
            ),
            harmless=("OperationName",),
        )  # fmt: skip
        key = str(properties["RouteKey"])
        if key in routes:
            raise ConfigurationError(resource.logical_id, f"there is a route {key} already")
        demand = demand_of(resource.logical_id, properties)
        if demand is not None and key != CONNECT:
            # AWS authorizes a connection, not its messages; of them it could still ask a key.
            raise ConfigurationError(resource.logical_id, "only $connect is served here with authorization or a key")
        integration = integrations.get(str(properties.get("Target")).removeprefix("integrations/"))
        if integration is None:
            raise ConfigurationError(
                resource.logical_id, f"its Target {properties.get('Target')} is no integration of this template"
            )
        function, timeout_s = _integration(integration, api, quotas)
        if function not in functions:
            raise ConfigurationError(integration.logical_id, f"{function} is no function of this template")
        source = _source_arn(function, api.ref, stage, key)
        if "CredentialsArn" not in integration.properties and not policy.allows(function, API_GATEWAY, source):
            raise ConfigurationError(
                resource.logical_id,
                f"no AWS::Lambda::Permission lets {API_GATEWAY} invoke {function} on behalf of {source}; "
                "AWS would answer every message with an internal server error",
            )
        routes[key] = Route(key, function, timeout_s, _two_way(resource, answering), demand)
    return routes


def _integration(integration: Resource, api: Resource, quotas: Quotas) -> tuple[str, float]:
    """The function's ARN, and how long API Gateway waits for it."""
    _check_api(integration, api)
    properties = read(
        integration,
        heeded=("ApiId", "IntegrationType", "IntegrationUri", "TimeoutInMillis", "CredentialsArn"),
        harmless=(
            "Description", "IntegrationMethod", "ConnectionType", "PassthroughBehavior", "PayloadFormatVersion",
        ),
    )  # fmt: skip
    match = FUNCTION_URI.fullmatch(str(properties.get("IntegrationUri")))
    if properties.get("IntegrationType") != "AWS_PROXY" or match is None:
        raise ConfigurationError(integration.logical_id, "an integration of type AWS_PROXY with a function is served")
    longest_ms = quotas.websocket_integration_s * 1000
    timeout_ms = float(properties.get("TimeoutInMillis", longest_ms))
    if "TimeoutInMillis" in properties and not _SHORTEST_MS <= timeout_ms <= longest_ms:
        raise ConfigurationError(
            integration.logical_id, f"TimeoutInMillis is {timeout_ms:g}; {_SHORTEST_MS} to {longest_ms:g} is possible"
        )
    return match["function"], timeout_ms / 1000


def _route_response(resource: Resource, api: Resource) -> Any:
    """The id of the route that a route response belongs to."""
    _check_api(resource, api)
    properties = read(resource, heeded=("ApiId", "RouteId", "RouteResponseKey"))
    if properties.get("RouteResponseKey") != "$default":
        raise ConfigurationError(resource.logical_id, "a WebSocket API has the RouteResponseKey $default only")
    return properties["RouteId"]


def _two_way(route: Resource, answering: set[str]) -> bool:
    expression = route.properties.get("RouteResponseSelectionExpression")
    if expression not in (None, "$default"):
        raise ConfigurationError(route.logical_id, "RouteResponseSelectionExpression can be $default only")
    if (expression is None) != (route.ref not in answering):
        raise ConfigurationError(
            route.logical_id,
            "it would not answer its clients: a two-way route has both RouteResponseSelectionExpression $default and "
            "an AWS::ApiGatewayV2::RouteResponse",
        )
    return expression is not None


def _source_arn(function_arn: str, api_id: str, stage: str, route_key: str) -> str:
    _, partition, _, region, account, *_ = function_arn.split(":")
    return f"arn:{partition}:execute-api:{region}:{account}:{api_id}/{stage}/{route_key}"


def _check_api(resource: Resource, api: Resource) -> None:
    if resource.properties.get("ApiId") != api.ref:
        raise ConfigurationError(resource.logical_id, f"its ApiId is not {api.logical_id}")


def _of(stack: ResolvedStack, kind: str) -> list[Resource]:
    return stack.of_type(_V2 + kind)
