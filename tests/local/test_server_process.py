"""Servers that run as processes of their own: they start, say where, and never stay behind."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local.server_process import ServerProcess, ServerProcessError
from tests.local.world import runs, until

ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent / "functions")}


@pytest.fixture
async def moto() -> AsyncIterator[ServerProcess]:
    server = await ServerProcess.start("local.storage.moto_server", [], ENVIRONMENT, 60)
    yield server
    await server.stop()


async def test_moto_keeps_bytes_under_any_key_as_they_are(moto: ServerProcess) -> None:
    client: Any = boto3.client(
        "s3", endpoint_url=moto.url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
    )

    def use() -> None:
        client.create_bucket(Bucket="images")
        every_byte = bytes(range(256))
        for key in ("plain.jpg", "a/b c+d%2Fe?f#g&h", "\u00fc\u4e2d\U0001f600", "..", "'\"<>"):
            client.put_object(Bucket="images", Key=key, Body=every_byte, ContentType="image/jpeg")
            got = client.get_object(Bucket="images", Key=key)
            assert got["Body"].read() == every_byte
            assert got["ContentType"] == "image/jpeg"
            assert client.head_object(Bucket="images", Key=key)["ContentLength"] == 256
        assert client.list_objects_v2(Bucket="images")["KeyCount"] == 5
        client.upload_fileobj(io.BytesIO(b"x" * 9_000_000), "images", "in parts")
        assert client.head_object(Bucket="images", Key="in parts")["ContentLength"] == 9_000_000
        with pytest.raises(client.exceptions.NoSuchKey):
            client.get_object(Bucket="images", Key="none")

    await asyncio.to_thread(use)


async def test_stopping_ends_the_process() -> None:
    server = await ServerProcess.start("local.storage.moto_server", [], ENVIRONMENT, 60)
    pid = server.pid
    await server.stop()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("module", "said"),
    [("no_such_module", "No module named"), ("broken_at_init", "this module cannot be imported")],
)
async def test_one_that_does_not_start_says_what_it_said(module: str, said: str) -> None:
    with pytest.raises(ServerProcessError, match=said):
        await ServerProcess.start(module, [], ENVIRONMENT, 60)


async def test_one_that_is_not_ready_in_time_is_stopped() -> None:
    with pytest.raises(ServerProcessError, match="did not start within 0 s"):
        await ServerProcess.start("local.storage.moto_server", [], ENVIRONMENT, 0.0)


async def test_a_tethered_process_dies_with_its_parent_however_that_one_dies(tmp_path: Path) -> None:
    """The child waits on nothing that its parent's death would close: only the tether can end it."""
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'local.tether', 'this', '3600'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    (tmp_path / "this.py").write_text("import sys, time; time.sleep(float(sys.argv[1]))")
    parent = subprocess.Popen(  # noqa: ASYNC220 (its start takes a moment)
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.stdout.close()
    # Tied once it has become a group of its own, which is the step after.
    await until(lambda: os.getpgid(child) == child)
    parent.kill()
    parent.wait()
    await until(lambda: not runs(child))
