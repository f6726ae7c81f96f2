"""One request and what is known about it: the parameters, the body, and `$context`."""

import base64
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.gateway.mapping_template import Parameters
from local.gateway.payload import Payload
from local.request_id import new_uuid, random_bytes
from local.wire import WireRequest


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class RequestId:
    """The two names of a request. `extended` is unique and URL-safe, as in `Fv6kVGuJIAMF3Iw=`."""

    plain: str
    extended: str


# A new one at each call.
RequestIds = Callable[[], RequestId]

_EXTENDED_BYTES: Final = 11


def random_ids() -> RequestId:
    """A random UUID, and 88 random bits as AWS writes them: 15 characters and a '='."""
    return RequestId(new_uuid(), base64.urlsafe_b64encode(random_bytes(_EXTENDED_BYTES)).decode("ascii"))


class Context(dict[str, Any]):
    """`$context`. `responseOverride` and `requestOverride` are there to be set by templates."""

    def __missing__(self, name: str) -> str:
        if name == "requestTime":
            seconds = self["requestTimeEpoch"] / 1000
            return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(seconds))
        raise KeyError(name)


@dataclass(slots=True)
class Exchange:
    """A request under way. `payload` is its body, converted as its integration wants it."""

    request: WireRequest
    context: Context
    stage_variables: Mapping[str, str]
    parameters: Parameters
    content_type: str
    payload: Payload


def new_context(
    api_id: str, stage: str, request: WireRequest, request_id: RequestId, at_ms: int, *, deployment_id: str = ""
) -> Context:
    """The `$context` of a request, before its route is known. `at_ms` is since the epoch."""
    headers = request.headers
    return Context(
        requestId=request_id.plain,
        extendedRequestId=request_id.extended,
        requestTimeEpoch=at_ms,
        apiId=api_id,
        deploymentId=deployment_id,
        stage=stage,
        httpMethod=request.method,
        path=request.path,
        protocol="HTTP/1.1",
        domainName=headers.get("host", ""),
        domainPrefix=headers.get("host", "").partition(".")[0],
        identity={"sourceIp": "127.0.0.1", "userAgent": headers.get("user-agent", "")},
        requestOverride={"header": {}, "path": {}, "querystring": {}},
        responseOverride={"header": {}},
    )


def parse_query(query: str) -> dict[str, str]:
    """A query string's parameters, the last value of each."""
    return dict(urllib.parse.parse_qsl(query, keep_blank_values=True)) if query else {}
