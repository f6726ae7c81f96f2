"""MiniStack, an emulator that a user would pick instead: its own environment, its own process, on loopback only."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3

VERSION: Final = "1.5.33"
HOME: Final = Path(__file__).parents[1] / "build" / f"ministack-{VERSION}"

_READY_S: Final = 60


def install() -> Path:
    """Its command, installed on first use. It pins botocore, so it cannot live in our own environment."""
    command = HOME / "bin" / "ministack"
    if not command.exists():
        shutil.rmtree(HOME, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        subprocess.run([str(HOME / "bin" / "pip"), "install", "--quiet", f"ministack=={VERSION}"], check=True)
    return command


@contextmanager
def queue_route(core: int) -> Iterator[str]:
    """Start it, bound to one core, with a REST API whose one route puts the body on a queue; yields the route's URL.

    Its Kinesis integration answers 504, so SQS's is the one to compare with.
    """
    command = install()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [str(command)],
            cwd=folder,
            # Without these it listens on every interface.
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "TMPDIR": folder,
                "BIND_HOST": "127.0.0.1",
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                "GATEWAY_PORT": str(port),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait(endpoint, process)
            yield _make_route(endpoint)
        finally:
            process.terminate()
            process.wait(20)


def _wait(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"MiniStack did not start in {_READY_S} s (exit code {process.poll()})")


def _make_route(endpoint: str) -> str:
    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    client("sqs").create_queue(QueueName="benchmark")
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="benchmark")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    of = {
        "restApiId": api,
        "resourceId": gateway.create_resource(restApiId=api, parentId=root, pathPart="images")["id"],
    }
    gateway.put_method(**of, httpMethod="POST", authorizationType="NONE")
    gateway.put_integration(
        **of,
        httpMethod="POST",
        type="AWS",
        integrationHttpMethod="POST",
        uri="arn:aws:apigateway:us-east-1:sqs:path/000000000000/benchmark",
        credentials="arn:aws:iam::000000000000:role/benchmark",
        requestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
        requestTemplates={"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"},
    )
    gateway.put_method_response(**of, httpMethod="POST", statusCode="200")
    gateway.put_integration_response(**of, httpMethod="POST", statusCode="200", selectionPattern="")
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{endpoint}/restapis/{api}/v1/_user_request_/images"
