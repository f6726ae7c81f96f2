"""`forebay local` as its users start it: a process, asked over HTTP, stopped in each of the ways it can be."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import requests
from click.testing import CliRunner

from local.command import local
from pipeline.stack import Stack
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
        self.stack = Stack.from_outputs(self.ready["outputs"])

    @property
    def signed(self) -> Signed:
        return Signed(self.ready["environment"])

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def client(self, service: str) -> Any:
        environment = self.ready["environment"]
        return boto3.client(
            service,
            endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def post(self, buffer: str, body: dict[str, Any]) -> str:
        answer = requests.post(f"{self.stack.api_url}/v1/{buffer}/images", json=body, auth=self.signed, timeout=20)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    def result(self, request_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = requests.get(f"{self.stack.api_url}/v1/requests/{request_id}", auth=self.signed, timeout=20)
            if answer.status_code == 200:
                result = answer.json()
                assert isinstance(result, dict)
                return result
            assert answer.status_code == 404, answer.text
            time.sleep(0.1)
        raise AssertionError(f"no result of {request_id}; state {self.state()}")

    def state(self) -> dict[str, Any]:
        state = requests.get(f"{self.ready['control_url']}/state", timeout=20).json()
        assert isinstance(state, dict)
        return state

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)

    def release(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all that ask it something. It ends when its standard input is closed, with all that it started."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(folder))
        started = Running()
    yield started
    family = started.family()
    assert started.stop() == 0
    started.release()
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("buffer", ["sns", "sqs", "kinesis"])
def test_a_photo_sent_to_each_buffer_ends_as_a_cat_under_its_request_id(running: Running, buffer: str) -> None:
    photo = (PHOTOS / "chelsea.jpg").read_bytes()
    result = running.result(running.post(buffer, {"image": {"bytes": base64.b64encode(photo).decode()}}))
    assert result["status"] == "SUCCEEDED"
    (cat,) = [label for label in result["labels"] if label["name"] == "Cat"]
    assert cat["confidence"] >= 80


def test_an_uploaded_photo_is_recognised_by_its_key(running: Running) -> None:
    photo = (PHOTOS / "coffee.jpg").read_bytes()
    uploaded = requests.put(
        f"{running.stack.api_url}/v1/images/a.photo.jpg",
        data=photo,
        headers={"Content-Type": "image/jpeg"},
        auth=running.signed,
        timeout=20,
    )
    assert (uploaded.status_code, uploaded.json()) == (201, {"key": "a.photo.jpg"})
    stored = running.client("s3").get_object(Bucket=running.stack.image_bucket, Key="a.photo.jpg")["Body"].read()
    assert stored == photo
    result = running.result(running.post("sqs", {"image": {"key": "a.photo.jpg"}}))
    assert {"Espresso", "Coffee"} & {label["name"] for label in result["labels"]}


@pytest.mark.parametrize("buffer", ["sns", "sqs", "kinesis"])
def test_a_text_renamed_to_jpg_ends_as_failed_with_the_reason_and_is_not_retried(running: Running, buffer: str) -> None:
    text = base64.b64encode(b"this is no picture").decode()
    result = running.result(running.post(buffer, {"image": {"bytes": text}}))
    assert result["status"] == "FAILED"
    assert "InvalidImageFormat" in result["reason"]
    item = running.client("dynamodb").get_item(
        TableName=running.stack.results_table, Key={"request_id": {"S": result["request_id"]}}
    )["Item"]
    assert item["attempts"]["N"] == "1"
    assert item["deliveries"]["N"] == "1"


def test_the_state_counts_what_came_and_what_became_of_it(running: Running) -> None:
    before = running.state()["buffers"]["sqs"]
    running.result(running.post("sqs", {"image": {"bytes": base64.b64encode(b"x").decode()}}))
    deadline = time.monotonic() + 30
    while running.state()["buffers"]["sqs"]["backlog"] and time.monotonic() < deadline:
        time.sleep(0.05)
    after = running.state()
    assert abs(after["at"] / 1000 - time.time()) < 60
    buffers, notifications = {"sns", "sqs", "kinesis", "kinesis-efo"}, {"callback", "push"}
    functions = {"sync", "request-handler", "web-socket"}
    assert set(after["buffers"]) == buffers | notifications | functions
    assert after["buffers"]["sqs"]["accepted"] == before["accepted"] + 1
    assert after["buffers"]["sqs"]["completed"] == before["completed"] + 1
    assert set(after["buffers"]["sqs"]) == {
        "accepted", "completed", "dead_lettered", "expired", "backlog", "in_flight", "concurrency", "throttles",
        "cold_starts", "dropped", "oldest_age_s",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/state/", "/../state", "/%00"])
def test_the_control_service_has_nothing_but_the_state(running: Running, path: str) -> None:
    request = requests.Request("GET", running.ready["control_url"]).prepare()
    request.url = running.ready["control_url"] + path
    with requests.Session() as session:
        assert session.send(request, timeout=20).status_code == 404
    assert requests.post(f"{running.ready['control_url']}/state", timeout=20).status_code == 405


def test_the_ready_line_says_every_option_and_quota_in_force(running: Running) -> None:
    options = running.ready["options"]
    assert options["account_concurrency"] == 10
    assert options["rekognition_median_ms"] == 20
    assert options["rekognition_model"] == "local-efficientnet-lite0"
    assert options["quotas"]["account_concurrency"] == 10
    assert options["rekognition_rate"] == options["quotas"]["rekognition_detect_labels_per_s"] == 200
    assert options["parameters"]["SqsBatchSize"] == 10


def test_everything_listens_on_the_loopback_only(running: Running) -> None:
    listening = [
        connection.laddr.ip
        for process in running.family()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (lambda started: started.process.send_signal(signal.SIGINT), 0),
        (lambda started: started.process.send_signal(signal.SIGKILL), -signal.SIGKILL),
    ],
    # SIGTERM, which is taken as Ctrl-C is, ends the next one; a closed stdin that of all tests above.
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
        deadline = time.monotonic() + 30
        while len(started.family()) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        family = started.family()
        assert len(family) >= 4, "no function was started"
        stop(started)
        assert started.process.wait(30) == status
        _, alive = psutil.wait_procs(family, timeout=10)
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
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert not psutil.wait_procs(family, timeout=10)[1]


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
                ["timeout", "60", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout

        assert json.loads(paste(f"{upload} -s")) == {"key": "photo.jpg"}
        request_id = json.loads(paste(f"{send} -s"))["request_id"]
        ask = ask.replace("REQUEST_ID", request_id)
        paste(f"while {ask} -s | grep -q PENDING; do sleep 0.2; done")
        assert json.loads(paste(f"{ask} -s"))["status"] == "SUCCEEDED"
        script = "import boto3; print(boto3.client('sqs').list_queues()['QueueUrls'][0])"
        command = "; ".join([*exports, f'{sys.executable} -c "{script}"'])
        bare = {"PATH": os.defpath, "HOME": str(tmp_path)}
        listed = subprocess.run(["sh", "-c", command], env=bare, capture_output=True, text=True, check=True).stdout
        assert listed.startswith("http://127.0.0.1:")
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


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
        (["--account-concurrency", "0"], "account-concurrency"),
        (["--port", "70000"], "port"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_cure(options: list[str], said: str) -> None:
    result = CliRunner().invoke(local, options)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_named(running: Running) -> None:
    port = running.stack.api_url.split(":")[2].split("/")[0]
    result = CliRunner().invoke(local, ["--port", port])
    assert result.exit_code == 1
    assert "in use" in result.output
    assert port in result.output
