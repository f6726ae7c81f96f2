"""The stand-in as a process of its own: `python -m local.rekognition`.

It prints one line of JSON, {"url": ...}, when it is ready, and stops when its standard input closes, so that it never
outlives the one who started it.
"""

import asyncio
import json
import math
import os
import random
import signal
import sys
import time

import click
import uvloop

from delivery.token_bucket import TokenBucket
from local.http import serve
from local.recogniser.model import Recogniser, network_file
from local.rekognition.detect_labels import S3Object
from local.rekognition.images import StoredImages
from local.rekognition.memory import RecognitionMemory
from local.rekognition.service import RekognitionService

# Recognising shares two cores with the load generator, whose schedule must not suffer.
_NICENESS = 10


@click.command()
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=50.0, help="Calls a second. AWS: 50 or 5.")
@click.option(
    "--median-ms", type=click.FloatRange(min=0, min_open=True), default=300.0, help="Median of an answer's time."
)
@click.option("--sigma", type=click.FloatRange(min=0), default=0.4, help="Spread of its logarithm.")
@click.option("--seed", type=int, default=1, help="Of the answers' times.")
@click.option("--s3-endpoint", default=None, help="Where S3 objects are read; none: S3 references are refused.")
@click.option("--port", type=int, default=0, help="0: any free one.")
def main(rate: float, median_ms: float, sigma: float, seed: int, s3_endpoint: str | None, port: int) -> None:
    """Answer DetectLabels on this machine, with a real model and Rekognition's own rules."""
    os.nice(_NICENESS)
    memory = RecognitionMemory(Recogniser(network_file()).recognise)
    times = random.Random(seed)
    service = RekognitionService(
        memory=memory,
        quota=TokenBucket(rate=rate, burst=rate),
        service_time=lambda: times.lognormvariate(math.log(median_ms / 1000), sigma),
        fetch=_refuse_objects if s3_endpoint is None else StoredImages(s3_endpoint).fetch,
        clock=time.monotonic,
    )
    uvloop.run(_serve_until_stdin_closes(service, port))
    memory.close()


async def _serve_until_stdin_closes(service: RekognitionService, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, stopped.set)
    await loop.connect_read_pipe(lambda: _UntilClosed(stopped), sys.stdin)
    server = await serve(service, port=port)
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    await stopped.wait()
    await server.close()


class _UntilClosed(asyncio.Protocol):
    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._stopped.set()


async def _refuse_objects(place: S3Object) -> bytes:
    raise LookupError(f"no S3 to read {place.bucket}/{place.key} from: start with --s3-endpoint")


if __name__ == "__main__":
    main()
