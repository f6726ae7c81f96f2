"""Lambda's own API on the wire: invoking a function, and reading how functions and mappings are configured."""

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from delivery.protocol import Refusal
from local.clock import Clock
from local.execution_environment import Answer, Ending
from local.failure_destination import iso
from local.function import Function
from local.resource_properties import last_segment
from local.service_error import ServiceError
from local.sync_calls import RefusedError
from local.wire import WireRequest, WireResponse

# Lambda quotas, gettingstarted-limits: 6 MB to a synchronous invocation, 1 MB to an asynchronous one.
_EVENT_BYTES: Final = 6 * 1024 * 1024
_ASYNC_EVENT_BYTES: Final = 1024 * 1024

# Invokes a function with an event and answers with what came of it; raises RefusedError.
Invoke = Callable[[Function, bytes], Awaitable[Answer]]
# Takes an event, and its size in bytes, into a function's asynchronous queue.
AcceptEvent = Callable[[Function, Any, int], None]


@dataclass(frozen=True, slots=True)
class MappingDescription:
    """An event source mapping, as the API tells it: the template's own properties."""

    uuid: str
    function: Function
    properties: Mapping[str, Any]


class LambdaApi:
    """The Lambda API over a stack's functions; a `local.wire.WireService`."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        mappings: list[MappingDescription],
        invoke: Invoke,
        accept_event: AcceptEvent,
        clock: Clock,
    ) -> None:
        self._functions = {function.configuration.name: function for function in functions.values()}
        self._mappings = mappings
        self._invoke_function = invoke
        self._accept_event = accept_event
        self._started = iso(clock())
        routes: dict[str, Callable[..., Awaitable[WireResponse]]] = {
            r"POST /2015-03-31/functions/([^/]+)/invocations": self._invoke,
            r"GET /2015-03-31/functions/?": self._list_functions,
            r"GET /2015-03-31/functions/([^/]+)": self._get_function,
            r"GET /2015-03-31/functions/([^/]+)/configuration": self._get_function_configuration,
            r"PUT /2015-03-31/functions/([^/]+)/code": self._update_function_code,
            r"GET /2015-03-31/event-source-mappings/?": self._list_event_source_mappings,
            r"GET /2015-03-31/event-source-mappings/([^/]+)": self._get_event_source_mapping,
        }
        self._routes = [(re.compile(pattern), handler) for pattern, handler in routes.items()]

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        line = f"{request.method} {request.path}"
        for pattern, handler in self._routes:
            match = pattern.fullmatch(line)
            if match is not None:
                try:
                    return await handler(request, *map(unquote, match.groups()))
                except ServiceError as error:
                    return _error(error)
        return _error(ServiceError("UnknownOperationException", f"{line} is not served here", status=404))

    async def _invoke(self, request: WireRequest, name: str) -> WireResponse:
        function = self._function(name)
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        event = request.body or b"{}"
        try:
            parsed = json.loads(event)
        except (ValueError, RecursionError) as error:
            text = f"Could not parse request body into json: {error}"
            raise ServiceError("InvalidRequestContentException", text) from None
        limit = _ASYNC_EVENT_BYTES if kind == "Event" else _EVENT_BYTES
        if len(event) > limit:
            raise _too_large(limit)
        match kind:
            case "DryRun":
                return WireResponse(204, _headers())
            case "Event":
                self._accept_event(function, parsed, len(event))
                return WireResponse(202, _headers())
            case "RequestResponse":
                return await self._invoke_now(function, event)
        raise ServiceError("InvalidParameterValueException", f"InvocationType {kind!r} is none of Lambda's")

    async def _invoke_now(self, function: Function, event: bytes) -> WireResponse:
        try:
            answer = await self._invoke_function(function, event)
        except RefusedError as error:
            return _refused(error.reason)
        headers = _headers()
        headers["x-amz-executed-version"] = "$LATEST"
        if answer.ending is not Ending.RETURNED:
            headers["x-amz-function-error"] = "Unhandled"
        return WireResponse(200, headers, answer.payload)

    async def _list_functions(self, request: WireRequest) -> WireResponse:  # noqa: ARG002 (each route's signature)
        return _answer({"Functions": [self._configuration(function) for function in self._functions.values()]})

    async def _get_function(self, request: WireRequest, name: str) -> WireResponse:  # noqa: ARG002
        return _answer({"Configuration": self._configuration(self._function(name))})

    async def _get_function_configuration(self, request: WireRequest, name: str) -> WireResponse:  # noqa: ARG002
        return _answer(self._configuration(self._function(name)))

    async def _update_function_code(self, request: WireRequest, name: str) -> WireResponse:
        function = self._function(name)
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or set(body) - {"S3Bucket", "S3Key", "Architectures", "Publish", "DryRun"}:
            raise ServiceError(
                "InvalidParameterValueException",
                "The code served here is what lies on this machine: name any S3Bucket and S3Key to load it anew.",
            )
        if not body.get("DryRun"):
            function.deploy()
        return _answer(self._configuration(function))

    async def _list_event_source_mappings(self, request: WireRequest) -> WireResponse:
        query = parse_qs(request.query)
        source = query.get("EventSourceArn", [None])[0]
        function = query.get("FunctionName", [None])[0]
        found = [
            self._mapping(mapping)
            for mapping in self._mappings
            if source in (None, mapping.properties["EventSourceArn"])
            and (function is None or _function_name(function) == mapping.function.configuration.name)
        ]
        return _answer({"EventSourceMappings": found})

    async def _get_event_source_mapping(self, request: WireRequest, identifier: str) -> WireResponse:  # noqa: ARG002
        for mapping in self._mappings:
            if mapping.uuid == identifier:
                return _answer(self._mapping(mapping))
        raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", status=404)

    def _function(self, name: str) -> Function:
        function = self._functions.get(_function_name(name))
        if function is None:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {name}", status=404)
        return function

    def _configuration(self, function: Function) -> dict[str, Any]:
        configuration = function.configuration
        return {
            "FunctionName": configuration.name,
            "FunctionArn": configuration.arn,
            "Runtime": configuration.runtime,
            "Role": configuration.role_arn,
            "Handler": configuration.handler,
            "Timeout": int(configuration.timeout_s),
            "MemorySize": configuration.memory_mb,
            "LastModified": self._started,
            "Version": "$LATEST",
            "Environment": {"Variables": dict(configuration.own_variables)},
            "PackageType": "Zip",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": configuration.log_group},
        }

    def _mapping(self, mapping: MappingDescription) -> dict[str, Any]:
        properties = {name: value for name, value in mapping.properties.items() if name not in ("FunctionName", "Tags")}
        return {
            **properties,
            "UUID": mapping.uuid,
            "FunctionArn": mapping.function.configuration.arn,
            "State": "Enabled",
            "StateTransitionReason": "User action",
        }


def _function_name(name: str) -> str:
    # A name, a partial ARN (account:function:name) or a whole one, each perhaps with a qualifier; no name has a colon.
    if ":" not in name:
        return name
    parts = name.split(":")
    return parts[parts.index("function") + 1] if "function" in parts[:-1] else last_segment(parts[0])


def _headers() -> dict[str, str]:
    return {"content-type": "application/json", "x-amzn-requestid": str(uuid.uuid4())}


def _answer(body: Mapping[str, Any]) -> WireResponse:
    return WireResponse(200, _headers(), json.dumps(body, separators=(",", ":")).encode())


def _too_large(limit: int) -> ServiceError:
    return ServiceError("RequestTooLargeException", f"Request must be smaller than {limit} bytes", status=413)


def _refused(reason: Refusal) -> WireResponse:
    if reason is Refusal.TOO_LARGE:
        return _error(_too_large(_EVENT_BYTES))
    throttled = _error(ServiceError("TooManyRequestsException", "Rate Exceeded.", status=429))
    # Which limit it was: API TooManyRequestsException, ThrottleReason.
    body = {"Reason": reason.value, **json.loads(throttled.body)}
    return WireResponse(429, throttled.headers, json.dumps(body).encode())


def _error(error: ServiceError) -> WireResponse:
    headers = _headers()
    headers["x-amzn-errortype"] = error.code
    body = {"Type": "User" if error.sender_fault else "Service", "Message": error.message}
    return WireResponse(error.status, headers, json.dumps(body).encode())
