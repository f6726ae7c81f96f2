"""Type AWS_PROXY: a function is told of the whole request and answers with the whole response."""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from local.function_policy import API_GATEWAY, FunctionPolicy
from local.gateway.configuration import ConfigurationError
from local.gateway.deadline import within
from local.gateway.exchange import Exchange
from local.gateway.function_event import proxy_event
from local.gateway.function_response import MalformedAnswerError, proxy_response
from local.gateway.gateway_response import GatewayError, ResponseType
from local.gateway.integration import timeout_s
from local.gateway.media_type import BinaryMediaTypes
from local.wire import WireRequest, WireResponse, WireService

_LOG = logging.getLogger(__name__)

# The Uri by which an integration, of a REST API or a WebSocket one, names its function.
FUNCTION_URI: Final = re.compile(
    r"arn:[\w-]+:apigateway:[\w-]+:lambda:path(?P<path>/2015-03-31/functions/(?P<function>[^/]+)/invocations)"
)
_FUNCTION: Final = re.compile(r"arn:(?P<partition>[\w-]+):lambda:(?P<region>[\w-]+):(?P<account>\d+):function:.+")
_INTERNAL: Final = "Internal server error"


class FunctionIntegration:
    """Invokes a function by Lambda's own API, as the service `lambda`.

    What Lambda answers and what the client then hears: a function that is throttled is an INTEGRATION_FAILURE, by
    default 500 and never a 429; one that fails, or answers with what is no response, is a 502 that goes by DEFAULT_5XX;
    one that takes too long is an INTEGRATION_TIMEOUT, and goes on until it is done; an event too large for Lambda is
    REQUEST_TOO_LARGE; one that the API has no permission to invoke is an API_CONFIGURATION_ERROR.

    Raises:
        ConfigurationError: API Gateway would not take it, or it has what is not served here.
    """

    def __init__(
        self,
        logical_id: str,
        integration: Mapping[str, Any],
        services: Mapping[str, WireService],
        policy: FunctionPolicy,
        binary: BinaryMediaTypes,
    ) -> None:
        uri = FUNCTION_URI.fullmatch(str(integration.get("Uri", "")))
        function = uri and _FUNCTION.fullmatch(uri["function"])
        if not uri or not function:
            raise ConfigurationError(
                logical_id,
                f"{integration.get('Uri')!r} is no arn:PARTITION:apigateway:REGION:lambda:path/2015-03-31/functions/"
                "FUNCTION_ARN/invocations",
            )
        if integration.get("IntegrationHttpMethod") != "POST":
            raise ConfigurationError(logical_id, "a function is invoked by POST: set IntegrationHttpMethod to it")
        if integration.get("RequestParameters"):
            raise ConfigurationError(logical_id, "RequestParameters of a function's integration are not served here")
        if "lambda" not in services:
            raise ConfigurationError(logical_id, "it calls a function, and there is no Lambda here")
        self._lambda = services["lambda"]
        self._path = uri["path"]
        self._function_arn = uri["function"]
        self._account = function["account"]
        self._source = f"arn:{function['partition']}:execute-api:{function['region']}:{function['account']}"
        # With a role of its own it needs no permission of the function's.
        self._policy = None if integration.get("Credentials") else policy
        self._timeout_s = timeout_s(integration)
        self._binary = binary
        self._told: set[str] = set()

    async def answer(self, exchange: Exchange) -> WireResponse:
        """Invoke the function. See `Integration`."""
        self._check_permission(exchange)
        event = json.dumps(proxy_event(exchange, self._account), ensure_ascii=False, separators=(",", ":"))
        request = WireRequest("POST", self._path, "", {"content-type": "application/json"}, _utf8(event))
        try:
            answer = await within(self._timeout_s, self._lambda.handle(request))
        except TimeoutError as error:
            raise GatewayError(ResponseType.INTEGRATION_TIMEOUT) from error
        except ConnectionError as error:
            raise GatewayError(ResponseType.INTEGRATION_FAILURE, detail=str(error)) from error
        if answer.status != 200:
            self._refused(answer)
        if "x-amz-function-error" in answer.headers:
            raise GatewayError(ResponseType.DEFAULT_5XX, detail="the function failed")
        try:
            return proxy_response(answer.body, exchange.parameters.headers.get("accept", ""), self._binary)
        except MalformedAnswerError as error:
            self._tell(f"Malformed Lambda proxy response: {error}")
            raise GatewayError(ResponseType.DEFAULT_5XX, detail=str(error)) from error

    def _check_permission(self, exchange: Exchange) -> None:
        if self._policy is None:
            return
        context = exchange.context
        source = (
            f"{self._source}:{context['apiId']}/{context['stage']}/{context['httpMethod']}{context['resourcePath']}"
        )
        if not self._policy.allows(self._function_arn, API_GATEWAY, source):
            text = f"Invalid permissions on Lambda function: no AWS::Lambda::Permission lets {source} invoke it"
            self._tell(text)
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=text)

    def _refused(self, answer: WireResponse) -> NoReturn:
        """What it means to the client that Lambda did not invoke the function."""
        detail = answer.body[:500].decode("utf-8", "replace")
        if answer.status == 413:
            raise GatewayError(ResponseType.REQUEST_TOO_LARGE, detail=detail)
        if answer.status == 429 or answer.status >= 500:
            raise GatewayError(ResponseType.INTEGRATION_FAILURE, _INTERNAL, detail, status=500)
        self._tell(f"Lambda answered {answer.status}: {detail}")
        raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, detail=detail)

    def _tell(self, text: str) -> None:
        # The client only hears of an internal error; who wrote the function needs to read why, once.
        if text not in self._told:
            self._told.add(text)
            _LOG.error("%s: %s (told once)", self._function_arn, text)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
