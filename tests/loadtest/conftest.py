import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loadtest.locust_process import LocustProcess

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def answering_process():
    """The process of all servers that answer as told."""
    command = [sys.executable, HERE / "answering_server.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()
        process.wait(timeout=10)


@pytest.fixture
def answering_server(answering_process):
    """Starts servers that answer as told, each with a count of its own; each yields its URL."""

    def start(*behaviour):
        answering_process.stdin.write(json.dumps(behaviour) + "\n")
        answering_process.stdin.flush()
        return answering_process.stdout.readline().strip()

    return start


@pytest.fixture
def start_locust():
    """Starts Locust processes; what is left of them ends with the test."""
    started = []

    def start(*arguments):
        started.append(LocustProcess(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def stand_in():
    """The command of the stand-in for `forebay local`."""
    return f"{sys.executable} {HERE / 'embedded_stand_in.py'}"
