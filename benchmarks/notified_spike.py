"""A spike whose every request asks for a callback and is attached to over a WebSocket: is anybody not told?

    python -m benchmarks.notified_spike

Requests go straight into the queue by the clock, whatever is answered. Each names the callback receiver, which runs in
this process, and is attached to by one of a few WebSocket connections as soon as it is accepted; some of those
connections hang up in the middle. At the end every stored result has to be acknowledged by the receiver or be among the
dead letters of callbacks, and has to be pushed, or have had no connection left, or be among the dead letters of pushes.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click

from benchmarks.embedded import embedded
from loadtest._authentication import Showing
from pipeline.aws_environment import client
from producers.authentication import Authentication
from producers.callback_receiver import CallbackReceiver
from producers.receiver_certificate import ReceiverCertificate
from producers.receiver_secret import LocalSecret
from producers.websocket import OwnershipSecret

_PHOTO = Path(__file__).parents[1] / "loadtest" / "images" / "chelsea.jpg"
# Enough executions for the WebSocket function, of which each answers ten messages a second at the most.
_OPTIONS = ("--account-concurrency", "60", "--rekognition-rate", "500", "--rekognition-median-ms", "20")
# Without any news for so long nothing more will come.
_PATIENCE_S = 90.0


@dataclass
class Told:
    """What has become known of the spike: request ids, and how many were sent and refused."""

    sent: int = 0
    refused: int = 0
    accepted: set[str] = field(default_factory=set)
    pushed: set[str] = field(default_factory=set)
    hung_up: set[str] = field(default_factory=set)


class Connection:
    """One WebSocket, which attaches to one request after another and takes in what is pushed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, told: Told) -> None:
        self._socket = socket
        self._told = told
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._own: set[str] = set()
        self._reading = asyncio.create_task(self._read())

    async def attach(self, request_id: str, secret: str) -> None:
        """Attach to a request; again and again where the function has no execution left."""
        async with self._turn:
            self._own.add(request_id)
            while not self._socket.closed:
                await self._socket.send_json({"action": "attach", "request_id": request_id, "secret": secret})
                if (await self._answers.get()).get("type") == "attached":
                    return
        self._told.hung_up.add(request_id)

    async def hang_up(self) -> None:
        """Close, with whatever it still waits for."""
        async with self._turn:
            await self._socket.close()
        self._told.hung_up |= self._own

    async def _read(self) -> None:
        async for message in self._socket:
            document = message.json()
            if document.get("type") == "result":
                self._told.pushed.add(document["request_id"])
            else:
                self._answers.put_nowait(document)
        # Whoever waits for an answer gets none.
        self._answers.put_nowait({})


@asynccontextmanager
async def connections(
    http: aiohttp.ClientSession, url: str, shown: Authentication, count: int, told: Told
) -> AsyncIterator[list[Connection]]:
    """Connect one after another: a burst of connects would start an environment each."""
    opened = [Connection(await http.ws_connect(url, headers=shown.headers("GET", url, {})), told) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            await connection.hang_up()


async def spike(ready: dict[str, Any], receiver: CallbackReceiver, rate: float, seconds: float, sockets: int) -> Told:
    """Send it, and wait until everybody is told or nothing more comes."""
    told = Told()
    api = f"{ready['outputs']['ApiUrl']}/v1"
    shown = Showing.of_embedded(ready["outputs"], ready["environment"]).to(ready["outputs"]["ApiUrl"])

    def headers(method: str, url: str, content_type: str, body: bytes) -> dict[str, str]:
        typed = {"Content-Type": content_type}
        return typed | shown.headers(method, url, typed, body)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        upload, photo = f"{api}/images/cat.jpg", _PHOTO.read_bytes()
        await (await http.put(upload, data=photo, headers=headers("PUT", upload, "image/jpeg", photo))).read()
        async with connections(http, ready["outputs"]["WebSocketUrl"], shown, sockets, told) as opened:

            async def request(number: int) -> None:
                secret = OwnershipSecret()
                body = {"image": {"key": "cat.jpg"}, "callback_url": receiver.url, "attach": secret.attach}
                told.sent += 1
                url, data = f"{api}/sqs/images", json.dumps(body).encode()
                async with http.post(url, data=data, headers=headers("POST", url, "application/json", data)) as answer:
                    if answer.status != 202:
                        told.refused += 1
                        return
                    request_id = (await answer.json())["request_id"]
                told.accepted.add(request_id)
                await opened[number % sockets].attach(request_id, secret.text)

            began, tasks = time.monotonic(), []
            for number in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                tasks.append(asyncio.create_task(request(number)))
                if number == round(rate * seconds / 2):
                    # One in ten is gone in the middle of it, with all it had attached to.
                    tasks += [asyncio.create_task(gone.hang_up()) for gone in opened[::10]]
            await _settled(told, receiver, tasks)
    return told


async def _settled(told: Told, receiver: CallbackReceiver, tasks: list[asyncio.Task[None]]) -> None:
    last, since = -1, time.monotonic()
    while time.monotonic() - since < _PATIENCE_S:
        called = sum(bool(receiver.acknowledged(request_id)) for request_id in told.accepted)
        waits = told.accepted - told.pushed - told.hung_up
        if all(task.done() for task in tasks) and called == len(told.accepted) and not waits:
            break
        if called + len(told.pushed) + len(told.accepted) != last:
            last, since = called + len(told.pushed) + len(told.accepted), time.monotonic()
        await asyncio.sleep(0.5)
    await asyncio.gather(*tasks)


def _parameters(receiver: CallbackReceiver) -> Iterator[str]:
    """The options by which the embedded AWS knows the receiver, once that has started."""
    for name, value in receiver.parameters.items():
        yield from ("--parameter", f"{name}={value}")


def stored(ready: dict[str, Any]) -> set[str]:
    """The ids of all results in the table."""
    dynamodb = client(ready["environment"], "dynamodb")
    pages = dynamodb.get_paginator("scan").paginate(TableName=ready["outputs"]["ResultsTable"])
    return {item["request_id"]["S"] for page in pages for item in page["Items"] if "status" in item}


def dead_letters(ready: dict[str, Any], output: str) -> set[str]:
    """The request ids in a dead-letter queue."""
    sqs, found = client(ready["environment"], "sqs"), set()
    while messages := sqs.receive_message(QueueUrl=ready["outputs"][output], MaxNumberOfMessages=10).get("Messages"):
        found |= {json.loads(message["Body"])["request_id"] for message in messages}
    return found


@click.command(help=__doc__)
@click.option("--rate", default=300.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=10.0, show_default=True, help="Length of the spike.")
@click.option("--sockets", default=20, show_default=True, help="WebSocket connections.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("build/notified-spike"))
def main(rate: float, seconds: float, sockets: int, folder: Path) -> None:
    """Run it, print who was told, and fail where somebody was not."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "forebay-local.json").unlink(missing_ok=True)
    certificate = ReceiverCertificate.fresh("receiver.test")
    receiver = CallbackReceiver(certificate, LocalSecret(folder / "forebay-local.json"))
    with receiver, embedded(*_OPTIONS, *_parameters(receiver)) as ready:
        (folder / "forebay-local.json").write_text(json.dumps(ready))
        began = time.monotonic()
        told = asyncio.run(spike(ready, receiver, rate, seconds, sockets))
        took = time.monotonic() - began
        results = stored(ready)
        called = {request_id for request_id in results if receiver.acknowledged(request_id)}
        twice = sum(len(receiver.acknowledged(request_id)) > 1 for request_id in results)
        dead_calls = dead_letters(ready, "CallbackDeadLetterQueueUrl")
        dead_pushes = dead_letters(ready, "PushDeadLetterQueueUrl")
    gone = (results & told.hung_up) - told.pushed
    click.echo(
        f"{told.sent:,} sent, {told.refused:,} refused, {len(told.accepted):,} accepted, {len(results):,} stored"
    )
    click.echo(f"callbacks: {len(called):,} acknowledged ({twice:,} twice) + {len(dead_calls):,} dead letters")
    click.echo(
        f"WebSockets: {len(results & told.pushed):,} pushed + {len(gone):,} whose connection hung up "
        f"+ {len(dead_pushes):,} dead letters"
    )
    click.echo(f"all were told {took:,.0f} s after the first was sent")
    silent = {
        "stored": told.accepted ^ results,
        "called back": results - called - dead_calls,
        "pushed to": results - told.pushed - gone - dead_pushes,
    }
    for what, missing in silent.items():
        if missing:
            click.echo(f"NOT {what}: {len(missing):,}, such as {min(missing)}")
    sys.exit(any(silent.values()) or bool(twice))


if __name__ == "__main__":
    main()
