"""Clients that anybody has: curl, requests, aiohttp, websocket-client and boto3, wrapped to be read in a test."""

import asyncio
import json
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
import websocket

from tests.end_to_end.conftest import Running, until
from tests.end_to_end.receiver import Receiver
from tests.signing import signed_headers


@dataclass(frozen=True)
class Stack:
    """The embedded AWS with a receiver of callbacks beside it; `cat.jpg` is uploaded."""

    embedded: Running
    receiver: Receiver

    @property
    def api(self) -> str:
        return self.embedded.api

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.embedded.ready["outputs"])

    def post(self, route: str, body: Any, **headers: str) -> requests.Response:
        return requests.post(
            f"{self.api}/v1/{route}/images", json=body, headers=headers, auth=self.embedded.signed, timeout=60
        )

    def poll(self, location: str) -> dict[str, Any]:
        """Ask where a Location points to, until there is a result."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.api))

        def found() -> dict[str, Any] | None:
            answer = requests.get(origin + location, auth=self.embedded.signed, timeout=10)
            if answer.status_code == 404:
                assert answer.json()["status"] == "UNKNOWN_OR_WAITING"
                return None
            assert answer.status_code == 200
            return None if answer.json()["status"] == "PENDING" else answer.json()

        return dict(until(found, f"a result at {location}"))

    def result(self, request_id: str) -> dict[str, Any]:
        return self.poll(f"{urlsplit(self.api).path}/v1/requests/{request_id}")

    def item(self, table: str, **key: str) -> dict[str, Any]:
        answer = self.embedded.client("dynamodb").get_item(
            TableName=self.outputs[table],
            Key={name: {"S": value} for name, value in key.items()},
            ConsistentRead=True,
        )
        return dict(answer.get("Item", {}))

    def waiting(self, queue: str) -> int:
        """How many messages a queue has, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.embedded.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=names
        )["Attributes"]
        return sum(int(attributes[name]) for name in names)


@dataclass(frozen=True)
class Curled:
    """What curl got. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    document: dict[str, Any]


def curl(folder: Path, *arguments: str, body: Any = None) -> Curled:
    given = ["--data-binary", "@-", "-H", "content-type: application/json"] if body is not None else []
    done = subprocess.run(
        ["curl", "-sS", "-o", folder / "body", "-D", folder / "headers", "-w", "%{http_code}", *given, *arguments],
        input=None if body is None else json.dumps(body),
        capture_output=True,
        text=True,
        check=True,
    )
    fields = [line.partition(":") for line in (folder / "headers").read_text().splitlines()[1:] if ":" in line]
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return Curled(int(done.stdout), headers, json.loads((folder / "body").read_text()))


async def send_at_once(
    embedded: Running, url: str, body: Any, key: str, count: int, at_once: int
) -> list[tuple[int, dict[str, Any]]]:
    data = json.dumps(body).encode()
    named = {"Idempotency-Key": key, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def send() -> tuple[int, dict[str, Any]]:
            headers = signed_headers(embedded.environment, "POST", url, named, data)
            async with session.post(url, data=data, headers=headers) as answer:
                return answer.status, await answer.json()

        return await asyncio.gather(*(send() for _ in range(count)))


@dataclass
class Talk:
    """A connection of websocket-client, and all that came over it."""

    socket: websocket.WebSocket
    received: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send a message and wait for its answer."""
        number = secrets.token_hex(4)
        self.socket.send(json.dumps({**message, "correlation_id": number}))
        return self._first(lambda heard: heard.get("correlation_id") == number)

    def result(self, request_id: str) -> dict[str, Any]:
        """Wait for a result."""
        return self._first(lambda heard: heard["type"] == "result" and heard["request_id"] == request_id)

    def _first(self, wanted: Any) -> dict[str, Any]:
        while not (found := [heard for heard in self.received if wanted(heard)]):
            self.received.append(json.loads(self.socket.recv()))
        return found[0]
