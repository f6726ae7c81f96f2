import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def answering_server():
    """Starts servers that answer as told; each yields its URL. They end with the test."""
    with contextlib.ExitStack() as servers:

        def start(*behaviour):
            process = subprocess.Popen(
                [sys.executable, HERE / "answering_server.py", *behaviour],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

            def stop():
                process.stdin.close()
                process.wait(timeout=10)
                process.stdout.close()

            servers.callback(stop)
            return process.stdout.readline().strip()

        yield start


@pytest.fixture
def stand_in():
    """The command of the stand-in for `forebay local`."""
    return f"{sys.executable} {HERE / 'embedded_stand_in.py'}"
