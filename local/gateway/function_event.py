"""The event of a proxy integration: a request as a function is told of it (payload format 1.0).

Developer guide, set-up-lambda-proxy-integrations. What that leaves open is as AWS was recorded to do it: a path and its
parameters are not decoded, a query is; of several values alike the last one counts; what is not there is null.
"""

import base64
import secrets
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from local.gateway.exchange import Exchange
from local.gateway.routing import raw_path_parameters
from local.wire import WireRequest

# Those that API Gateway keeps to itself.
_DROPPED: Final = frozenset(
    {
        "connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te",
        "trailer", "transfer-encoding", "upgrade", "www-authenticate",
        # It sets these anew.
        "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto",
    }
)  # fmt: skip
# Of callers that have signed, and of those of Cognito, whom nobody is here.
_NOBODY: Final = dict.fromkeys(
    (
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
        "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
    )
)  # fmt: skip
_CONTEXT: Final = (
    "resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "protocol", "stage",
    "domainPrefix", "requestTimeEpoch", "requestId", "domainName", "deploymentId", "apiId",
)  # fmt: skip


def proxy_event(exchange: Exchange, account_id: str) -> dict[str, Any]:
    """The event of a request whose route is known; its payload is not read as anything but bytes or text."""
    request, context = exchange.request, exchange.context
    below = request.path.removeprefix(f"/{context['stage']}")
    headers = _by_name(_headers(request, context["requestTimeEpoch"]))
    query = _by_name(parse_qsl(request.query, keep_blank_values=True))
    body = exchange.payload.data
    binary = exchange.payload.binary
    text = base64.b64encode(body).decode("ascii") if binary else exchange.payload.text
    return {
        "resource": context["resourcePath"],
        "path": below,
        "httpMethod": request.method,
        "headers": _last_of_each(headers),
        "multiValueHeaders": headers or None,
        "queryStringParameters": _last_of_each(query),
        "multiValueQueryStringParameters": query or None,
        "pathParameters": raw_path_parameters(context["resourcePath"], below) or None,
        "stageVariables": dict(exchange.stage_variables) or None,
        "requestContext": {
            **{name: context[name] for name in _CONTEXT},
            "accountId": account_id,
            "identity": {**_NOBODY, **context["identity"]},
        },
        "body": text if body else None,
        "isBase64Encoded": bool(body) and binary,
    }


def _headers(request: WireRequest, at_ms: int) -> Iterable[tuple[str, str]]:
    for name, value in request.header_lines or request.headers.items():
        if name.lower() not in _DROPPED:
            yield name, value
    # What API Gateway has of the connection is told as it is here: no TLS, and the port that was asked.
    yield "X-Amzn-Trace-Id", f"Root=1-{at_ms // 1000:08x}-{secrets.token_hex(12)}"
    yield "X-Forwarded-For", "127.0.0.1"
    port = request.headers.get("host", "").rpartition(":")[2]
    yield "X-Forwarded-Port", port if port.isdecimal() else "80"
    yield "X-Forwarded-Proto", "http"


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _last_of_each(values: dict[str, list[str]]) -> dict[str, str] | None:
    return {name: several[-1] for name, several in values.items()} or None
