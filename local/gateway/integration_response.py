"""Integration responses: how a service's answer becomes the method's, chosen by its HTTP status alone."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local.gateway import media_type
from local.gateway.configuration import ConfigurationError
from local.gateway.exchange import Exchange
from local.gateway.gateway_response import GatewayError, ResponseType
from local.gateway.integration import templates
from local.gateway.mapping_template import Input, MappingTemplate, TemplateFailedError
from local.gateway.media_type import BinaryMediaTypes
from local.gateway.parameter_mapping import Answer, UnsafeHeaderError, header_value, response_source
from local.gateway.payload import NotBase64Error, NotJsonError, NotTextError, Payload
from local.wire import WireResponse


class IntegrationResponse:
    """One entry of `IntegrationResponses`.

    Raises:
        ConfigurationError: its status or one of its headers has no MethodResponse, or a template is wrong.
    """

    def __init__(
        self, logical_id: str, properties: Mapping[str, Any], method_responses: Mapping[str, Mapping[str, Any]]
    ) -> None:
        status = str(properties["StatusCode"])
        if status not in method_responses:
            raise ConfigurationError(logical_id, f"there is no MethodResponse for the status {status}")
        declared = {str(name).lower() for name in method_responses[status].get("ResponseParameters") or {}}
        self.status = int(status)
        self.pattern = re.compile(properties["SelectionPattern"]) if properties.get("SelectionPattern") else None
        self._content_handling = properties.get("ContentHandling")
        self._templates = templates(logical_id, properties.get("ResponseTemplates"))
        self._headers = []
        for name, expression in (properties.get("ResponseParameters") or {}).items():
            if name.lower() not in declared:
                raise ConfigurationError(logical_id, f"{name} is not declared in the MethodResponse for {status}")
            try:
                source = response_source(expression)
            except ValueError as error:
                raise ConfigurationError(logical_id, str(error)) from None
            self._headers.append((name.removeprefix("method.response.header.").lower(), source))

    def transform(self, exchange: Exchange, upstream: WireResponse, binary: BinaryMediaTypes) -> WireResponse:
        """The method's response.

        Raises:
            GatewayError: the template or a header failed: the client hears 500, whatever the service did.
        """
        accept = exchange.parameters.headers.get("accept", "").partition(",")[0]
        payload = Payload(upstream.body, binary=bool(accept) and accept in binary)
        try:
            payload = payload.converted(self._content_handling)
            answer = Answer(upstream, Input(payload, exchange.parameters))
            headers = {"content-type": media_type.JSON}
            for name, source in self._headers:
                if (value := source(exchange, answer)) is not None:
                    headers[name] = header_value(value)
            content_type, template = self._template(accept)
            body = payload.data
            if template is not None:
                headers["content-type"] = content_type
                rendered = template.render(answer.body, exchange.context, exchange.stage_variables)
                body = rendered.encode("utf-8", "replace")
            override = exchange.context["responseOverride"]
            for name, value in override["header"].items():
                headers[name.lower()] = header_value(value)
            return WireResponse(_status(override.get("status"), self.status), headers, body)
        except (TemplateFailedError, NotJsonError, NotTextError, NotBase64Error, UnsafeHeaderError) as error:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=str(error)) from error

    def _template(self, accept: str) -> tuple[str, MappingTemplate | None]:
        for wanted in (media_type.essence(accept), media_type.JSON):
            if wanted in self._templates:
                return wanted, self._templates[wanted]
        return next(iter(self._templates.items()), ("", None))


class IntegrationResponses:
    """The integration responses of a method. The whole status must match a pattern; one without is the default."""

    def __init__(self, logical_id: str, integration: Mapping[str, Any], method: Mapping[str, Any]) -> None:
        declared = {str(response["StatusCode"]): response for response in method.get("MethodResponses") or ()}
        responses: Sequence[IntegrationResponse] = [
            IntegrationResponse(logical_id, properties, declared)
            for properties in integration.get("IntegrationResponses") or ()
        ]
        self._by_pattern = [(response.pattern, response) for response in responses if response.pattern is not None]
        self._default = next((response for response in responses if response.pattern is None), None)

    def select(self, status: int) -> IntegrationResponse:
        """The one for an upstream's status.

        Raises:
            GatewayError: there is none, not even a default: a 500.
        """
        text = str(status)
        for pattern, response in self._by_pattern:
            if pattern.fullmatch(text):
                return response
        if self._default is None:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=f"no integration response for {status}")
        return self._default


def _status(override: object, status: int) -> int:
    if override is None:
        return status
    try:
        code = int(str(override))
    except ValueError:
        code = 0
    if not 200 <= code <= 599:
        raise TemplateFailedError(f"responseOverride.status is {override!r}, no HTTP status")
    return code
