"""wrk: an HTTP load generator in C, so that the server is what is measured."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class WrkError(Exception):
    """wrk is missing or failed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of wrk saw. `failed` counts answers that were no 2xx or 3xx, and those that never came."""

    per_second: float
    requests: int
    failed: int


def post(
    url: str, body: str, *, seconds: int, connections: int, core: int, headers: Mapping[str, str] | None = None
) -> Measured:
    """Post `body` over and over for some seconds from one thread that is bound to one core.

    `headers` go with each of them beside the body's type.

    Raises:
        WrkError: wrk is not installed, or could not run.
    """
    if shutil.which("wrk") is None:
        raise WrkError("wrk is not installed: as root, apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        named = {"Content-Type": "application/json", **(headers or {})}
        lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in named.items()]
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        ended = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    if ended.returncode != 0:
        raise WrkError(f"wrk failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return read(ended.stdout)


def read(said: str) -> Measured:
    """Read wrk's report.

    Raises:
        WrkError: it is none.
    """
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    requests = re.search(r"(\d+) requests in", said)
    if rate is None or requests is None:
        raise WrkError(f"wrk said what is no report of its: {said}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    unanswered = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = int(refused[1]) if refused else 0
    failed += sum(map(int, unanswered.groups())) if unanswered else 0
    return Measured(per_second=float(rate[1]), requests=int(requests[1]), failed=failed)
