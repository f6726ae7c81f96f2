"""A WebSocket API whose $connect asks who is there."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websocket import WebSocketBadStatusException

from delivery.quotas import Quotas
from local.authentication.identities import Identity
from local.gateway.configuration import ConfigurationError
from local.websocket.configuration import read_websocket_api
from producers.authentication import Authentication, Signer, StaticCredentials
from tests.websocket.world import API_KEY, BACKEND, TEMPLATE, World, resolved, world

ROUTE = "RouteKey: $connect,"
IAM = TEMPLATE.replace(ROUTE, f"{ROUTE} AuthorizationType: AWS_IAM,")
KEYED = TEMPLATE.replace(ROUTE, f"{ROUTE} ApiKeyRequired: true,")
BOTH = TEMPLATE.replace(ROUTE, f"{ROUTE} AuthorizationType: AWS_IAM, ApiKeyRequired: true,")


def signed(up: World, identity: Identity = BACKEND, *, service: str = "execute-api", **headers: str) -> dict[str, Any]:
    """What websocket-client has to send, by botocore's signer."""
    request = AWSRequest("GET", up.url, headers=headers)
    credentials = Credentials(identity.access_key_id, identity.secret_access_key)
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return {"header": dict(request.headers.items())}


def presigned(up: World, life_s: int = 60) -> str:
    """A path and a query, as a browser has to be given them: it sends no header of ours."""
    request = AWSRequest("GET", up.url)
    SigV4QueryAuth(Credentials("id", "secret"), "execute-api", "us-east-1", life_s).add_auth(request)
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


async def refused(up: World, **options: Any) -> tuple[int, str, dict[str, str]]:
    """Status, error type and body of a handshake that is refused; its function hears nothing of it."""
    with pytest.raises(WebSocketBadStatusException) as error:
        await up.connect(**options)
    assert not up.events
    assert not up.api.connections
    headers = error.value.resp_headers
    assert headers is not None
    body = json.loads(error.value.resp_body or b"{}")
    assert set(body) == {"message", "connectionId", "requestId"}
    return error.value.status_code, headers["x-amzn-errortype"], body


async def test_a_signed_handshake_is_let_in_and_every_event_says_by_whom() -> None:
    async with world(template=IAM) as up:
        client = await up.connect(**signed(up))
        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}

        (connected,) = await up.events_of("CONNECT")
        (asked,) = await up.events_of("MESSAGE")

    for event in (connected, asked):
        identity = event["requestContext"]["identity"]
        assert (identity["caller"], identity["userArn"]) == (BACKEND.caller, BACKEND.arn)
        assert identity["accountId"] == BACKEND.account
        assert "secret" not in json.dumps(event)


async def test_a_presigned_url_is_let_in_as_a_browser_needs_it() -> None:
    async with world(template=IAM) as up:
        client = await up.connect(path=presigned(up))

        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}


async def test_our_own_client_signs_its_handshake_so_that_it_is_let_in() -> None:
    async with world(template=IAM) as up:
        shows = Authentication(Signer(StaticCredentials("id", "secret"), "us-east-1"))

        shown = shows.headers("GET", up.url, {})
        client = await up.connect(host=shown.pop("Host"), header=shown)

        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}


async def test_a_key_is_let_in_and_named_by_its_id() -> None:
    async with world(template=KEYED) as up:
        await up.connect(header={"x-api-key": API_KEY})
        (connected,) = await up.events_of("CONNECT")

    assert connected["requestContext"]["identity"]["apiKeyId"] == "key1"
    assert "caller" not in connected["requestContext"]["identity"]


async def test_a_handshake_without_a_signature_is_refused() -> None:
    async with world(template=IAM) as up:
        status, kind, body = await refused(up)

    assert (status, kind) == (403, "MissingAuthenticationTokenException")
    assert body["message"] == "Missing Authentication Token"


@pytest.mark.parametrize(
    ("identity", "service", "kind"),
    [
        (replace(BACKEND, secret_access_key="a guess"), "execute-api", "InvalidSignatureException"),
        (replace(BACKEND, access_key_id="nobody"), "execute-api", "UnrecognizedClientException"),
        (BACKEND, "lambda", "InvalidSignatureException"),
    ],
)
async def test_a_handshake_with_a_wrong_signature_is_refused(identity: Identity, service: str, kind: str) -> None:
    async with world(template=IAM) as up:
        assert (await refused(up, **signed(up, identity, service=service)))[:2] == (403, kind)


async def test_a_presigned_url_that_is_old_or_changed_is_refused() -> None:
    async with world(template=IAM) as up:
        with patch("botocore.auth.get_current_datetime", lambda: datetime(2024, 1, 1, tzinfo=UTC)):
            old = presigned(up)

        status, kind, body = await refused(up, path=old)
        assert (status, kind, body["message"][:18]) == (403, "InvalidSignatureException", "Signature expired:")
        status, kind, _ = await refused(up, path=presigned(up) + "&more=1")
        assert (status, kind) == (403, "InvalidSignatureException")


@pytest.mark.parametrize("header", [{}, {"x-api-key": "another-value-of-24-char"}])
async def test_a_handshake_without_the_right_key_is_refused(header: dict[str, str]) -> None:
    async with world(template=KEYED) as up:
        status, kind, body = await refused(up, header=header)

    assert (status, kind, body["message"]) == (403, "ForbiddenException", "Forbidden")


async def test_where_both_are_asked_one_is_not_enough() -> None:
    async with world(template=BOTH) as up:
        assert (await refused(up, header={"x-api-key": API_KEY}))[1] == "MissingAuthenticationTokenException"
        assert (await refused(up, **signed(up)))[1] == "ForbiddenException"

        await up.connect(**signed(up, **{"x-api-key": API_KEY}))


async def test_connections_are_managed_by_who_signs_whatever_connect_asks() -> None:
    async with world() as up:
        client = await up.connect()
        to_it = {"ConnectionId": up.connection_id, "Data": b'"hello"'}
        await asyncio.to_thread(up.backend().post_to_connection, **to_it)
        assert await up.received(client) == "hello"

        guessing = up.backend(replace(BACKEND, secret_access_key="a guess"))
        with pytest.raises(guessing.exceptions.ClientError, match="request signature we calculated does not match"):
            await asyncio.to_thread(guessing.post_to_connection, **to_it)
        unknown = up.backend(replace(BACKEND, access_key_id="nobody"))
        with pytest.raises(unknown.exceptions.ClientError, match="security token included in the request is invalid"):
            await asyncio.to_thread(unknown.post_to_connection, **to_it)


def test_a_route_of_messages_asks_nobody_and_one_that_would_is_refused() -> None:
    text = TEMPLATE.replace("RouteKey: tell,", "RouteKey: tell, ApiKeyRequired: true,")

    with pytest.raises(ConfigurationError, match=r"only \$connect"):
        read_websocket_api(resolved(text), Quotas())
