"""`forebay local` with a template of its own: real handlers, a standard client, and nothing left at the end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from websocket import WebSocket, WebSocketBadStatusException, create_connection

from local.http import listen
from tests.websocket.world import TEMPLATE

pytestmark = pytest.mark.end_to_end

FOREBAY = Path(sys.executable).with_name("forebay")
# A REST API is what every template has here.
REST = """  Rest: {Type: "AWS::ApiGateway::RestApi", Properties: {Name: rest}}
  RestStage: {Type: "AWS::ApiGateway::Stage", Properties: {RestApiId: !Ref Rest, StageName: rest}}
"""
ROUTE = """  {name}:
    Type: AWS::ApiGatewayV2::Route
    Properties: {{ApiId: !Ref Api, RouteKey: {key}, Target: !Sub "integrations/${{Integration}}"}}
"""


@dataclass
class Running:
    """A started `forebay local`: its ready line, its process, what its handlers wrote, its port."""

    ready: dict[str, Any]
    process: psutil.Process
    done: Path
    port: int

    def connect(self, query: str = "") -> WebSocket:
        return create_connection(self.ready["outputs"]["WebSocketUrl"] + query, timeout=60)

    def heard(self) -> list[str]:
        return [line.split()[0] for line in self.done.read_text().splitlines()]


def template(done: Path) -> str:
    text = TEMPLATE.replace("websocket_handlers.answers", "tests.websocket.handlers.converse")
    text = text.replace("        Variables:\n", f"        Variables:\n          DONE: {done}\n")
    routes = ROUTE.format(name="Push", key="push") + ROUTE.format(name="Fail", key="fail")
    return text.replace("Outputs:\n", REST + routes + "Outputs:\n")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("websocket")
    (folder / "template.yaml").write_text(template(folder / "done"))
    with listen() as free:
        port = free.getsockname()[1]
    command = [
        *(str(FOREBAY), "local", "--json", "--exit-with-stdin", "--websocket-port", str(port)),
        *("--template", str(folder / "template.yaml")),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line, "forebay local ended before it was ready"
        process = psutil.Process(started.pid)
        yield Running(json.loads(line), process, folder / "done", port)
        left_open = create_connection(f"ws://127.0.0.1:{port}/v1", timeout=60)
        children = process.children(recursive=True)
        started.stdin.close()
        opcode, data = left_open.recv_data()
        assert (opcode, int.from_bytes(data[:2])) == (8, 1001)
        left_open.close()
        assert started.wait(30) == 0
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive


def test_the_outputs_name_the_port_that_was_asked_for(running: Running) -> None:
    assert running.ready["outputs"]["WebSocketUrl"] == f"ws://127.0.0.1:{running.port}/v1"
    assert running.ready["options"]["quotas"]["websocket_message_bytes"] == 128 << 10


def test_a_client_is_answered_and_pushed_to(running: Running) -> None:
    client = running.connect("?token=x")
    asked = json.dumps({"action": "ask", "n": 1})
    client.send(asked)
    assert json.loads(client.recv()) == {"answered": asked}
    pushed = json.dumps({"action": "push", "n": 2})
    client.send(pushed)
    assert json.loads(client.recv()) == {"pushed": pushed}
    client.close()


def test_a_client_is_refused_by_the_function(running: Running) -> None:
    with pytest.raises(WebSocketBadStatusException) as error:
        running.connect("?stranger=yes")
    assert error.value.status_code == 401


def test_a_function_that_dies_is_an_internal_error_and_the_connection_stays(running: Running) -> None:
    client = running.connect()
    client.send(json.dumps({"action": "fail"}))
    told = json.loads(client.recv())
    assert told["message"] == "Internal server error"
    assert set(told) == {"message", "connectionId", "requestId"}
    client.send(json.dumps({"action": "ask"}))
    assert "answered" in json.loads(client.recv())
    client.close()


def test_the_function_hears_of_every_end(running: Running) -> None:
    before = running.heard().count("$disconnect")
    for _ in range(2):
        running.connect().close()
    while running.heard().count("$disconnect") < before + 2:
        requests.get(f"{running.ready['control_url']}/state", timeout=10)


def test_a_second_one_says_which_option_takes_another_port(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(template(tmp_path / "done"))
    ended = subprocess.run(
        [str(FOREBAY), "local", "--websocket-port", str(running.port), "--template", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"port {running.port} cannot be had" in ended.stderr
    assert "--websocket-port" in ended.stderr
