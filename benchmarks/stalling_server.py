"""A server that takes some milliseconds for each POST, whatever the path, and stalls once: what a load test has to see.

GET /stall tells how many requests came, when the stall began and ended (seconds since the epoch), and how many came
while it lasted. Prints its URL, and ends with its standard input or Ctrl-C.
"""

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass
from typing import Final

import click
from aiohttp import web

from benchmarks.server_process import serving

_BACKLOG: Final = 4_096


@dataclass(slots=True)
class Stall:
    """What has become of the stall."""

    arrived: int = 0
    began: float | None = None
    ends: float | None = None
    held: int = 0


class StallingServer:
    """Answers after `service_s`. Request number `stall_after` begins a stall of `stall_s`, whose end all wait for."""

    def __init__(self, service_s: float, stall_after: int, stall_s: float) -> None:
        self._service_s = service_s
        self._stall_after = stall_after
        self._stall_s = stall_s
        self._stall = Stall()

    async def post(self, request: web.Request) -> web.Response:
        """Read, wait, answer."""
        stall = self._stall
        stall.arrived += 1
        now = time.time()
        if stall.arrived == self._stall_after:
            stall.began, stall.ends = now, now + self._stall_s
        if stall.ends is not None and now < stall.ends:
            stall.held += 1
        await request.read()
        if stall.ends is not None and (left := stall.ends - time.time()) > 0:
            await asyncio.sleep(left)
        await asyncio.sleep(self._service_s)
        return web.Response(body=b"{}", content_type="application/json")

    async def tell(self, _: web.Request) -> web.Response:
        """What has become of the stall so far."""
        return web.json_response(asdict(self._stall))


async def _serve(server: StallingServer, port: int) -> None:
    app = web.Application(client_max_size=100_000_000)
    app.router.add_get("/stall", server.tell)
    app.router.add_post("/{path:.*}", server.post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=_BACKLOG).start()
    try:
        await serving(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


@click.command()
@click.option("--port", default=0, help="Where to listen on 127.0.0.1; without it, wherever there is room.")
@click.option("--service-ms", default=5.0, show_default=True, help="How long each request takes.")
@click.option("--stall-after", default=1_500, show_default=True, help="The request that begins the stall.")
@click.option("--stall-s", default=2.0, show_default=True, help="How long the stall lasts.")
def main(port: int, service_ms: float, stall_after: int, stall_s: float) -> None:
    """Serve until standard input or Ctrl-C ends it.

    \b
    python -m benchmarks.stalling_server --port 8099
    locust -f loadtest/ --headless --host http://127.0.0.1:8099 --workload stall
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(StallingServer(service_ms / 1_000, stall_after, stall_s), port))


if __name__ == "__main__":
    main()
