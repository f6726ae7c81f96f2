"""How a connection ends, and what $disconnect is told of it."""

import asyncio
import struct
from typing import Any

import pytest

from tests.websocket.raw_client import CLOSE, PING, PONG, RawClient, frame
from tests.websocket.world import Event, World, accepts, world


async def ending(up: World) -> tuple[int, str]:
    """What $disconnect was told, once there was one."""
    (event,) = await up.events_of("DISCONNECT")
    context = event["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def test_the_function_is_told_of_an_end_as_aws_tells_it() -> None:
    async with world() as up:
        client = await up.connect(header=["User-Agent: test/1"])
        connection_id = up.connection_id
        up.clock.now += 60
        await asyncio.to_thread(client.close, status=1000, reason=b"enough")
        (event,) = await up.events_of("DISCONNECT")
    context = event.pop("requestContext")
    headers = {"Host": up.address, "x-api-key": "", "X-Forwarded-For": "127.0.0.1", "x-restapi": ""}
    assert event == {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "isBase64Encoded": False,
    }
    assert context.pop("requestId") == context.pop("extendedRequestId")
    assert context == {
        "routeKey": "$disconnect",
        "eventType": "DISCONNECT",
        "disconnectStatusCode": 1000,
        "disconnectReason": "enough",
        "messageDirection": "IN",
        "requestTime": "14/Nov/2023:22:14:20 +0000",
        "requestTimeEpoch": 1_700_000_060_000,
        "connectedAt": 1_700_000_000_000,
        "connectionId": connection_id,
        "stage": "v1",
        "apiId": up.api_id,
        "domainName": up.address,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": "test/1"},
    }


@pytest.mark.parametrize(
    ("payload", "answered", "told"),
    [
        (struct.pack("!H", 1000), 1000, (1000, "")),
        (struct.pack("!H", 1001) + b"bye", 1001, (1001, "bye")),
        (struct.pack("!H", 4000) + "é".encode(), 4000, (4000, "é")),
        (b"", 1000, (1005, "Client-side close frame status not set")),
    ],
)
async def test_a_clients_close_frame_is_answered_and_told(payload: bytes, answered: int, told: tuple[int, str]) -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.send(frame(CLOSE, payload))
        assert await client.close_code() == answered
        await client.ended()
        assert await ending(up) == told
        assert not up.api.connections


async def test_a_client_that_vanishes_is_told_of_too() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.leave()
        assert await ending(up) == (1006, "")


async def test_a_client_that_only_stops_sending_is_gone() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.writer.write_eof()
        await client.ended()
        assert await ending(up) == (1006, "")


async def test_a_ping_is_answered_with_what_it_holds() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.send(frame(PING, b"are you there?"), frame(PING))
        assert await client.receive() == (PONG, True, b"are you there?")
        assert await client.receive() == (PONG, True, b"")
        client.leave()


@pytest.mark.parametrize(
    ("alive", "why"),
    [
        ("message", "a message of the client's"),
        ("ping", "its pings, which is how clients keep a connection alive"),
        ("pong", "or pongs that nobody asked for"),
        ("push", "a message to the client"),
    ],
)
async def test_an_idle_connection_is_closed_after_ten_minutes(alive: str, why: str) -> None:
    async with world() as up:
        client = await up.connect()
        up.clock.now += 599
        match alive:
            case "message":
                await up.ask(client, {"action": "ask"})
            case "ping":
                client.ping("x")
                assert (await asyncio.to_thread(client.recv_data, True))[0] == PONG
            case "pong":
                client.pong("x")
                await up.ask(client, {"action": "ask"})
            case "push":
                (connection,) = up.api.connections.values()
                connection.send(b'"hello"', up.clock.now)
        up.clock.now += 599
        up.api.sweep()
        assert up.api.connections[up.connection_id].is_open, why
        up.clock.now += 1
        up.api.sweep()
        assert await up.closed(client) == 1001
        await asyncio.to_thread(client.close)
        assert await ending(up) == (1001, "Going away")


async def test_a_connection_lasts_two_hours_however_busy() -> None:
    async with world() as up:
        client = await up.connect()
        for _ in range(14):
            up.clock.now += 500
            up.api.sweep()
            assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}
        up.clock.now += 199
        up.api.sweep()
        assert up.api.connections[up.connection_id].is_open
        up.clock.now += 1
        up.api.sweep()
        assert await up.closed(client) == 1001
        await asyncio.to_thread(client.close)
        assert await ending(up) == (1001, "Going away")


async def test_connections_are_looked_after_by_themselves() -> None:
    """The one test that waits for the sweep's own timer, a second."""
    async with world(quotas={"websocket_idle_s": 5}) as up:
        client = await up.connect()
        up.clock.now += 5
        assert await up.closed(client) == 1001


async def test_a_client_that_does_not_answer_our_close_frame_is_cut_off() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        up.clock.now += 600
        up.api.sweep()
        assert await client.close_code() == 1001
        await client.ended()
        assert await ending(up) == (1001, "Going away")


async def test_what_a_client_sends_after_our_close_frame_is_not_heard() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        up.clock.now += 600
        up.api.sweep()
        assert await client.close_code() == 1001
        client.send(frame(0x1, b'{"action":"ask"}'), frame(CLOSE, struct.pack("!H", 1001)))
        await client.ended()
        await up.events_of("DISCONNECT")
        assert not [event for event in up.events if "body" in event]


async def test_a_disconnect_that_fails_is_told_once_and_hurts_nobody() -> None:
    async def answers(event: Event) -> Any:
        if event["requestContext"]["eventType"] == "DISCONNECT":
            raise ValueError("a defect")
        return await accepts(event)

    async with world(answers) as up:
        await asyncio.to_thread((await up.connect()).close)
        await up.events_of("DISCONNECT")
        client = await up.connect()
        assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}


async def test_closing_says_goodbye_to_everybody_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    async with world() as up:
        clients = [await RawClient.connected(up.address) for _ in range(3)]
        mute = await RawClient.connected(up.address)
        unfinished = await RawClient.tcp(up.address)
        unfinished.writer.write(b"GET /v1 HTTP/1.1\r\nHost: x\r\n")
        closing = asyncio.create_task(up.api.close())
        for client in clients:
            assert await client.close_code() == 1001
            client.send(frame(CLOSE, struct.pack("!H", 1001)))
            await client.ended()
        await closing
        await mute.ended()
        await unfinished.ended()
        assert not up.api.connections
        with pytest.raises(ConnectionRefusedError):
            await RawClient.tcp(up.address)
        assert not [event for event in up.events if event["requestContext"]["eventType"] == "DISCONNECT"]
    for client in (*clients, mute, unfinished):
        client.leave()
    await asyncio.sleep(0)
    assert not asyncio.all_tasks() - before


async def test_closing_breaks_off_what_is_still_under_way() -> None:
    async def answers(event: Event) -> Any:
        if event["requestContext"]["eventType"] == "MESSAGE":
            await asyncio.Event().wait()
        return await accepts(event)

    async with world(answers) as up:
        client = await up.connect()
        await asyncio.to_thread(client.send, '{"action":"ask"}')
        await up.events_of("MESSAGE")
        client.shutdown()
        await up.api.close()
    assert not up.api.connections
