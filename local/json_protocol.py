"""AWS's JSON protocols, 1.0 and 1.1: the operation in X-Amz-Target, a JSON object each way, blobs as base64.

Errors: `__type` in the body and X-Amzn-ErrorType in the headers; a service that once spoke the query protocol says its
old code in X-Amzn-Query-Error.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from local.api_model import ApiModel
from local.json_text import decoded
from local.service_error import MalformedError, ServiceError, UnreadableError
from local.wire import WireRequest, WireResponse

# What answers an operation: its values by member name, in and out; None out is an empty answer.
Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]
# How a service names a request it cannot read.
Translate = Callable[[UnreadableError], ServiceError]


class JsonProtocol:
    """One service behind a JSON protocol. `namespace` goes before the error's name in `__type`, by the name."""

    def __init__(
        self,
        model: ApiModel,
        version: str,
        handlers: Mapping[str, Handler],
        translate: Translate,
        request_id: Callable[[], str],
        *,
        namespace: Callable[[str], str] = lambda _code: "",
        query_compatible: bool = False,
    ) -> None:
        self._content_type = f"application/x-amz-json-{version}"
        self._targets = {
            f"{model.target_prefix}.{name}": (model.operation(name), handler) for name, handler in handlers.items()
        }
        self._prefix = f"{model.target_prefix}."
        self._known = model.operations
        self._translate = translate
        self._request_id = request_id
        self._namespace = namespace
        self._query_compatible = query_compatible

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        request_id = self._request_id()
        try:
            target = self._targets.get(request.headers.get("x-amz-target", ""))
            if target is None or request.method != "POST":
                self._refuse(request)
            operation, handler = target
            output = await handler(operation.read(_parse(request.body)))
        except ServiceError as error:
            return self._error(error, request_id)
        except UnreadableError as error:
            return self._error(self._translate(error), request_id)
        body = b"" if output is None else _encoder.encode(output).encode()
        return WireResponse(200, {"content-type": self._content_type, "x-amzn-requestid": request_id}, body)

    def _refuse(self, request: WireRequest) -> NoReturn:
        name = request.headers.get("x-amz-target", "").removeprefix(self._prefix)
        why = f"{name} is not served here" if name in self._known else "X-Amz-Target names no operation of this service"
        raise ServiceError("UnknownOperationException", why, status=400 if name else 404)

    def _error(self, error: ServiceError, request_id: str) -> WireResponse:
        headers = {
            "content-type": self._content_type,
            "x-amzn-requestid": request_id,
            "x-amzn-errortype": error.code,
        }
        if self._query_compatible:
            headers["x-amzn-query-error"] = f"{error.query_code};{'Sender' if error.sender_fault else 'Receiver'}"
        body = {"__type": self._namespace(error.code) + error.code, "message": error.message}
        return WireResponse(error.status, headers, _encoder.encode(body).encode())


def _parse(body: bytes) -> Any:
    try:
        # As json.loads does it, which would make a decoder for each body.
        return decoded(_decoder, body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"The request body is not JSON: {error}") from None


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{value!r} is nothing an answer can hold")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_encoder = json.JSONEncoder(default=_base64, separators=(",", ":"))
