"""APIs that answer as they are told: at once, late, with a status, or not at all. All end with stdin.

Each line of stdin is the options of one, as a JSON list of arguments; its URL is the line that answers. One process
serves them all, for to start one takes longer than most tests do. GET /told tells what an API was asked, and when its
stall ended.
"""

import asyncio
import contextlib
import json
import sys
import threading
import time

import click
from aiohttp import web


class Server:
    def __init__(self, status, body, stall_after, stall_s, close_every):
        self.status, self.body, self.close_every = status, body, close_every
        self.stall_after, self.stall_s = stall_after, stall_s
        self.stall_began = self.stall_ends = None
        self.sequences = []
        self.bodies = {}

    async def post(self, request):
        body = await request.json()
        self.sequences.append(body["run"]["sequence"])
        self.bodies[body["run"]["sequence"]] = body["run"] | {
            "path": request.path,
            "image": str(body["image"])[:40],
            "group": body.get("group"),
        }
        if self.stall_after and len(self.sequences) == self.stall_after:
            self.stall_began = time.time()
            self.stall_ends = self.stall_began + self.stall_s
        if self.stall_ends and (left := self.stall_ends - time.time()) > 0:
            await asyncio.sleep(left)
        if self.close_every and len(self.sequences) % self.close_every == 0:
            request.transport.close()
        text = self.body.replace("NUMBER", str(len(self.sequences)))
        return web.Response(status=self.status, text=text, content_type="application/json")

    async def told(self, _):
        return web.json_response(
            {
                "sequences": self.sequences,
                "bodies": self.bodies,
                "stall_began": self.stall_began,
                "stall_ends": self.stall_ends,
            }
        )


@click.command()
@click.option("--status", default=202)
@click.option("--body", default='{"request_id": "rNUMBER"}')
@click.option("--stall-after", default=0)
@click.option("--stall-s", default=0.0)
@click.option("--close-every", default=0)
def behaviour(**told):
    return Server(**told)


async def serve(server):
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/{stage}/v1/{buffer}/images", server.post)
    app.router.add_get("/told", server.told)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    return runner


async def main():
    lines = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        with contextlib.suppress(OSError):
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    runners = []
    while line := await lines.get():
        runners.append(await serve(behaviour(json.loads(line), standalone_mode=False)))
    for runner in runners:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
