"""A REST API: its resources, methods and stage put together, and the way of a request through them."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from delivery.token_bucket import TokenBucket
from local.authentication.callers import Callers, Demand, demand_of
from local.authentication.refusal import NotAuthenticatedError, Reason
from local.clock import Clock
from local.function_policy import FunctionPolicy
from local.gateway import media_type
from local.gateway.configuration import ConfigurationError, StackResource, of_type, truth
from local.gateway.exchange import Context, Exchange, RequestIds, new_context, parse_query, random_ids
from local.gateway.gateway_response import GatewayError, GatewayResponses, ResponseType
from local.gateway.integration import Integration
from local.gateway.integration_response import IntegrationResponses
from local.gateway.integration_type import Behind, is_proxy, make_integration
from local.gateway.mapping_template import Parameters
from local.gateway.media_type import BinaryMediaTypes
from local.gateway.payload import Payload
from local.gateway.routing import Routes
from local.gateway.stage import Stage, Throttle
from local.gateway.validation import BodyValidator, InvalidBodyError, InvalidParametersError, ParameterValidator
from local.wire import WireRequest, WireResponse, WireService

_LOG = logging.getLogger(__name__)

# API Gateway quotas: the payload, which cannot be raised.
MAX_PAYLOAD_BYTES: Final = 10 * 1024 * 1024

_REFUSALS: Final = {
    Reason.NOT_SIGNED: ResponseType.MISSING_AUTHENTICATION_TOKEN,
    Reason.BAD_SIGNATURE: ResponseType.INVALID_SIGNATURE,
    Reason.BAD_API_KEY: ResponseType.INVALID_API_KEY,
}


@dataclass(frozen=True, slots=True)
class _Method:
    resource_path: str
    resource_id: str
    demand: Demand | None
    throttle: Throttle
    parameter_validator: ParameterValidator | None
    body_validator: BodyValidator | None
    integration: Integration
    responses: IntegrationResponses | None


class RestApi:
    """The one REST API of a stack, on its one stage. Its routes are below `/{stage_name}`.

    `services` are called by the name in an integration's Uri: kinesis, sqs, sns, dynamodb, s3, lambda. `account` is the
    token bucket that all APIs of the account share, `callers` who may call a method that asks who calls.

    Raises:
        ConfigurationError: API Gateway would refuse a resource, or it needs what is not served here.
    """

    def __init__(
        self,
        resources: Mapping[str, StackResource],
        services: Mapping[str, WireService],
        clock: Clock,
        ids: RequestIds = random_ids,
        *,
        account: TokenBucket | None = None,
        callers: Callers | None = None,
    ) -> None:
        logical_id, api = _only(resources, "RestApi")
        self._api_id = api.ref
        self._clock = clock
        self._ids = ids
        self._callers = callers
        self._binary = BinaryMediaTypes(api.properties.get("BinaryMediaTypes") or ())
        _, stage = _only(resources, "Stage")
        self._stage = Stage(stage, account=account)
        self._prefix = f"/{self._stage.name}"
        self._gateway_responses = GatewayResponses(dict(of_type(resources, "GatewayResponse")))
        self._routes: Routes[_Method] = Routes()
        behind = Behind(services, FunctionPolicy(resources), self._binary)
        for verb, method in _methods(resources, logical_id, api, behind, self._stage):
            if method.demand is not None and callers is None:
                raise ConfigurationError(logical_id, "it asks who calls, and nobody is known here")
            self._routes.add(method.resource_path, verb, method)

    @property
    def stage_name(self) -> str:
        """The first part of every path."""
        return self._stage.name

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer a client's request. Every error is a response."""
        now = self._clock()
        request_id = self._ids()
        context = new_context(
            self._api_id,
            self._stage.name,
            request,
            request_id,
            int(now * 1000),
            deployment_id=self._stage.deployment_id,
        )
        try:
            response = await self._answer(request, context, now)
        except GatewayError as error:
            response = self._refuse(error, context)
        except Exception as error:  # noqa: BLE001 (a service's defect is a client's 500, and the log's)
            _LOG.exception("%s %s failed", request.method, request.path)
            response = self._refuse(GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=repr(error)), context)
        headers = {**response.headers, "x-amzn-requestid": request_id.plain, "x-amz-apigw-id": request_id.extended}
        return WireResponse(response.status, headers, response.body, response.more_headers)

    async def _answer(self, request: WireRequest, context: Context, now: float) -> WireResponse:
        below = self._below_stage(request.path)
        if below is None:
            return WireResponse(
                403,
                {"content-type": media_type.JSON, "x-amzn-errortype": "ForbiddenException"},
                b'{"message":"Forbidden"}',
            )
        match = self._routes.find(below, request.method)
        # Before the throttle: who is not let in takes nothing of what the others have.
        if match is not None and match.method.demand is not None:
            context["identity"].update(self._identify(request, match.method.demand, now))
        throttle = self._stage.passes if match is None else match.method.throttle
        if not throttle(now):
            raise GatewayError(ResponseType.THROTTLED)
        if match is None:
            raise GatewayError(ResponseType.MISSING_AUTHENTICATION_TOKEN)
        if len(request.body) > MAX_PAYLOAD_BYTES:
            raise GatewayError(ResponseType.REQUEST_TOO_LARGE)
        method = match.method
        context["resourcePath"] = method.resource_path
        context["resourceId"] = method.resource_id
        content_type = request.headers.get("content-type", "")
        exchange = Exchange(
            request,
            context,
            self._stage.variables,
            Parameters(match.path_parameters, parse_query(request.query), request.headers),
            content_type,
            Payload(request.body, binary=bool(content_type) and content_type in self._binary),
        )
        _validate(method, exchange)
        upstream = await method.integration.answer(exchange)
        if method.responses is None:
            return upstream
        return method.responses.select(upstream.status).transform(exchange, upstream, self._binary)

    def _identify(self, request: WireRequest, demand: Demand, now: float) -> Mapping[str, str]:
        assert self._callers is not None
        try:
            return self._callers.identify(request, demand, now)
        except NotAuthenticatedError as error:
            raise GatewayError(_REFUSALS[error.reason], error.message, error_type=error.error_type) from None

    def _below_stage(self, path: str) -> str | None:
        prefix = self._prefix
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}:
            return path[len(prefix) :]
        return None

    def _refuse(self, error: GatewayError, context: Context) -> WireResponse:
        return self._gateway_responses.answer(error, context, self._stage.variables)


def _validate(method: _Method, exchange: Exchange) -> None:
    parameters = exchange.parameters
    try:
        if method.parameter_validator is not None:
            method.parameter_validator.check(parameters.path, parameters.query, parameters.headers)
        if method.body_validator is not None:
            method.body_validator.check(exchange.content_type, exchange.payload)
    except InvalidParametersError as error:
        raise GatewayError(ResponseType.BAD_REQUEST_PARAMETERS, str(error)) from None
    except InvalidBodyError as error:
        raise GatewayError(ResponseType.BAD_REQUEST_BODY, error.message, detail=str(error)) from None


def _methods(
    resources: Mapping[str, StackResource],
    api_logical_id: str,
    api: StackResource,
    behind: Behind,
    stage: Stage,
) -> Iterator[tuple[str, _Method]]:
    paths = _resource_paths(resources, api)
    models = {resource.ref: resource.properties["Schema"] for _, resource in of_type(resources, "Model")}
    validators = {resource.ref: resource.properties for _, resource in of_type(resources, "RequestValidator")}
    for logical_id, resource in of_type(resources, "Method"):
        properties = resource.properties
        verb, resource_id = str(properties["HttpMethod"]), str(properties["ResourceId"])
        if resource_id not in paths:
            raise ConfigurationError(logical_id, f"its ResourceId {resource_id} is none of {api_logical_id}'s")
        integration = dict(properties.get("Integration") or {})
        integration["Uri"] = stage.filled(logical_id, str(integration.get("Uri", "")))
        validator = validators.get(properties.get("RequestValidatorId", ""), {})
        path = paths[resource_id]
        yield (
            verb,
            _Method(
                resource_path=path,
                resource_id=resource_id,
                demand=demand_of(logical_id, properties),
                throttle=stage.throttle(verb, path),
                parameter_validator=_parameter_validator(properties, validator),
                body_validator=_body_validator(logical_id, properties, validator, models),
                integration=make_integration(logical_id, integration, behind),
                responses=None if is_proxy(integration) else IntegrationResponses(logical_id, integration, properties),
            ),
        )


def _resource_paths(resources: Mapping[str, StackResource], api: StackResource) -> dict[str, str]:
    """Each resource's path by its id, the root's too."""
    by_id = {resource.ref: (logical_id, resource.properties) for logical_id, resource in of_type(resources, "Resource")}
    root = str(api.attributes["RootResourceId"])

    def path(resource_id: str, logical_id: str) -> str:
        if resource_id == root:
            return ""
        if resource_id not in by_id:
            raise ConfigurationError(logical_id, f"its parent {resource_id} is not a resource of this API")
        own_id, properties = by_id[resource_id]
        return f"{path(str(properties['ParentId']), own_id)}/{properties['PathPart']}"

    return {root: "/", **{resource_id: path(resource_id, logical_id) for resource_id, (logical_id, _) in by_id.items()}}


def _parameter_validator(properties: Mapping[str, Any], validator: Mapping[str, Any]) -> ParameterValidator | None:
    if not truth(validator.get("ValidateRequestParameters")):
        return None
    required = []
    for name, needed in (properties.get("RequestParameters") or {}).items():
        place, _, key = str(name).removeprefix("method.request.").partition(".")
        if truth(needed):
            required.append((place, key))
    return ParameterValidator(required) if required else None


def _body_validator(
    logical_id: str, properties: Mapping[str, Any], validator: Mapping[str, Any], models: Mapping[str, Any]
) -> BodyValidator | None:
    if not truth(validator.get("ValidateRequestBody")):
        return None
    schemas = {}
    for content_type, model in (properties.get("RequestModels") or {}).items():
        if model not in models:
            raise ConfigurationError(logical_id, f"there is no model {model} in this template")
        schemas[content_type] = models[model]
    try:
        return BodyValidator(schemas)
    except ValueError as error:
        raise ConfigurationError(logical_id, str(error)) from None


def _only(resources: Mapping[str, StackResource], kind: str) -> tuple[str, StackResource]:
    found = list(of_type(resources, kind))
    if len(found) != 1:
        raise ConfigurationError(kind, f"there are {len(found)} in this template, and one is served")
    return found[0]
