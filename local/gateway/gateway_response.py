"""Gateway responses: what API Gateway answers by itself, and how `AWS::ApiGateway::GatewayResponse` changes it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from local.gateway import media_type
from local.gateway.configuration import ConfigurationError, StackResource
from local.gateway.exchange import Context
from local.gateway.parameter_mapping import context_value
from local.wire import WireResponse


class ResponseType(StrEnum):
    """Those that this gateway gives. Default statuses: API Gateway, supported-gateway-response-types."""

    API_CONFIGURATION_ERROR = "API_CONFIGURATION_ERROR"
    BAD_REQUEST_BODY = "BAD_REQUEST_BODY"
    BAD_REQUEST_PARAMETERS = "BAD_REQUEST_PARAMETERS"
    DEFAULT_5XX = "DEFAULT_5XX"
    INTEGRATION_FAILURE = "INTEGRATION_FAILURE"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INTEGRATION_TIMEOUT = "INTEGRATION_TIMEOUT"
    MISSING_AUTHENTICATION_TOKEN = "MISSING_AUTHENTICATION_TOKEN"  # noqa: S105 (AWS's name, for "no such route" too)
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    THROTTLED = "THROTTLED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    message: str
    error_type: str


_INTERNAL: Final = "InternalServerErrorException"
_KINDS: Final[Mapping[ResponseType, _Kind]] = {
    ResponseType.API_CONFIGURATION_ERROR: _Kind(500, "Internal server error", _INTERNAL),
    ResponseType.BAD_REQUEST_BODY: _Kind(400, "Invalid request body", "BadRequestException"),
    ResponseType.BAD_REQUEST_PARAMETERS: _Kind(400, "Missing required request parameters", "BadRequestException"),
    # What a function's answer that is none ends in; it is no type of its own, and AWS gives 502 for it.
    ResponseType.DEFAULT_5XX: _Kind(502, "Internal server error", _INTERNAL),
    ResponseType.INTEGRATION_FAILURE: _Kind(504, "Network error communicating with endpoint", _INTERNAL),
    ResponseType.INTEGRATION_TIMEOUT: _Kind(504, "Endpoint request timed out", _INTERNAL),
    ResponseType.INVALID_API_KEY: _Kind(403, "Forbidden", "ForbiddenException"),
    ResponseType.INVALID_SIGNATURE: _Kind(403, "Invalid signature", "InvalidSignatureException"),
    ResponseType.MISSING_AUTHENTICATION_TOKEN: _Kind(
        403, "Missing Authentication Token", "MissingAuthenticationTokenException"
    ),
    ResponseType.REQUEST_TOO_LARGE: _Kind(413, "Request Too Long", "RequestTooLargeException"),
    ResponseType.THROTTLED: _Kind(429, "Too Many Requests", "TooManyRequestsException"),
    ResponseType.UNSUPPORTED_MEDIA_TYPE: _Kind(415, "Unsupported Media Type", "UnsupportedMediaTypeException"),
}
_BARE_TEMPLATE: Final = '{"message":$context.error.messageString}'
# Not VTL: API Gateway only puts variables in their place here.
_VARIABLE: Final = re.compile(r"\$(\{)?(context|stageVariables)\.([A-Za-z0-9_.-]*[A-Za-z0-9_-])(?(1)\})")


class GatewayError(Exception):
    """A request that ends here. `detail` is for `$context.error.validationErrorString`.

    `status` is given where it is not the type's own; one of a GatewayResponse goes before it. So is `error_type`, which
    goes into `x-amzn-ErrorType`.
    """

    def __init__(
        self,
        kind: ResponseType,
        message: str | None = None,
        detail: str = "",
        *,
        status: int | None = None,
        error_type: str | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail or message or ''}")
        self.kind = kind
        self.error_type = error_type or _KINDS[kind].error_type
        self.status = _KINDS[kind].status if status is None else status
        self.message = _KINDS[kind].message if message is None else message
        self.detail = detail


_Render = Callable[[Mapping[str, Any], Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = media_type.JSON
    template: str = _BARE_TEMPLATE


class GatewayResponses:
    """The answers of one API, by type; DEFAULT_4XX and DEFAULT_5XX stand in for those without one of their own.

    Raises:
        ConfigurationError: a header is mapped from what cannot be one.
    """

    def __init__(self, resources: Mapping[str, StackResource]) -> None:
        customised = {
            str(resource.properties["ResponseType"]): _read(logical_id, resource.properties)
            for logical_id, resource in resources.items()
        }
        self._answers = {}
        for kind, default in _KINDS.items():
            fallback = customised.get(f"DEFAULT_{default.status // 100}XX", _Answer())
            self._answers[kind] = customised.get(kind.value, fallback)

    def answer(self, error: GatewayError, context: Context, stage_variables: Mapping[str, str]) -> WireResponse:
        """The response to an error; `context` gets its `error`."""
        answer = self._answers[error.kind]
        context["error"] = {
            "message": error.message,
            "messageString": json.dumps(error.message),
            "responseType": error.kind.value,
            "validationErrorString": error.detail,
        }

        def value(match: re.Match[str]) -> str:
            source = context if match[2] == "context" else stage_variables
            return context_value(source, match[3]) or ""

        headers = {
            "content-type": answer.content_type,
            "x-amzn-errortype": error.error_type,
            **{name: _VARIABLE.sub(value, text) for name, text in answer.headers.items()},
        }
        return WireResponse(answer.status or error.status, headers, _VARIABLE.sub(value, answer.template).encode())


def _read(logical_id: str, properties: Mapping[str, Any]) -> _Answer:
    templates = properties.get("ResponseTemplates") or {media_type.JSON: _BARE_TEMPLATE}
    content_type = media_type.JSON if media_type.JSON in templates else next(iter(templates))
    headers = {}
    for target, source in (properties.get("ResponseParameters") or {}).items():
        name = target.removeprefix("gatewayresponse.header.").lower()
        if len(source) > 1 and source[0] == source[-1] == "'":
            headers[name] = source[1:-1]
        elif source.startswith(("context.", "stageVariables.")):
            headers[name] = f"${source}"
        else:
            raise ConfigurationError(logical_id, f"{target} from {source}: a literal or context can be a header here")
    status = properties.get("StatusCode")
    return _Answer(int(status) if status else None, headers, content_type, str(templates[content_type]))
