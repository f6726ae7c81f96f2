"""One image after the other, each in a process of its own that may take so much memory and time and no more.

`python -m tests.rekognition.bounded` reads lines of JSON, {"path": ..., "stored": ...}, and answers each with a line:
the service's status and error code, and what it took. What breaks the bounds has no code but how it ended.
"""

import asyncio
import base64
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from delivery.token_bucket import TokenBucket
from local.recogniser.model import Sighting
from local.recogniser.picture import prepare
from local.rekognition.detect_labels import S3Object
from local.rekognition.memory import RecognitionMemory
from local.rekognition.service import RekognitionService
from local.wire import WireRequest

# What an image may take beside the process as it is, its request's text and bytes included. The worst is a progressive
# JPEG of 10,000 px in four colours: 800 MB of coefficients.
MEMORY = 960 * 1024 * 1024
CPU_S = 20


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        image = Path(asked["path"]).read_bytes()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            resource.setrlimit(resource.RLIMIT_AS, (_virtual() + MEMORY,) * 2)
            os.write(writing, json.dumps(asyncio.run(_answer(image, asked["stored"]))).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            text = answer.read()
        _, status, used = os.wait4(child, 0)
        ended = json.loads(text) if text else {"code": f"ended with {status}"}
        ended |= {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss >> 10}
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


async def _answer(image: bytes, stored: bool) -> dict[str, Any]:
    async def fetch(place: S3Object) -> bytes:
        assert place == S3Object("images", "hostile.jpg")
        return image

    # All that there is but the network itself, which is given the same square whatever the image was.
    memory = RecognitionMemory(lambda data: [Sighting(str(prepare(data).shape), 99.0, ())])
    service = RekognitionService(memory, TokenBucket(1, 1), lambda: 0.0, fetch, time.monotonic)
    place = {"S3Object": {"Bucket": "images", "Name": "hostile.jpg"}}
    body = {"Image": place if stored else {"Bytes": base64.b64encode(image).decode()}}
    request = WireRequest(
        "POST", "/", headers={"x-amz-target": "RekognitionService.DetectLabels"}, body=json.dumps(body).encode()
    )
    try:
        answer = await service.handle(request)
    except Exception as error:  # noqa: BLE001 (as the server does; here it is to be seen)
        return {"status": 500, "code": repr(error)}
    finally:
        memory.close()
    said = json.loads(answer.body)
    if answer.status == 200:
        assert [label["Name"] for label in said["Labels"]] == ["(1, 3, 224, 224)"]
    return {"status": answer.status, "code": said.get("__type")}


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
