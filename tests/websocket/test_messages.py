"""From a client's text to a route, and back if the route is two-way."""

import asyncio
import json
import re
from typing import Any

import pytest
from websocket import ABNF

from tests.websocket.world import DEFAULT_ROUTE, TEMPLATE, Event, ThrottledError, World, accepts, world


async def route_of(up: World, text: str) -> str:
    """The route that a text comes to. A text for a two-way route follows, so that it is sure to have come."""
    client = up.clients[0] if up.clients else await up.connect()
    await asyncio.to_thread(client.send, text)
    await up.until(lambda: any(event.get("body") == text for event in up.events))
    (event,) = [event for event in up.events if event.get("body") == text]
    return str(event["requestContext"]["routeKey"])


@pytest.mark.parametrize(
    ("text", "route", "why"),
    [
        ('{"action":"tell","x":1}', "tell", "the route that the message names"),
        ('{"action":"ask"}', "ask", "another"),
        ('{"action":"nowhere"}', "$default", "there is no such route"),
        ('{"other":"tell"}', "$default", "it names none"),
        ('{"action":["tell"]}', "$default", "a list is no name"),
        ("tell", "$default", "no JSON"),
        ("", "$default", "nothing at all"),
        ('{"action":"tell"', "$default", "half of JSON"),
        ("[" * 100_00, "$default", "JSON that is too deep to read"),
        ('{"action":"$connect"}', "$default", "nobody may call the routes of the connection itself"),
        ('{"action":"$disconnect"}', "$default", "or make others believe that it is gone"),
        ('{"action":"$default"}', "$default", "which is where it would go anyway"),
        ('{"action":"tell","action":"ask"}', "ask", "the last one counts"),
    ],
)
async def test_a_text_comes_to_a_route(text: str, route: str, why: str) -> None:
    async with world() as up:
        assert await route_of(up, text) == route, why


async def test_the_function_is_told_of_a_message_as_aws_tells_it() -> None:
    async with world() as up:
        client = await up.connect(header=["User-Agent: test/1"])
        up.clock.now += 1.5
        text = '{"action": "ask", "text": "é \\u2028"}'
        await asyncio.to_thread(client.send, text)
        await asyncio.to_thread(client.recv)
        (event,) = await up.events_of("MESSAGE")
        connection_id = up.connection_id
    context = event.pop("requestContext")
    assert event == {"body": text, "isBase64Encoded": False}
    assert context.pop("requestId") == context.pop("extendedRequestId")
    assert re.fullmatch(r"[\w-]{15}=", context.pop("messageId"))
    assert context == {
        "routeKey": "ask",
        "eventType": "MESSAGE",
        "messageDirection": "IN",
        "requestTime": "14/Nov/2023:22:13:21 +0000",
        "requestTimeEpoch": 1_700_000_001_500,
        "connectedAt": 1_700_000_000_000,
        "connectionId": connection_id,
        "stage": "v1",
        "apiId": up.api_id,
        "domainName": up.address,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": "test/1"},
    }


async def test_every_message_and_every_client_has_ids_of_its_own() -> None:
    async with world() as up:
        clients = [await up.connect() for _ in range(3)]
        for number, client in enumerate(clients * 2):
            await up.ask(client, {"action": "ask", "n": number})
        contexts = [event["requestContext"] for event in await up.events_of("MESSAGE", 6)]
    assert len({context["requestId"] for context in contexts}) == 6
    assert len({context["messageId"] for context in contexts}) == 6
    assert [context["connectionId"] for context in contexts[:3]] == [
        context["connectionId"] for context in contexts[3:]
    ]
    assert len({context["connectionId"] for context in contexts}) == 3


async def test_only_a_two_way_route_answers() -> None:
    async with world() as up:
        client = await up.connect()
        await asyncio.to_thread(client.send, '{"action":"tell"}')
        await asyncio.to_thread(client.send, '{"action":"other"}')
        await up.events_of("MESSAGE", 2)
        # What comes next is the answer to the one that was sent last.
        assert await up.ask(client, {"action": "ask", "n": 3}) == {"action": "ask", "n": 3}


@pytest.mark.parametrize(
    ("answer", "received", "why"),
    [
        ({"statusCode": 200, "body": "ok"}, b"ok", "the body alone"),
        ({"statusCode": 500, "body": "no"}, b"no", "whatever the status: it is the function's answer"),
        ({"statusCode": 200, "body": "w6k=", "isBase64Encoded": True}, "é".encode(), "what it says is base64"),
        ({"statusCode": 200}, None, "nothing to say"),
        ({"statusCode": 200, "body": ""}, None, "nor here"),
    ],
)
async def test_what_a_two_way_route_answers(answer: Any, received: bytes | None, why: str) -> None:
    async def answers(event: Event) -> Any:
        return await accepts(event) if event.get("body") != '{"action":"ask"}' else answer

    async with world(answers) as up:
        client = await up.connect()
        await asyncio.to_thread(client.send, '{"action":"ask"}')
        await up.events_of("MESSAGE")
        if received is None:
            assert await up.ask(client, {"action": "ask", "n": 2}) == {"action": "ask", "n": 2}, why
        else:
            assert (await asyncio.to_thread(client.recv)).encode() == received, why


async def raises(event: Event) -> Any:
    raise ValueError("a defect")


async def is_throttled(event: Event) -> Any:
    raise ThrottledError


async def is_malformed(event: Event) -> Any:
    return {"statusCode": 200, "body": {"not": "a text"}}


async def answers_too_much(event: Event) -> Any:
    return {"statusCode": 200, "body": "x" * (128 * 1024 + 1)}


async def is_slow(event: Event) -> Any:
    await asyncio.Event().wait()


INTERNAL = "Internal server error"


@pytest.mark.parametrize(
    ("fails", "action", "message"),
    [
        (raises, "tell", INTERNAL),
        (raises, "ask", INTERNAL),
        (is_throttled, "tell", INTERNAL),
        (is_malformed, "tell", INTERNAL),
        (answers_too_much, "ask", INTERNAL),
        (is_slow, "tell", "Endpoint request timed out"),
    ],
)
async def test_a_message_that_came_to_nothing_is_answered_by_api_gateway_on_any_route(
    fails: Any, action: str, message: str
) -> None:
    async def answers(event: Event) -> Any:
        return await (accepts if event["requestContext"]["eventType"] == "CONNECT" else fails)(event)

    async with world(answers, quotas={"websocket_integration_s": 0.05}) as up:
        client = await up.connect()
        told = await up.ask(client, {"action": action})
        (event,) = await up.events_of("MESSAGE")
        context = event["requestContext"]
        assert told == {
            "message": message,
            "connectionId": context["connectionId"],
            "requestId": context["requestId"],
        }
        up.answers = accepts
        assert await up.ask(client, {"action": "ask", "n": 2}) == {"action": "ask", "n": 2}, "the connection stays"


async def test_a_message_for_no_route_is_forbidden() -> None:
    async with world(template=TEMPLATE.replace(DEFAULT_ROUTE, "")) as up:
        client = await up.connect()
        told = await up.ask(client, {"action": "nowhere"})
        assert re.fullmatch(r"[\w-]{15}=", told.pop("requestId"))
        assert told == {"message": "Forbidden", "connectionId": up.connection_id}
        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}
        assert len([event for event in up.events if "body" in event]) == 1


async def test_a_slow_message_holds_up_none_that_comes_after() -> None:
    may_end = asyncio.Event()

    async def answers(event: Event) -> Any:
        if "slow" in event.get("body", ""):
            await may_end.wait()
        return await accepts(event)

    async with world(answers) as up:
        client = await up.connect()
        await asyncio.to_thread(client.send, '{"action":"ask","n":"slow"}')
        assert await up.ask(client, {"action": "ask", "n": "fast"}) == {"action": "ask", "n": "fast"}
        may_end.set()
        assert await up.received(client) == {"action": "ask", "n": "slow"}


async def test_an_answer_for_a_client_that_has_left_meanwhile_goes_nowhere() -> None:
    may_end = asyncio.Event()

    async def answers(event: Event) -> Any:
        if event["requestContext"]["eventType"] == "MESSAGE":
            await may_end.wait()
        return await accepts(event)

    async with world(answers) as up:
        client = await up.connect()
        await asyncio.to_thread(client.send, '{"action":"ask"}')
        await up.events_of("MESSAGE")
        client.shutdown()
        await up.events_of("DISCONNECT")
        may_end.set()
        other = await up.connect()
        assert await up.ask(other, {"action": "ask"}) == {"action": "ask"}


async def test_a_message_as_large_as_they_may_be_comes_through_both_ways() -> None:
    async with world() as up:
        client = await up.connect()
        text = json.dumps({"action": "ask", "x": ""})
        text = text.replace('""', '"' + "x" * (128 * 1024 - len(text)) + '"')
        assert len(text) == 128 * 1024
        pieces = [text[at : at + 32 * 1024] for at in range(0, len(text), 32 * 1024)]
        for number, piece in enumerate(pieces):
            await asyncio.to_thread(send_piece, client, piece, number, number == len(pieces) - 1)
        assert await asyncio.to_thread(client.recv) == text


def send_piece(client: Any, piece: str, number: int, final: bool) -> None:
    client.send_frame(ABNF.create_frame(piece, ABNF.OPCODE_CONT if number else ABNF.OPCODE_TEXT, int(final)))


THROTTLED = TEMPLATE.replace(
    "AutoDeploy: true",
    """AutoDeploy: true, DefaultRouteSettings: {ThrottlingRateLimit: 2, ThrottlingBurstLimit: 3},
      RouteSettings: {ask: {ThrottlingRateLimit: 1, ThrottlingBurstLimit: 1}}""",
)


async def test_a_route_over_its_throttle_says_so_and_the_function_never_hears_of_it() -> None:
    async with world(template=THROTTLED) as up:
        client = await up.connect()
        assert await up.ask(client, {"action": "ask", "n": 1}) == {"action": "ask", "n": 1}
        told = await up.ask(client, {"action": "ask", "n": 2})
        assert re.fullmatch(r"[\w-]{15}=", told.pop("requestId"))
        assert told == {"message": "Too Many Requests", "connectionId": up.connection_id}
        # The routes without limits of their own share the stage's: $connect has had one of its three.
        for number in (3, 4):
            await asyncio.to_thread(client.send, json.dumps({"action": "tell", "n": number}))
        assert (await up.ask(client, {"action": "tell", "n": 5}))["message"] == "Too Many Requests"
        up.clock.now += 1
        assert await up.ask(client, {"action": "ask", "n": 6}) == {"action": "ask", "n": 6}
        heard = [json.loads(event["body"])["n"] for event in await up.events_of("MESSAGE", 4)]
    assert sorted(heard) == [1, 3, 4, 6]


async def test_the_accounts_limit_holds_for_messages_too() -> None:
    async with world(quotas={"api_requests_per_s": 0, "api_burst_requests": 2}) as up:
        client = await up.connect()
        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}
        assert (await up.ask(client, {"action": "ask"}))["message"] == "Too Many Requests"
