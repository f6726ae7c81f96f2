"""`@connections`: what a backend does with a connection (API Gateway Management API, apigatewaymanagementapi)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from delivery.quotas import Quotas
from local.authentication.refusal import NotAuthenticatedError
from local.authentication.signature import Signatures
from local.clock import Clock
from local.gateway import media_type
from local.request_id import new_uuid
from local.websocket.connection import BufferFullError, Connection, GoneError
from local.websocket.frames import CloseCode
from local.websocket.throttles import RouteThrottles
from local.wire import WireRequest, WireResponse


class Management:
    """Answers POST, GET and DELETE of `/STAGE/@connections/ID`, to whoever signs them: always by IAM, as on AWS."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        throttles: RouteThrottles,
        quotas: Quotas,
        clock: Clock,
        signatures: Signatures,
    ) -> None:
        self._connections = connections
        self._throttles = throttles
        self._limit = quotas.websocket_message_bytes
        self._clock = clock
        self._signatures = signatures

    def answer(self, connection_id: str, request: WireRequest) -> WireResponse:
        """Answer one call. What goes wrong is a response."""
        response = self._answer(connection_id, request, self._clock())
        return WireResponse(response.status, {**response.headers, "x-amzn-requestid": new_uuid()}, response.body)

    def _answer(self, connection_id: str, request: WireRequest, now: float) -> WireResponse:
        if len(request.body) > self._limit:
            # It was not read to its end, so its signature cannot be checked.
            return _error(413, "PayloadTooLargeException", f"a message has at most {self._limit} bytes")
        try:
            self._signatures.check(request, now)
        except NotAuthenticatedError as error:
            return _error(403, error.error_type, error.message)
        if not self._throttles.call_passes(now):
            return _error(429, "LimitExceededException", "Too Many Requests")
        connection = self._connections.get(connection_id)
        if connection is None or not connection.is_open:
            return _error(410, "GoneException", "the connection is not there, or no more")
        match request.method:
            case "POST":
                return self._post(connection, request.body, now)
            case "GET":
                return WireResponse(200, {"content-type": media_type.JSON}, _described(connection))
            case "DELETE":
                connection.close(CloseCode.NORMAL, "Connection Closed Normally")
                return WireResponse(204)
        return _error(403, "ForbiddenException", "Forbidden")

    def _post(self, connection: Connection, data: bytes, now: float) -> WireResponse:
        try:
            # Only text goes over such a connection, and a text that is not UTF-8 would end it.
            connection.send(data.decode("utf-8", "replace").encode(), now)
        except GoneError:
            return _error(410, "GoneException", "the connection is not there, or no more")
        except BufferFullError:
            return _error(429, "LimitExceededException", "the client has not read what was sent before")
        return WireResponse(200, {"content-type": media_type.JSON})


def _described(connection: Connection) -> bytes:
    identity = {
        "sourceIp": connection.identity.source_ip,
        # Both are required in the answer's model.
        "userAgent": connection.identity.user_agent or "",
    }
    return json.dumps(
        {
            "connectedAt": _iso(connection.connected_at),
            "identity": identity,
            "lastActiveAt": _iso(connection.last_active_at),
        }
    ).encode()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, kind: str, message: str) -> WireResponse:
    headers = {"content-type": media_type.JSON, "x-amzn-errortype": kind}
    return WireResponse(status, headers, json.dumps({"message": message}).encode())
