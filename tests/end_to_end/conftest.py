"""`forebay local` as a user starts it, and clients that are none of ours."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import requests
from botocore.config import Config

from tests.signing import Signed

PHOTOS = Path(__file__).parents[2] / "loadtest" / "images"
FOREBAY = Path(sys.executable).with_name("forebay")


@dataclass(frozen=True)
class Running:
    """A running embedded AWS: its ready line, and its process."""

    ready: dict[str, Any]
    process: psutil.Process

    @property
    def api(self) -> str:
        """The API's URL, up to where /v1 begins."""
        return str(self.ready["outputs"]["ApiUrl"])

    @property
    def environment(self) -> dict[str, str]:
        """What it says to export: addresses, and whose credentials it lets in."""
        return dict(self.ready["environment"])

    @property
    def signed(self) -> Signed:
        """Has requests sign."""
        return Signed(self.environment)

    def client(self, service: str) -> Any:
        """boto3, told nothing but the exported environment."""
        exported = self.ready["environment"]
        # The SDKs' variables are named by the service's id, in which this one's name has a space.
        variable = {"secretsmanager": "SECRETS_MANAGER"}.get(service, service.upper())
        return boto3.client(
            service,
            endpoint_url=exported[f"AWS_ENDPOINT_URL_{variable}"],
            region_name=exported["AWS_DEFAULT_REGION"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def state(self, buffer: str) -> dict[str, Any]:
        """How it stands with a buffer."""
        answer = requests.get(f"{self.ready['control_url']}/state", timeout=60)
        return dict(answer.json()["buffers"][buffer])

    def post(self, buffer: str, body: dict[str, Any]) -> requests.Response:
        """Send a request."""
        return requests.post(f"{self.api}/v1/{buffer}/images", json=body, auth=self.signed, timeout=60)

    def result(self, request_id: str) -> dict[str, Any]:
        """The result of a request, once there is one."""

        def found() -> dict[str, Any] | None:
            answer = requests.get(f"{self.api}/v1/requests/{request_id}", auth=self.signed, timeout=60)
            return answer.json() if answer.status_code == 200 and answer.json()["status"] != "PENDING" else None

        return until(found, f"a result of {request_id}")

    def handlers(self, function: str) -> list[psutil.Process]:
        """The processes that run a function's handler."""
        return [
            process
            for process in self.process.children(recursive=True)
            if any(f"consumers.{function}.handler" in argument for argument in process.cmdline())
        ]


def until(found: Callable[[], Any], what: str, within_s: float = 300) -> Any:
    """Ask until the answer is something. The bound is for a broken build; a sound one takes as long as it takes."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.1)
    pytest.fail(f"there was not {what} within {within_s} s")


def photo(name: str) -> dict[str, Any]:
    """The body of a request with a sample photo inside."""
    return {"image": {"bytes": base64.b64encode((PHOTOS / name).read_bytes()).decode()}}


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    """Start `forebay local` with more arguments; its standard input ends it, and it leaves no process and no folder."""
    command = [str(FOREBAY), "local", "--json", "--exit-with-stdin", *arguments]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": folder}
        ) as started,
    ):
        assert started.stdin is not None
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line, "forebay local ended before it was ready"
        process = psutil.Process(started.pid)
        yield Running(json.loads(line), process)
        children = process.children(recursive=True)
        started.stdin.close()
        assert started.wait(120) == 0
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
        assert not list(Path(folder).iterdir())


@pytest.fixture(scope="module")
def embedded() -> Iterator[Running]:
    """One embedded AWS for a file's tests, with a fast Rekognition."""
    with running("--rekognition-median-ms", "30", "--rekognition-rate", "200") as up:
        yield up
