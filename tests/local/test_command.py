"""`forebay local` as its users start it, and how it ends: stopped in each of the ways it can be, or refused."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from click.testing import CliRunner

from local.command import announce, local
from local.embedded import Ready
from local.http import listen
from tests.signing import Signed

pytestmark = pytest.mark.end_to_end

FOREBAY = Path(sys.executable).with_name("forebay")
PHOTOS = Path(__file__).parents[2] / "loadtest" / "images"
QUICK = ["--rekognition-median-ms", "20", "--rekognition-rate", "200"]


class Running:
    """A started `forebay local` with its ready line."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [FOREBAY, "local", "--json", "--exit-with-stdin", *QUICK, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1].decode()
        self.ready: dict[str, Any] = json.loads(line)

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def post(self, buffer: str, body: dict[str, Any]) -> None:
        url = f"{self.ready['outputs']['ApiUrl']}/v1/{buffer}/images"
        answer = requests.post(url, json=body, auth=Signed(self.ready["environment"]), timeout=60)
        assert answer.status_code == 202, answer.text

    def release(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (lambda started: started.process.send_signal(signal.SIGINT), 0),
        (lambda started: started.process.send_signal(signal.SIGKILL), -signal.SIGKILL),
    ],
    # SIGTERM, which is taken as Ctrl-C is, ends the next one; a closed stdin that of tests/end_to_end.
    ids=["Ctrl-C", "SIGKILL"],
)
def test_however_it_is_stopped_no_process_and_no_folder_stays(
    stop: Callable[[Running], None], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started = Running("--parameter", "SqsBatchSize=1")
    try:
        for _ in range(4):
            started.post("sqs", {"image": {"bytes": base64.b64encode(b"no picture").decode()}})
        deadline = time.monotonic() + 120
        while len(started.family()) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        family = started.family()
        assert len(family) >= 4, "no function was started"
        stop(started)
        assert started.process.wait(120) == status
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not alive
        assert list(tmp_path.iterdir()) == []
    finally:
        started.release()


def test_stopped_while_it_starts_it_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([FOREBAY, "local"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "starting S3 and Secrets Manager\n"
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out == ""
    assert not psutil.wait_procs(family, timeout=60)[1]


def test_what_it_prints_for_people_works_when_pasted(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes((PHOTOS / "chelsea.jpg").read_bytes())
    process = subprocess.Popen([FOREBAY, "local", *QUICK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        lines = []
        while not (lines and lines[-1].startswith("Ctrl-C")):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        told = [line.strip() for line in lines]
        exports = [line for line in told if line.startswith("export ")]
        (function,) = [line for line in told if line.startswith("call() ")]
        upload, send, ask = [line for line in told if line.startswith("call ")]

        def paste(*line: str) -> str:
            script = "\n".join([*exports, function, *line])
            return subprocess.run(
                ["timeout", "240", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout

        assert json.loads(paste(f"{upload} -s")) == {"key": "photo.jpg"}
        request_id = json.loads(paste(f"{send} -s"))["request_id"]
        ask = ask.replace("REQUEST_ID", request_id)
        paste(f"while {ask} -s | grep -q PENDING; do sleep 0.2; done")
        assert json.loads(paste(f"{ask} -s"))["status"] == "SUCCEEDED"
        script = "import boto3; print(boto3.client('sqs').list_queues()['QueueUrls'][0])"
        command = "; ".join([*exports, f'{sys.executable} -c "{script}"', "echo $WEBSOCKET_URL"])
        bare = {"PATH": os.defpath, "HOME": str(tmp_path)}
        listed = subprocess.run(["sh", "-c", command], env=bare, capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(r"http://127\.0\.0\.1:\S+\nws://127\.0\.0\.1:\S+\n", listed), listed
    finally:
        process.terminate()
        process.wait(120)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize(
    ("screen", "words"),
    [("stderr", True), ("stdout", False), ("neither", False)],
    ids=["kept in a file, with somebody looking", "shown itself", "read by a program"],
)
def test_a_line_for_a_program_comes_alone_and_words_go_to_who_looks(
    screen: str, words: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda name=name: name == screen)
    ready = Ready({"ApiUrl": "http://here"}, {"AWS_ACCESS_KEY_ID": "me"}, "http://control", {})
    announce(ready, as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["outputs"] == {"ApiUrl": "http://here"}
    assert ("export API_URL=http://here" in err) == words
    assert bool(err) == words


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, []),
        ({"HTTP_PROXY": "http://proxy:3128"}, ["127.0.0.1 127.0.0.1"]),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intra"}, ["127.0.0.1,intra 127.0.0.1"]),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost,127.0.0.1"}, []),
    ],
    ids=["no proxy", "a proxy for all", "for all but others", "for all but this machine"],
)
def test_a_shell_that_asks_a_proxy_is_told_to_ask_none_for_this_machine(
    variables: dict[str, str],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    announce(Ready({"ApiUrl": "http://here"}, {}, "http://control", {}), as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if "no_proxy" in line.lower()]
    assert len(lines) == 2 * len(told)
    script = "\n".join([*lines, "echo $NO_PROXY $no_proxy"])
    assert subprocess.check_output(["sh", "-c", script], text=True).splitlines()[-1:] == (
        told or [variables.get("NO_PROXY", "")]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--parameter", "SqsBatchsize=1"], "did you mean SqsBatchSize"),
        (["--parameter", "SqsBatchSize=many"], "takes a number"),
        (["--parameter", "SqsBatchSize"], "Name=Value"),
        (["--quota", "acount_concurrency=1"], "did you mean account_concurrency"),
        (["--quota", "account_concurrency=many"], "is a number, not 'many'"),
        (["--quota", "account_concurrency=-1"], "0 or more"),
        (["--template", "no/such.yaml"], "there is no template at no/such.yaml"),
        (["--parameter", "SnsReservedConcurrency=5"], "100 must stay unreserved"),
        (["--record-decisions", "no/such.jsonl"], "no/such.jsonl cannot be written: No such file or directory; choose"),
        (["--log-dir", f"{__file__}/logs"], "cannot be written: Not a directory; choose another folder with --log-dir"),
        (["--account-concurrency", "0"], "account-concurrency"),
        (["--port", "70000"], "port"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_cure(options: list[str], said: str) -> None:
    result = CliRunner().invoke(local, options)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_named() -> None:
    with listen() as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(local, ["--port", port])
    assert result.exit_code == 1
    assert "in use" in result.output
    assert port in result.output
