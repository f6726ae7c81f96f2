"""What no well-meaning client sends. Whatever it is, its connection ends with the right code and the others go on."""

import asyncio
import struct
from typing import Any

import pytest

from tests.websocket.raw_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawClient, frame
from tests.websocket.world import Event, World, accepts, world

KIB = 1 << 10
ASK = b'{"action":"ask"}'


async def still_serves(up: World) -> None:
    """A client that behaves is served as ever."""
    client = await up.connect()
    assert await up.ask(client, {"action": "ask"}) == {"action": "ask"}


@pytest.mark.parametrize(
    ("sent", "code", "why"),
    [
        ([frame(TEXT, b"x" * (32 * KIB + 1))], 1009, "a frame over 32 KiB"),
        ([frame(TEXT, b"x" * (4 << 20))], 1009, "one of 4 MiB: most of it still comes after the refusal"),
        (
            [struct.pack("!BBQ", 0x81, 0xFF, (1 << 63) - 1) + b"mask" + b"x" * KIB],
            1009,
            "one of 8 EiB that never comes",
        ),
        ([struct.pack("!BBQ", 0x81, 0xFF, (1 << 64) - 1) + b"mask"], 1009, "a length with all bits"),
        (
            [frame(TEXT, b"x" * 32 * KIB, final=False), *[frame(CONTINUATION, b"x" * 32 * KIB, final=False)] * 4],
            1009,
            "a message over 128 KiB that does not end",
        ),
        ([frame(TEXT, b"x", final=False), *[frame(CONTINUATION, b"x" * 8 * KIB, final=False)] * 17], 1009, "in bits"),
        ([frame(BINARY, ASK)], 1003, "binary, which API Gateway does not take"),
        ([frame(BINARY, b"", final=False)], 1003, "the beginning of it"),
        ([frame(TEXT, b"\xff\xfe")], 1007, "a text that is not UTF-8"),
        ([frame(TEXT, b"\xc3", final=False), frame(CONTINUATION, b"\x28")], 1007, "nor when it is put together"),
        ([frame(TEXT, b"\xed\xa0\x80")], 1007, "half of a surrogate pair"),
        ([frame(TEXT, ASK, masked=False)], 1002, "not masked"),
        ([frame(TEXT, ASK, rsv=4)], 1002, "compressed, which was not agreed on"),
        ([frame(TEXT, ASK, rsv=1)], 1002, "a bit without a meaning"),
        ([frame(0x3, ASK)], 1002, "a kind of frame that is none"),
        ([frame(0xB)], 1002, "a control frame that is none"),
        ([frame(CONTINUATION, ASK)], 1002, "the end of what did not begin"),
        ([frame(TEXT, b"x", final=False), frame(TEXT, ASK)], 1002, "a beginning inside of another"),
        ([frame(PING, b"x" * 126)], 1002, "a control frame over 125 bytes"),
        ([frame(PING, b"x", final=False)], 1002, "a control frame in pieces"),
        ([frame(CLOSE, b"x")], 1002, "half a close code"),
        ([frame(CLOSE, struct.pack("!H", 1005))], 1002, "a close code that may not be sent"),
        ([frame(CLOSE, struct.pack("!H", 1000) + b"\xff")], 1007, "a reason that is not UTF-8"),
    ],
)
async def test_a_connection_ends_with_the_code_for_what_it_did(sent: list[bytes], code: int, why: str) -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.send(*sent)
        assert await client.close_code() == code, why
        client.send(frame(CLOSE, struct.pack("!H", code)))
        await client.ended()
        (event,) = await up.events_of("DISCONNECT")
        assert event["requestContext"]["disconnectStatusCode"] == code
        assert not [event for event in up.events if "body" in event], "the function never heard of it"
        assert not up.api.connections
        await still_serves(up)


async def test_the_function_hears_what_came_before() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        client.send(frame(TEXT, ASK), frame(TEXT, b"x" * 33 * KIB), frame(TEXT, b"after"))
        assert await client.close_code() == 1009
        client.leave()
        (event,) = await up.events_of("MESSAGE")
        assert event["body"] == ASK.decode()


async def test_a_text_in_a_thousand_pieces_is_one_text() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        pieces = [frame(CONTINUATION if at else TEXT, ASK[at : at + 1], final=False) for at in range(len(ASK))]
        empty = frame(CONTINUATION, b"", final=False)
        client.send(*pieces, *[empty] * 1_000, frame(PING, b"between"), frame(CONTINUATION))
        assert await client.receive() == (PONG, True, b"between")
        assert await client.receive() == (TEXT, True, ASK)
        client.leave()


async def test_bytes_may_come_one_by_one() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        for byte in frame(TEXT, ASK) + frame(PING, b"x"):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        received = [await client.receive() for _ in range(2)]
        assert sorted(received) == [(TEXT, True, ASK), (PONG, True, b"x")]
        client.leave()


async def test_a_message_sent_with_the_handshake_is_heard() -> None:
    async with world() as up:
        client = await RawClient.tcp(up.address)
        handshake = asyncio.create_task(client.handshake())
        await asyncio.sleep(0)
        client.send(frame(TEXT, ASK))
        assert await handshake == 101
        assert await client.receive() == (TEXT, True, ASK)
        client.leave()


async def test_a_flood_of_pings_from_a_client_that_does_not_read_costs_a_bounded_buffer() -> None:
    async with world(quotas={"websocket_send_buffer_bytes": 64 * KIB}) as up:
        client = await RawClient.connected(up.address)
        client.writer.transport.pause_reading()
        flood = frame(PING, b"x" * 125) * 1_000
        connection = up.api.connections[up.connection_id]
        transport = connection._transport
        assert transport is not None
        for _ in range(100):
            client.send(flood)
            await client.writer.drain()
        assert 0 < transport.get_write_buffer_size() <= 64 * KIB + 127
        await still_serves(up)
        client.leave()


async def test_answers_to_a_client_that_does_not_read_them_end_its_connection() -> None:
    async def answers(event: Event) -> Any:
        if event["requestContext"]["eventType"] == "MESSAGE" and event["body"] == ASK.decode():
            return {"statusCode": 200, "body": "x" * 128 * KIB}
        return await accepts(event)

    async with world(answers, quotas={"websocket_send_buffer_bytes": 256 * KIB}) as up:
        client = await RawClient.connected(up.address)
        client.writer.transport.pause_reading()
        for _ in range(200):
            client.send(frame(TEXT, ASK))
        (event,) = await up.events_of("DISCONNECT")
        assert event["requestContext"]["disconnectStatusCode"] == 1006
        assert not up.api.connections
        up.answers = accepts
        await still_serves(up)
        client.leave()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1 HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /v1 HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/@connections/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/@connections/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
async def test_what_is_no_http_is_closed_and_nobody_else_notices(garbage: bytes) -> None:
    async with world() as up:
        client = await RawClient.tcp(up.address)
        client.writer.write(garbage)
        client.writer.write_eof()
        await client.ended()
        client.leave()
        await still_serves(up)
        assert len(up.events) == 2


async def test_half_open_clients_hold_up_nobody() -> None:
    async with world() as up:
        halves = [await RawClient.tcp(up.address) for _ in range(50)]
        for number, client in enumerate(halves):
            client.writer.write(b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"[:number])
        await still_serves(up)
        for client in halves:
            client.leave()


async def test_a_thousand_idle_connections_are_kept_served_and_let_go() -> None:
    async with world(quotas={"websocket_connections_per_s": 1_000}) as up:
        clients = []
        for _ in range(10):
            clients += await asyncio.gather(*(RawClient.connected(up.address) for _ in range(100)))
        assert len(up.api.connections) == 1_000
        assert len({event["requestContext"]["connectionId"] for event in up.events}) == 1_000
        # Each is still there, and reached by its own id.
        ids = {event["requestContext"]["connectionId"]: event for event in up.events}
        for connection_id, connection in up.api.connections.items():
            assert connection_id in ids
            connection.send(connection_id.encode(), up.clock.now)
        received = await asyncio.gather(*(client.receive() for client in clients))
        assert {payload.decode() for _, _, payload in received} == set(ids)
        up.clock.now += 601
        up.api.sweep()
        assert set(await asyncio.gather(*(client.close_code() for client in clients))) == {1001}
        for client in clients:
            client.send(frame(CLOSE, struct.pack("!H", 1001)))
        await asyncio.gather(*(client.ended() for client in clients))
        assert len(await up.events_of("DISCONNECT", 1_000)) == 1_000
        assert not up.api.connections
