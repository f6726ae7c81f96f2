"""The WebSocket client against a server that answers by script."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from pipeline.request import Measurement
from pipeline.result import Status
from producers.answer import Ticket
from producers.api_error import ApiError, NoResultError
from producers.websocket import INLINE_BYTES, OwnershipSecret, WebSocketClient

JPEG = b"\xff\xd8\xff" + bytes(range(256))

Answers = Callable[[int, dict[str, Any]], list[dict[str, Any] | str]]


class Server:
    """Answers each message by `answers`, given its number and itself; "close" closes. Remembers what came."""

    def __init__(self) -> None:
        self.answers: Answers = accept
        self.came: list[dict[str, Any]] = []
        self.frames: list[int] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/live", self._connection)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/live"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _connection(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            self.frames.append(len(message.data))
            given = json.loads(message.data)
            self.came.append(given)
            for answer in self.answers(len(self.came), given):
                if answer == "close":
                    await socket.close()
                else:
                    await socket.send_str(answer if isinstance(answer, str) else json.dumps(answer))
        return socket


def accept(number: int, given: dict[str, Any]) -> list[dict[str, Any] | str]:
    """Accept, and push the result at once."""
    return [
        {"type": "accepted", "request_id": f"r{number}", "correlation_id": given["correlation_id"]},
        result(f"r{number}"),
    ]


def result(request_id: str) -> dict[str, Any]:
    return {"type": "result", "request_id": request_id, "status": "SUCCEEDED", "labels": []}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[WebSocketClient]:
    with WebSocketClient(server.url, "kinesis", timeout_s=5.0) as client:
        yield client


def test_a_result_is_pushed_to_whom_it_belongs(server: Server, client: WebSocketClient) -> None:
    ticket = client.submit(JPEG, Measurement("r1", 7, 5.5))

    assert client.wait(ticket).request_id == "r1"
    assert ticket.calls == 1
    assert client.wait(ticket).status is Status.SUCCEEDED, "what is known is not waited for again"
    given = server.came[0]
    assert (given["action"], given["buffer"]) == ("recognise", "kinesis")
    assert given["request"]["run"] == {"id": "r1", "sequence": 7, "intended_at": 5.5}


def test_many_requests_share_a_connection_whatever_the_order_of_the_answers(
    server: Server, client: WebSocketClient
) -> None:
    """The server accepts only when five have come, the last one first, after the results of all."""
    held: list[tuple[int, str]] = []

    def late(number: int, given: dict[str, Any]) -> list[dict[str, Any] | str]:
        held.append((number, given["correlation_id"]))
        if len(held) < 5:
            return []
        pushed = [result(f"r{number}") for number, _ in held]
        return pushed + [
            {"type": "accepted", "request_id": f"r{number}", "correlation_id": correlation_id}
            for number, correlation_id in reversed(held)
        ]

    server.answers = late
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(client.recognise, [JPEG] * 5))

    assert sorted(answer.request_id for answer in answers) == ["r1", "r2", "r3", "r4", "r5"]


def test_a_message_goes_in_frames_that_the_gateway_takes(
    server: Server, client: WebSocketClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = []
    send_frame = client._socket.send_frame
    monkeypatch.setattr(client._socket, "send_frame", lambda frame: (frames.append(frame), send_frame(frame)))

    client.recognise(bytes(INLINE_BYTES))

    assert [len(frame.data) for frame in frames][:-1] == [32_768] * 3
    assert [frame.fin for frame in frames] == [0, 0, 0, 1]
    assert server.frames[0] < 128 * 1_024


def test_an_image_too_large_for_a_message_is_uploaded_or_refused_with_what_to_do(
    server: Server, client: WebSocketClient
) -> None:
    class Uploads:
        def upload(self, key: str, image: bytes) -> str:
            return f"stored-{len(image)}"

    with pytest.raises(ValueError, match=r"fits in no WebSocket message.*give the client an ApiClient"):
        client.submit(bytes(INLINE_BYTES + 1))

    client._api = Uploads()  # type: ignore[assignment]
    assert client.submit(bytes(INLINE_BYTES + 1)).calls == 2
    assert server.came[-1]["request"]["image"] == {"key": f"stored-{INLINE_BYTES + 1}"}


def test_a_request_made_over_http_is_attached_to_by_its_secret(server: Server, client: WebSocketClient) -> None:
    secret = OwnershipSecret()
    server.answers = lambda _, given: [
        {"type": "attached", "request_id": given["request_id"], "correlation_id": given["correlation_id"]},
        result(given["request_id"]),
    ]
    ticket = Ticket("over-http=")

    client.attach(ticket, secret)

    assert client.wait(ticket).request_id == "over-http="
    assert ticket.calls == 2
    assert hashlib.sha256(server.came[0]["secret"].encode()).hexdigest() == secret.attach
    assert OwnershipSecret().text != secret.text


def test_what_is_refused_says_why_and_what_to_do(server: Server, client: WebSocketClient) -> None:
    server.answers = lambda _, given: [
        {
            "type": "error", "status": 429, "message": "The buffer is full.", "remedy": "Wait.", "retry_after_s": 2,
            "correlation_id": given["correlation_id"],
        }
    ]  # fmt: skip

    with pytest.raises(ApiError, match=r"The buffer is full\. Wait\.") as error:
        client.submit(JPEG)

    assert (error.value.status, error.value.retry_after_s, error.value.retryable) == (429, 2.0, True)


GATEWAY: dict[str, Any] = {"message": "Internal server error", "connectionId": "c", "requestId": "x"}


def test_what_the_gateway_itself_answers_is_the_lone_messages_answer(server: Server, client: WebSocketClient) -> None:
    server.answers = lambda *_: [GATEWAY]

    for _ in range(2):
        with pytest.raises(ApiError, match=r"did not take the message; .*Internal server error") as error:
            client.submit(JPEG)

    assert (error.value.status, error.value.retryable) == (0, True)


def test_of_several_messages_the_gateways_errors_are_theirs_who_are_left(
    server: Server, client: WebSocketClient
) -> None:
    """Three wait; the gateway says twice that something failed, and one is accepted. The other two need not wait on."""
    held: list[str] = []

    def answers(_: int, given: dict[str, Any]) -> list[dict[str, Any] | str]:
        held.append(given["correlation_id"])
        if len(held) < 3:
            return []
        return [GATEWAY, {"type": "accepted", "request_id": "r1", "correlation_id": held[1]}, GATEWAY]

    server.answers = answers

    def submit(_: int) -> str:
        try:
            return client.submit(JPEG).request_id
        except ApiError as error:
            return str(error)

    with ThreadPoolExecutor(3) as threads:
        said = sorted(threads.map(submit, range(3)))

    assert said[0] == "r1"
    assert all("did not take the message; the gateway said" in each for each in said[1:])


def test_a_result_pushed_again_is_counted_and_disturbs_nothing(server: Server, client: WebSocketClient) -> None:
    server.answers = lambda number, given: [*accept(number, given), result("r1")]

    client.recognise(JPEG)
    client.recognise(JPEG)

    assert client.repeated >= 1


def test_a_connection_that_ends_says_so_to_all_who_wait_and_who_come_later(
    server: Server, client: WebSocketClient
) -> None:
    server.answers = lambda number, given: [accept(number, given)[0]] if number == 1 else ["close"]
    ticket = client.submit(JPEG)

    with pytest.raises(ApiError, match=r"has ended: .*; open another"):
        client.submit(JPEG)

    with pytest.raises(NoResultError, match=r"before the result of request r1 came; ask for it"):
        client.wait(ticket)
    with pytest.raises(NoResultError):
        client.wait(Ticket("r9"))
    with pytest.raises(ApiError, match="has ended"):
        client.submit(JPEG)


def test_a_result_that_does_not_come_in_time_says_where_the_request_may_be(client: WebSocketClient) -> None:
    with pytest.raises(NoResultError, match=r"r9 has no result after 0\.01 s"):
        client.wait(Ticket("r9"), timeout_s=0.01)


def test_a_result_that_cannot_be_read_is_an_api_error(server: Server, client: WebSocketClient) -> None:
    server.answers = lambda number, given: [accept(number, given)[0], {"type": "result", "request_id": f"r{number}"}]

    with pytest.raises(ApiError, match="cannot be read"):
        client.recognise(JPEG)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/live", "no url"])
def test_an_api_that_is_not_there_says_what_to_check(url: str) -> None:
    with pytest.raises(ApiError, match=r"cannot be connected to: .*; check the URL"):
        WebSocketClient(url)


def test_closing_ends_the_reader_and_can_be_done_twice(server: Server) -> None:
    client = WebSocketClient(server.url, timeout_s=5.0)

    client.close()
    client.close()

    assert not client._reader.is_alive()
