"""`@connections`, by boto3 as a backend uses it."""

import asyncio
import http.client
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.websocket.connection import BufferFullError, Connection
from local.websocket.frames import Opcode
from tests.signing import signed_headers
from tests.websocket.raw_client import CONTINUATION, TEXT, RawClient
from tests.websocket.world import BACKEND, Event, World, accepts, world

# What the backend of the tests' world signs with.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": BACKEND.access_key_id,
    "AWS_SECRET_ACCESS_KEY": BACKEND.secret_access_key,
    "AWS_DEFAULT_REGION": "us-east-1",
}


async def refused(call: Any, **arguments: Any) -> tuple[int, str]:
    """The status and the name of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        await asyncio.to_thread(call, **arguments)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


async def over_http(up: World, method: str, path: str, **options: Any) -> tuple[int, bytes]:
    """One request as plain HTTP."""

    def ask() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(up.address, timeout=10)
        try:
            connection.request(method, path, **options)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def signed(up: World, method: str, path: str) -> int:
    """The status of a signed call."""
    headers = signed_headers(CREDENTIALS, method, f"http://{up.address}{path}", {}, b"x")
    return (await over_http(up, method, path, body=b"x", headers=headers))[0]


async def test_a_backend_sends_a_client_what_it_never_asked_for() -> None:
    async with world() as up:
        clients = [await up.connect() for _ in range(2)]
        backend = up.backend()
        for number, connection_id in enumerate(list(up.api.connections)):
            await asyncio.to_thread(
                backend.post_to_connection, ConnectionId=connection_id, Data=b'{"n": %d, "text": "\xc3\xa9"}' % number
            )
        assert [await up.received(client) for client in clients] == [{"n": 0, "text": "é"}, {"n": 1, "text": "é"}]


async def test_what_is_known_of_a_connection() -> None:
    async with world() as up:
        client = await up.connect(header=["User-Agent: test/1"])
        up.clock.now += 30
        await up.ask(client, {"action": "ask"})
        up.clock.now += 30
        found = await asyncio.to_thread(up.backend().get_connection, ConnectionId=up.connection_id)
    assert found["ConnectedAt"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert found["LastActiveAt"] == datetime(2023, 11, 14, 22, 13, 50, tzinfo=UTC)
    assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/1"}


async def test_a_backend_may_end_a_connection() -> None:
    async with world() as up:
        client = await up.connect()
        backend, connection_id = up.backend(), up.connection_id
        await asyncio.to_thread(backend.delete_connection, ConnectionId=connection_id)
        # It is gone at once, though the client has not heard of it yet.
        assert await refused(backend.get_connection, ConnectionId=connection_id) == (410, "GoneException")
        assert await up.closed(client) == 1000
        await asyncio.to_thread(client.close)
        (event,) = await up.events_of("DISCONNECT")
        context = event["requestContext"]
        assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1000, "Connection Closed Normally")


@pytest.mark.parametrize("connection_id", ["AAAAAAAAAAAAAAA=", "x", "../v1", "a/b", "%3D", "é", " "])
async def test_a_connection_that_is_not_there_is_gone(connection_id: str) -> None:
    async with world() as up:
        await up.connect()
        backend = up.backend()
        for call in (backend.get_connection, backend.delete_connection):
            assert await refused(call, ConnectionId=connection_id) == (410, "GoneException")
        post = backend.post_to_connection
        assert await refused(post, ConnectionId=connection_id, Data=b"x") == (410, "GoneException")


async def test_a_client_that_left_is_gone() -> None:
    async with world() as up:
        client = await up.connect()
        connection_id = up.connection_id
        await asyncio.to_thread(client.close)
        await up.events_of("DISCONNECT")
        post = up.backend().post_to_connection
        assert await refused(post, ConnectionId=connection_id, Data=b"x") == (410, "GoneException")


async def test_a_client_is_not_there_before_connect_has_accepted_it() -> None:
    """re:Post, 410-gone-api-gateway: the function of $connect cannot send to the client that it is asked about."""
    found: list[tuple[int, str]] = []

    async def answers(event: Event) -> Any:
        post = up.backend().post_to_connection
        found.append(await refused(post, ConnectionId=event["requestContext"]["connectionId"], Data=b"welcome"))
        return await accepts(event)

    async with world() as up:
        up.answers = answers
        await up.connect()
        up.answers = accepts
    assert found == [(410, "GoneException")]


async def test_data_over_128_kib_is_refused_and_the_connection_stays() -> None:
    async with world() as up:
        client = await up.connect()
        post = up.backend().post_to_connection
        too_much = await refused(post, ConnectionId=up.connection_id, Data=b"x" * (128 * 1024 + 1))
        assert too_much == (413, "PayloadTooLargeException")
        assert await refused(post, ConnectionId=up.connection_id, Data=b"x" * (9 << 20)) == too_much
        await asyncio.to_thread(post, ConnectionId=up.connection_id, Data=b"x" * (128 * 1024))
        assert len(await asyncio.to_thread(client.recv)) == 128 * 1024


async def test_what_is_larger_than_a_frame_comes_in_several() -> None:
    async with world() as up:
        client = await RawClient.connected(up.address)
        post = up.backend().post_to_connection
        await asyncio.to_thread(post, ConnectionId=up.connection_id, Data=b"x" * (70 << 10))
        frames = [await client.receive() for _ in range(3)]
        client.leave()
    assert [(opcode, final, len(data)) for opcode, final, data in frames] == [
        (TEXT, False, 32 << 10),
        (CONTINUATION, False, 32 << 10),
        (CONTINUATION, True, 6 << 10),
    ]


async def test_only_text_goes_to_a_client() -> None:
    async with world() as up:
        client = await up.connect()
        post = up.backend().post_to_connection
        await asyncio.to_thread(post, ConnectionId=up.connection_id, Data=b"a\xffb")
        opcode, data = await asyncio.to_thread(client.recv_data)
    assert (opcode, data.decode()) == (Opcode.TEXT, "a\ufffdb")


async def test_an_unsigned_call_is_refused_as_on_aws() -> None:
    async with world() as up:
        await up.connect()
        path = f"/v1/@connections/{up.connection_id}"
        status, body = await over_http(up, "POST", path, body=b"x")
        assert (status, body) == (403, b'{"message": "Missing Authentication Token"}')
        assert await signed(up, "POST", path) == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("POST", "/v1/@connections/ID", 200, "as it stands"),
        ("POST", "/v1/%40connections/ID", 200, "as curl writes the @"),
        ("POST", "/v1/@connections/ENCODED", 200, "as boto3 writes the ="),
        ("PUT", "/v1/@connections/ID", 403, "no such call"),
        ("POST", "/v1/@connections", 403, "no connection named"),
        ("POST", "/v1/@connections/", 403, "nor here"),
        ("POST", "/v2/@connections/ID", 403, "no such stage"),
        ("POST", "/v1", 426, "that is for WebSocket clients"),
        ("POST", "/v1/@connections/ID/more", 410, "all of the rest is the id"),
    ],
)
async def test_the_path_of_a_connection(method: str, path: str, status: int, why: str) -> None:
    async with world() as up:
        await up.connect()
        encoded = up.connection_id.replace("=", "%3D")
        path = path.replace("ID", up.connection_id).replace("ENCODED", encoded)
        assert await signed(up, method, path) == status, why


async def test_the_accounts_limit_holds_for_a_backends_calls_too() -> None:
    async with world(quotas={"api_requests_per_s": 0, "api_burst_requests": 2}) as up:
        await up.connect()
        get = up.backend().get_connection
        await asyncio.to_thread(get, ConnectionId=up.connection_id)
        assert await refused(get, ConnectionId=up.connection_id) == (429, "LimitExceededException")


async def test_a_client_that_stops_reading_is_refused_more_and_cut_off_in_the_end() -> None:
    async with world(quotas={"websocket_send_buffer_bytes": 1 << 20, "websocket_stuck_s": 30}) as up:
        stuck = await RawClient.connected(up.address)
        stuck.writer.transport.pause_reading()
        stuck_id = up.connection_id
        other = await up.connect()
        (other_id,) = set(up.api.connections) - {stuck_id}
        post = up.backend().post_to_connection

        def fill() -> None:
            """Send until the sockets and the buffer are full. What the kernel takes is some MiB."""
            for _ in range(1000):
                post(ConnectionId=stuck_id, Data=b"x" * (128 << 10))

        assert await refused(fill) == (429, "LimitExceededException")
        # Nobody else is held up, and the sender was told at once.
        await asyncio.to_thread(post, ConnectionId=other_id, Data=b'"hello"')
        assert await up.received(other) == "hello"
        up.api.sweep()
        up.clock.now += 29
        up.api.sweep()
        assert stuck_id in up.api.connections
        up.clock.now += 1
        up.api.sweep()
        (event,) = await up.events_of("DISCONNECT")
        assert event["requestContext"]["connectionId"] == stuck_id
        assert event["requestContext"]["disconnectStatusCode"] == 1006
        assert await refused(post, ConnectionId=stuck_id, Data=b"x") == (410, "GoneException")
        stuck.leave()


async def test_a_client_that_reads_slowly_is_not_stuck() -> None:
    async with world(quotas={"websocket_send_buffer_bytes": 1 << 20, "websocket_stuck_s": 30}) as up:
        slow = await RawClient.connected(up.address)
        slow.writer.transport.pause_reading()
        post = up.backend().post_to_connection
        connection_id = up.connection_id

        def fill() -> None:
            for _ in range(1000):
                post(ConnectionId=connection_id, Data=b"x" * (128 << 10))

        assert await refused(fill) == (429, "LimitExceededException")
        up.api.sweep()
        up.clock.now += 25
        reading = asyncio.create_task(slow.ended())
        slow.writer.transport.resume_reading()
        connection = up.api.connections[connection_id]
        await up.until(lambda: sent(connection, up.clock.now))
        up.api.sweep()
        up.clock.now += 25
        up.api.sweep()
        assert connection.is_open, "it has been behind for 50 s, but took something meanwhile"
        slow.leave()
        await reading


def sent(connection: Connection, now: float) -> bool:
    """Send something, if there is room for it."""
    try:
        connection.send(b"x" * (128 << 10), now)
    except BufferFullError:
        return False
    return True
