"""What a WebSocket API hands to a function (Lambda proxy integration), key for key as API Gateway does."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from local.request_id import random_bytes
from local.websocket.connection import Connection

Event = dict[str, Any]

CONNECT: Final = "$connect"
DISCONNECT: Final = "$disconnect"
DEFAULT: Final = "$default"
PREDEFINED: Final = frozenset({CONNECT, DISCONNECT, DEFAULT})

# Those of the connection between client and gateway, which go no further.
_HOP_BY_HOP: Final = frozenset({"connection", "upgrade"})


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client's request for a connection. Headers as they came, in their order; `query` undecoded."""

    headers: tuple[tuple[str, str], ...]
    query: str


class Events:
    """The events of one API. `domain_name` is where it is served, HOST:PORT."""

    def __init__(self, api_id: str, stage: str, domain_name: str, stage_variables: Mapping[str, str]) -> None:
        self._api_id = api_id
        self._stage = stage
        self._domain_name = domain_name
        self._stage_variables = dict(stage_variables)

    def connect(self, connection: Connection, request_id: str, now: float, handshake: Handshake) -> Event:
        """A client wants to connect."""
        spelled: dict[str, str] = {}
        headers = [
            (spelled.setdefault(name.lower(), name), value)
            for name, value in handshake.headers
            if name.lower() not in _HOP_BY_HOP
        ]
        headers += [
            ("X-Amzn-Trace-Id", f"Root=1-{int(now):08x}-{random_bytes(12).hex()}"),
            ("X-Forwarded-For", connection.identity.source_ip),
            ("X-Forwarded-Port", self._domain_name.rpartition(":")[2]),
            ("X-Forwarded-Proto", "http"),
        ]
        query = parse_qsl(handshake.query, keep_blank_values=True)
        return {
            **_both("headers", "multiValueHeaders", headers),
            **(_both("queryStringParameters", "multiValueQueryStringParameters", query) if query else {}),
            **self._stage_variables_of(),
            "requestContext": self._context(connection, CONNECT, "CONNECT", request_id, now),
            "isBase64Encoded": False,
        }

    def message(
        self, connection: Connection, route_key: str, request_id: str, message_id: str, now: float, body: str
    ) -> Event:
        """A client sent a text."""
        context = self._context(connection, route_key, "MESSAGE", request_id, now)
        return {
            **self._stage_variables_of(),
            "requestContext": {**context, "messageId": message_id},
            "body": body,
            "isBase64Encoded": False,
        }

    def disconnect(self, connection: Connection, request_id: str, now: float) -> Event:
        """A connection has ended. It has these four headers on AWS, empty ones among them."""
        headers = [
            ("Host", self._domain_name),
            ("x-api-key", ""),
            ("X-Forwarded-For", connection.identity.source_ip),
            ("x-restapi", ""),
        ]
        context = self._context(connection, DISCONNECT, "DISCONNECT", request_id, now)
        ending = connection.ending
        return {
            **_both("headers", "multiValueHeaders", headers),
            **self._stage_variables_of(),
            "requestContext": {
                **context,
                "disconnectStatusCode": int(ending.code),
                "disconnectReason": ending.reason,
            },
            "isBase64Encoded": False,
        }

    def _context(self, connection: Connection, route_key: str, kind: str, request_id: str, now: float) -> Event:
        identity = {**connection.identity.caller, "sourceIp": connection.identity.source_ip}
        if connection.identity.user_agent is not None:
            identity["userAgent"] = connection.identity.user_agent
        return {
            "routeKey": route_key,
            "eventType": kind,
            # The two are the same, says apigateway-websocket-api-mapping-template-reference.
            "extendedRequestId": request_id,
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "messageDirection": "IN",
            "stage": self._stage,
            "connectedAt": int(connection.connected_at * 1000),
            "identity": identity,
            "domainName": self._domain_name,
            "connectionId": connection.id,
            "apiId": self._api_id,
        }

    def _stage_variables_of(self) -> Event:
        return {"stageVariables": self._stage_variables} if self._stage_variables else {}


def _both(single: str, multi: str, pairs: Iterable[tuple[str, str]]) -> Event:
    """Names with their last value, and with all of them."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {single: {name: each[-1] for name, each in values.items()}, multi: values}
