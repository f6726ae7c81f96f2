"""The three services over HTTP, and boto3 clients of them."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.http import serve
from local.wire import WireRequest, WireResponse
from tests.wire.world import REGION, World


class _Turnout:
    """Sends each request to the service of the test that runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.world: World | None = None

    async def handle(self, request: WireRequest) -> WireResponse:
        assert self.world is not None
        return await self.world.services[self.name].handle(request)


@dataclass(frozen=True)
class Served:
    """The three services over HTTP, from a thread of their own."""

    turnouts: dict[str, _Turnout]
    clients: dict[str, Any]


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded AWS")
    thread.start()
    turnouts = {name: _Turnout(name) for name in ("kinesis", "sqs", "sns")}
    servers = {
        name: asyncio.run_coroutine_threadsafe(serve(turnout), loop).result(10) for name, turnout in turnouts.items()
    }
    clients = {name: _client(name, server.url) for name, server in servers.items()}
    try:
        yield Served(turnouts, clients)
    finally:
        for client in clients.values():
            client.close()
        for server in servers.values():
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _client(service: str, url: str) -> Any:
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION).client(
        service,
        endpoint_url=url,
        # What a client would refuse by itself is for the service to refuse here.
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def kinesis(served: Served, world: World) -> Any:
    served.turnouts["kinesis"].world = world
    return served.clients["kinesis"]


@pytest.fixture
def sqs(served: Served, world: World) -> Any:
    served.turnouts["sqs"].world = world
    return served.clients["sqs"]


@pytest.fixture
def sns(served: Served, world: World) -> Any:
    served.turnouts["sns"].world = world
    return served.clients["sns"]
