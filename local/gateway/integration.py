"""Integrations: how a method's request becomes a call of an AWS service."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_args

from local.gateway import media_type
from local.gateway.configuration import ConfigurationError
from local.gateway.deadline import within
from local.gateway.exchange import Exchange
from local.gateway.gateway_response import GatewayError, ResponseType
from local.gateway.mapping_template import Input, MappingTemplate, TemplateFailedError, TemplateSyntaxError
from local.gateway.parameter_mapping import RequestSource, UnsafeHeaderError, header_value, request_source
from local.gateway.payload import ContentHandling, NotBase64Error, NotJsonError, NotTextError
from local.wire import WireRequest, WireResponse, WireService

# API Gateway quotas: the integration timeout's default, which is its most without a raise.
DEFAULT_TIMEOUT_MS: Final = 29_000

_URI: Final = re.compile(
    r"arn:(?P<partition>[\w-]+):apigateway:(?P<region>[\w-]+):(?:[\w-]+\.)?(?P<service>[\w-]+)"
    r":(?P<kind>action|path)/(?P<rest>.*)",
    re.S,
)
# What API Gateway puts in X-Amz-Target for services that speak JSON; the others take the action in the query.
_TARGET_PREFIX: Final = {"kinesis": "Kinesis_20131202", "dynamodb": "DynamoDB_20120810"}
_PLACEHOLDER: Final = re.compile(r"\{([^{}/]+)\}")
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}


class Integration(Protocol):
    """What answers a method: a service or a function."""

    async def answer(self, exchange: Exchange) -> WireResponse:
        """A service's answer, untransformed; a function's, which is the method's.

        Raises:
            GatewayError: the request could not be made, or was not answered.
        """


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a call goes: the path with its placeholders, and what goes along with it."""

    service: str
    path: str
    query: str
    headers: Mapping[str, str]


class ServiceIntegration:
    """Type AWS: the request, transformed, is a call of the service's own API.

    Raises:
        ConfigurationError: API Gateway would not take it, or its service is not served here.
    """

    def __init__(self, logical_id: str, integration: Mapping[str, Any], services: Mapping[str, WireService]) -> None:
        target = _target(logical_id, str(integration.get("Uri", "")))
        if target.service not in services:
            raise ConfigurationError(logical_id, f"it calls {target.service}, which is not served here")
        self._service = services[target.service]
        self._target = target
        self._verb = str(integration.get("IntegrationHttpMethod") or "")
        if not self._verb:
            raise ConfigurationError(logical_id, "IntegrationHttpMethod is missing: set it to the service's own verb")
        self._passthrough = str(integration.get("PassthroughBehavior", "WHEN_NO_MATCH"))
        self._content_handling = _content_handling(logical_id, integration)
        self._timeout_s = timeout_s(integration)
        self._templates = templates(logical_id, integration.get("RequestTemplates"))
        self._headers: list[tuple[str, RequestSource]] = []
        self._path: dict[str, RequestSource] = {}
        self._query: list[tuple[str, RequestSource]] = []
        for name, expression in (integration.get("RequestParameters") or {}).items():
            self._map(logical_id, name, expression)

    def _map(self, logical_id: str, name: str, expression: str) -> None:
        try:
            source = request_source(expression)
        except ValueError as error:
            raise ConfigurationError(logical_id, str(error)) from None
        place, _, key = name.removeprefix("integration.request.").partition(".")
        if place == "header":
            self._headers.append((key.lower(), source))
        elif place == "path":
            self._path[key] = source
        elif place == "querystring":
            self._query.append((key, source))
        else:
            raise ConfigurationError(logical_id, f"{name} is no parameter of an integration's request")

    async def answer(self, exchange: Exchange) -> WireResponse:
        """Call the service. See `Integration`."""
        try:
            request = self._request(exchange)
        except NotJsonError as error:
            raise GatewayError(ResponseType.BAD_REQUEST_BODY, str(error)) from error
        except (TemplateFailedError, NotTextError, NotBase64Error, UnsafeHeaderError) as error:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=str(error)) from error
        try:
            return await within(self._timeout_s, self._service.handle(request))
        except TimeoutError as error:
            raise GatewayError(ResponseType.INTEGRATION_TIMEOUT) from error
        except ConnectionError as error:
            raise GatewayError(ResponseType.INTEGRATION_FAILURE, detail=str(error)) from error

    def _request(self, exchange: Exchange) -> WireRequest:
        exchange.payload = exchange.payload.converted(self._content_handling)
        body = self._body(exchange)
        overrides = exchange.context["requestOverride"]
        headers = {"content-type": media_type.essence(exchange.content_type), **self._target.headers}
        for name, source in self._headers:
            if (value := source(exchange)) is not None:
                headers[name] = header_value(value)
        for name, value in overrides["header"].items():
            headers[name.lower()] = header_value(value)
        return WireRequest(self._verb, self._full_path(exchange), self._full_query(exchange), headers, body)

    def _body(self, exchange: Exchange) -> bytes:
        template = self._templates.get(media_type.essence(exchange.content_type))
        if template is None:
            if self._passthrough == "NEVER" or (self._passthrough == "WHEN_NO_TEMPLATES" and self._templates):
                raise GatewayError(ResponseType.UNSUPPORTED_MEDIA_TYPE)
            return exchange.payload.data
        source = Input(exchange.payload, exchange.parameters)
        try:
            return template.render(source, exchange.context, exchange.stage_variables).encode("utf-8", "replace")
        except TemplateFailedError as error:
            if isinstance(error.__cause__, NotJsonError):
                raise error.__cause__ from None
            raise

    def _full_path(self, exchange: Exchange) -> str:
        if not self._path and not exchange.context["requestOverride"]["path"]:
            return self._target.path
        values = {name: source(exchange) or "" for name, source in self._path.items()}
        values.update(exchange.context["requestOverride"]["path"])

        def segment(match: re.Match[str]) -> str:
            text = str(values.get(match[1], match[0]))
            # What a client sent stays one segment, even where it is "..".
            return _DOTS.get(text) or urllib.parse.quote(text, safe="", errors="replace")

        return _PLACEHOLDER.sub(segment, self._target.path)

    def _full_query(self, exchange: Exchange) -> str:
        overrides = exchange.context["requestOverride"]["querystring"]
        if not self._query and not overrides:
            return self._target.query
        mapped = {name: value for name, source in self._query if (value := source(exchange)) is not None}
        encoded = urllib.parse.urlencode({**mapped, **overrides}, errors="replace")
        return f"{self._target.query}&{encoded}" if self._target.query and encoded else self._target.query or encoded


def timeout_s(integration: Mapping[str, Any]) -> float:
    """How long an integration is waited for."""
    return float(integration.get("TimeoutInMillis", DEFAULT_TIMEOUT_MS)) / 1000


def templates(logical_id: str, by_type: Mapping[str, str] | None) -> dict[str, MappingTemplate]:
    """Mapping templates by media type, parsed.

    Raises:
        ConfigurationError: one cannot be.
    """
    parsed = {}
    for name, text in (by_type or {}).items():
        try:
            parsed[name.lower()] = MappingTemplate(text)
        except TemplateSyntaxError as error:
            raise ConfigurationError(logical_id, f"the template for {name}: {error}") from None
    return parsed


def _target(logical_id: str, uri: str) -> _Target:
    match = _URI.fullmatch(uri)
    if match is None:
        raise ConfigurationError(logical_id, f"{uri!r} is no arn:PARTITION:apigateway:REGION:SERVICE:action|path/...")
    service, region, rest = match["service"], match["region"], match["rest"]
    headers = {"accept": media_type.JSON, "user-agent": "AmazonAPIGateway", "authorization": _scope(region, service)}
    if match["kind"] == "path":
        path, _, query = rest.partition("?")
        return _Target(service, "/" + path.lstrip("/"), query, headers)
    action, _, query = rest.partition("&")
    if service in _TARGET_PREFIX:
        headers["x-amz-target"] = f"{_TARGET_PREFIX[service]}.{action}"
        return _Target(service, "/", query, headers)
    return _Target(service, "/", f"Action={action}" + (f"&{query}" if query else ""), headers)


def _scope(region: str, service: str) -> str:
    """An Authorization header as the method's role would send it, unsigned: here it only says Region and service."""
    return (
        f"AWS4-HMAC-SHA256 Credential=apigateway/20260101/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )


def _content_handling(logical_id: str, properties: Mapping[str, Any]) -> ContentHandling | None:
    value = properties.get("ContentHandling")
    if value is None or value in get_args(ContentHandling):
        return value
    raise ConfigurationError(logical_id, f"ContentHandling is {value!r}, not one of {get_args(ContentHandling)}")
