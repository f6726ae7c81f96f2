"""From a client's request to a connection, or to the status that refuses it."""

import asyncio
import json
import re
from typing import Any

import pytest
from websocket import WebSocketBadStatusException

from tests.websocket.raw_client import RawClient
from tests.websocket.world import TEMPLATE, Event, ThrottledError, World, accepts, world

CONNECT_ROUTE = TEMPLATE[TEMPLATE.index("  Connect:\n") : TEMPLATE.index("  Disconnect:\n")]
TWO_WAY_CONNECT = CONNECT_ROUTE.replace(
    "RouteKey: $connect,", "RouteKey: $connect, RouteResponseSelectionExpression: $default,"
) + (
    "  ConnectResponse:\n    Type: AWS::ApiGatewayV2::RouteResponse\n"
    "    Properties: {ApiId: !Ref Api, RouteId: !Ref Connect, RouteResponseKey: $default}\n"
)


async def refused(up: World, path: str = "/v1", **options: Any) -> WebSocketBadStatusException:
    """How a client is told that it may not connect."""
    with pytest.raises(WebSocketBadStatusException) as error:
        await up.connect(path, **options)
    return error.value


async def test_the_function_is_told_of_the_client_as_aws_tells_it() -> None:
    async with world() as up:
        await up.connect(
            "/v1?token=a%26b&token=c&empty=", header=["X-Own: 1", "x-own: 2", "User-Agent: test/1"], origin="https://x"
        )
        (event,) = await up.events_of("CONNECT")
    headers, context = event["headers"], event["requestContext"]
    assert headers.pop("X-Amzn-Trace-Id").startswith("Root=1-6553f100-")
    assert re.fullmatch(r"[\w+/]{22}==", headers.pop("Sec-WebSocket-Key"))
    assert headers == {
        "Host": up.address,
        "Origin": "https://x",
        "Sec-WebSocket-Version": "13",
        "User-Agent": "test/1",
        "X-Own": "2",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": up.address.rpartition(":")[2],
        "X-Forwarded-Proto": "http",
    }
    assert event["multiValueHeaders"]["X-Own"] == ["1", "2"]
    assert event["queryStringParameters"] == {"token": "c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"token": ["a&b", "c"], "empty": [""]}
    assert event["isBase64Encoded"] is False
    assert "body" not in event
    for name in ("connectionId", "requestId", "extendedRequestId"):
        assert re.fullmatch(r"[\w-]{15}=", context[name]), name
    assert context.pop("requestId") == context.pop("extendedRequestId") != context.pop("connectionId")
    assert context == {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "messageDirection": "IN",
        "requestTime": "14/Nov/2023:22:13:20 +0000",
        "requestTimeEpoch": 1_700_000_000_000,
        "connectedAt": 1_700_000_000_000,
        "stage": "v1",
        "apiId": up.api_id,
        "domainName": up.address,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": "test/1"},
    }


async def test_what_a_client_did_not_send_is_not_there() -> None:
    async with world() as up:
        await up.connect()
        (event,) = await up.events_of("CONNECT")
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}
    assert not {"queryStringParameters", "multiValueQueryStringParameters", "stageVariables"} & set(event)


async def test_a_stages_variables_go_along() -> None:
    text = TEMPLATE.replace("AutoDeploy: true", "AutoDeploy: true, StageVariables: {table: results}")
    async with world(template=text) as up:
        await up.connect()
        (event,) = await up.events_of("CONNECT")
    assert event["stageVariables"] == {"table": "results"}


@pytest.mark.parametrize("status", [201, 204, 299])
async def test_any_status_of_success_accepts(status: int) -> None:
    async def answers(event: Event) -> Any:
        return {"statusCode": status}

    async with world(answers) as up:
        await up.connect()
        assert len(up.api.connections) == 1


@pytest.mark.parametrize("status", [300, 401, 403, 404, 429, 500, 503])
async def test_any_other_status_refuses_the_client_with_it_and_without_a_body(status: int) -> None:
    async def answers(event: Event) -> Any:
        return {"statusCode": status, "body": "who are you?"}

    async with world(answers) as up:
        error = await refused(up)
        assert (error.status_code, error.resp_body) == (status, b"")
        assert not up.api.connections
    assert [event["requestContext"]["eventType"] for event in up.events] == ["CONNECT"], "nobody was connected"


async def test_a_two_way_connect_route_hands_on_why() -> None:
    async def answers(event: Event) -> Any:
        return {"statusCode": 401, "body": "who are you?"}

    async with world(answers, template=TEMPLATE.replace(CONNECT_ROUTE, TWO_WAY_CONNECT)) as up:
        error = await refused(up)
    assert (error.status_code, error.resp_body) == (401, b"who are you?")


async def fails(event: Event) -> Any:
    raise ValueError("a defect")


async def is_throttled(event: Event) -> Any:
    raise ThrottledError


async def answers_a_text(event: Event) -> Any:
    return "ok"


async def answers_nothing(event: Event) -> Any:
    return None


async def answers_no_status(event: Event) -> Any:
    return {"statusCode": "fine"}


@pytest.mark.parametrize(
    ("answers", "status", "why"),
    [
        (fails, 502, "the function raised"),
        (is_throttled, 500, "Lambda's 429 is a 500 here, as it is for a REST API"),
        (answers_a_text, 502, "a malformed answer"),
        (answers_nothing, 502, "another"),
        (answers_no_status, 502, "a third"),
    ],
)
async def test_a_function_that_cannot_say_refuses_with_aws_own_words(answers: Any, status: int, why: str) -> None:
    async with world(answers) as up:
        error = await refused(up)
        assert error.status_code == status, why
        told = json.loads(error.resp_body or b"")
        (event,) = up.events
        context = event["requestContext"]
        assert told == {
            "message": "Internal server error",
            "connectionId": context["connectionId"],
            "requestId": context["requestId"],
        }


async def test_a_function_that_is_too_slow_refuses() -> None:
    async def answers(event: Event) -> Any:
        await asyncio.Event().wait()

    async with world(answers, quotas={"websocket_integration_s": 0.01}) as up:
        error = await refused(up)
        assert error.status_code == 504
        assert json.loads(error.resp_body or b"")["message"] == "Endpoint request timed out"


async def test_without_a_connect_route_everybody_may_come() -> None:
    async with world(fails, template=TEMPLATE.replace(CONNECT_ROUTE, "")) as up:
        await up.connect()
        assert len(up.api.connections) == 1
        assert not up.events


async def test_a_subprotocol_is_the_functions_to_choose() -> None:
    async def answers(event: Event) -> Any:
        asked = event["headers"]["Sec-WebSocket-Protocol"].split(",")
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": asked[-1].strip()}}

    async with world(answers) as up:
        client = await up.connect(subprotocols=["v1.forebay", "v2.forebay"])
        assert client.getsubprotocol() == "v2.forebay"


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/", 403, "no stage"),
        ("/v2", 403, "no such stage"),
        ("/v1/more", 403, "there is nothing below a stage"),
        ("/v1x", 403, "the stage's name is all of it"),
    ],
)
async def test_there_is_nothing_but_the_stage(path: str, status: int, why: str) -> None:
    async with world() as up:
        assert (await refused(up, path)).status_code == status, why
        assert not up.events


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1?x=1"])
async def test_the_stage_is_found_with_and_without_a_slash(path: str) -> None:
    async with world() as up:
        await up.connect(path)
        assert len(up.api.connections) == 1


@pytest.mark.parametrize(
    ("headers", "status", "why"),
    [
        ({"Upgrade": ""}, 426, "a browser that was pointed at it"),
        ({"Upgrade": "h2c"}, 400, "an upgrade to something else"),
        ({"Connection": "keep-alive"}, 400, "half an upgrade"),
        ({"Sec_WebSocket_Version": "12"}, 400, "a version that is none"),
        ({"Sec_WebSocket_Key": ""}, 400, "no key"),
        ({"Sec_WebSocket_Key": "short"}, 400, "a key that is none"),
    ],
)
async def test_a_broken_handshake_is_refused_before_the_function_hears_of_it(
    headers: dict[str, str], status: int, why: str
) -> None:
    async with world() as up:
        client = await RawClient.tcp(up.address)
        assert await client.handshake(**headers) == status, why
        client.leave()
        assert not up.events


async def test_a_client_that_leaves_while_connect_runs_is_reported_as_gone() -> None:
    asked, may_end = asyncio.Event(), asyncio.Event()

    async def answers(event: Event) -> Any:
        if event["requestContext"]["eventType"] == "CONNECT":
            asked.set()
            await may_end.wait()
        return await accepts(event)

    async with world(answers) as up:
        client = await RawClient.tcp(up.address)
        handshake = asyncio.create_task(client.handshake())
        await asked.wait()
        client.leave()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await handshake
        may_end.set()
        (event,) = await up.events_of("DISCONNECT")
        assert event["requestContext"]["disconnectStatusCode"] == 1006
        assert not up.api.connections


async def test_new_connections_have_a_rate_with_a_second_of_it_saved_up() -> None:
    async with world(quotas={"websocket_connections_per_s": 3}) as up:
        for _ in range(3):
            await up.connect()
        error = await refused(up)
        assert error.status_code == 429
        assert json.loads(error.resp_body or b"")["message"] == "Too Many Requests"
        up.clock.now += 1 / 3
        await up.connect()
        await refused(up)
        assert len(up.api.connections) == 4


async def test_the_connect_route_may_have_a_throttle_of_its_own() -> None:
    text = TEMPLATE.replace(
        "AutoDeploy: true",
        "AutoDeploy: true, RouteSettings: {$connect: {ThrottlingRateLimit: 1, ThrottlingBurstLimit: 1}}",
    )
    async with world(template=text) as up:
        client = await up.connect()
        assert (await refused(up)).status_code == 429
        assert await up.ask(client, {"action": "ask", "n": 1}) == {"action": "ask", "n": 1}
