"""A server of the embedded AWS that somebody kills is there again, where it was, with what has to be in it."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp

from local.kept_server import KeptServer
from tests.local.world import runs, until

ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent / "functions")}


async def test_a_killed_server_is_started_again_at_the_same_port_and_furnished_anew() -> None:
    furnished: list[int] = []

    async def furnish() -> None:
        furnished.append(server.pid)
        if len(furnished) == 1:
            raise ConnectionError("it is killed again before it has what it needs")

    server = await KeptServer.start("kept", [], ENVIRONMENT, 30, furnish)
    first = server.pid
    try:
        os.kill(first, signal.SIGKILL)
        await until(lambda: server.restarts == 1)
        assert not runs(first)
        assert len(furnished) == 2
        assert not runs(furnished[0])
        assert furnished[1] == server.pid
        async with aiohttp.ClientSession() as http, http.get(server.url) as answer:
            assert await answer.text() == str(server.pid)
    finally:
        await server.stop()
    last = server.pid
    await asyncio.sleep(0)
    assert not runs(last)
