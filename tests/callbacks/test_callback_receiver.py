"""The receiver to test with, called by the notifier's own POST and by plain HTTPS."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from receiver_calls import BODY, OTHER, SECRET, called, poster

from consumers.callback_post import Answered, NoAnswer, Outcome, trust_in
from pipeline.callback_signature import signed, signing_key
from producers.callback_receiver import CallbackReceiver, Delivery, Misbehaviour
from producers.receiver_certificate import ReceiverCertificate
from producers.receiver_command import callback_receiver
from producers.receiver_secret import GivenSecret, LocalSecret, NoSecretError, SecretSource, StoredSecret

AMPLE_S = 60.0

Start = Callable[..., CallbackReceiver]


@pytest.fixture(scope="module")
def certificate() -> ReceiverCertificate:
    return ReceiverCertificate.fresh("receiver.test")


@pytest.fixture
def start(certificate: ReceiverCertificate) -> Iterator[Start]:
    started: list[CallbackReceiver] = []

    def start(secret: SecretSource | None = None, **more: Any) -> CallbackReceiver:
        receiver = CallbackReceiver(certificate, secret or GivenSecret(SECRET), **more)
        started.append(receiver.__enter__())
        return receiver

    yield start
    for receiver in started:
        receiver.__exit__(None, None, None)


def post(
    receiver: CallbackReceiver,
    request_id: str = "r1",
    *,
    secrets: tuple[str, ...] = (SECRET,),
    at: float | None = None,
    change: dict[str, str] | None = None,
    limit_s: float = AMPLE_S,
) -> Outcome:
    keys = [signing_key(secret) for secret in secrets]
    now = int(time.time() if at is None else at)
    headers = signed(keys, message_id=request_id, timestamp_s=now, body=BODY) | (change or {})
    return poster(receiver.parameters).post(receiver.url, BODY, headers, time.monotonic() + limit_s)


def test_a_delivery_is_verified_acknowledged_and_kept_with_its_time(start: Start) -> None:
    told: list[Delivery] = []
    receiver = start(tell=told.append, now=lambda: 1_700_000_000.1234567)

    assert post(receiver) == Answered(204)

    assert receiver.wait("r1", AMPLE_S) == BODY
    assert receiver.acknowledged("r1") == told == [Delivery("r1", 1_700_000_000_123.457, 1, 204, None, "/", BODY)]
    assert told[0].document == json.loads(BODY)


def test_who_waits_is_woken_by_the_delivery(start: Start) -> None:
    receiver = start()
    waiting = threading.Event()
    found: list[bytes | None] = []

    def wait() -> None:
        waiting.set()
        found.append(receiver.wait("r1", AMPLE_S))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait(AMPLE_S)
    post(receiver)
    thread.join()
    assert found == [BODY]


def test_what_never_came_is_waited_for_in_vain(start: Start) -> None:
    receiver = start()
    assert receiver.wait("r1", 0.01) is None
    assert receiver.acknowledged("r1") == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"secrets": (OTHER,)}, "No matching signature"),
        ({"at": 1_700_000_000}, "too old"),
        ({"change": {"webhook-id": "another"}}, "No matching signature"),
        ({"change": {"webhook-signature": "nonsense"}}, "not verify"),
        ({"change": {"webhook-timestamp": "now"}}, "Invalid Signature Headers"),
    ],
)
def test_a_delivery_that_does_not_verify_is_answered_401_and_is_none(
    given: dict[str, Any], problem: str, start: Start
) -> None:
    told: list[Delivery] = []
    receiver = start(tell=told.append)
    assert post(receiver, **given) == Answered(401)
    assert (told[0].attempt, told[0].acknowledged) == (0, False)
    assert problem in str(told[0].problem)
    assert receiver.wait("r1", 0) is None


def test_without_a_signature_it_is_none(start: Start, certificate: ReceiverCertificate) -> None:
    receiver = start()
    assert plain(receiver, certificate, "POST", BODY) == 401
    assert plain(receiver, certificate, "GET") == 405


def plain(receiver: CallbackReceiver, certificate: ReceiverCertificate, method: str, body: bytes | None = None) -> int:
    trust = trust_in(certificate.certificate)
    trust.check_hostname = False
    connection = HTTPSConnection("127.0.0.1", receiver.port, context=trust)
    connection.request(method, "/hook", body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_one_of_two_signatures_is_enough(start: Start) -> None:
    assert post(start(), secrets=(OTHER, SECRET)) == Answered(204)


class Rotating:
    """Another secret each time it is read, the last of which stays."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = list(secrets)
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.secrets[min(self.reads, len(self.secrets)) - 1]


def test_a_secret_that_was_rotated_is_read_again_but_not_for_every_forgery(start: Start) -> None:
    now = 1_000.0
    source = Rotating(OTHER, SECRET)
    receiver = start(source, clock=lambda: now)
    # The first one has it read; another reading would follow too soon.
    assert [post(receiver) for _ in range(5)] == [Answered(401)] * 5
    assert source.reads == 1
    now += 1.0
    assert [post(receiver) for _ in range(2)] == [Answered(204)] * 2
    assert source.reads == 2


def test_before_the_secret_is_known_it_asks_to_be_called_again(start: Start) -> None:
    told: list[Delivery] = []

    class NotYet:
        def read(self) -> str:
            if not told:
                raise NoSecretError("not yet")
            return SECRET

    receiver = start(NotYet(), tell=told.append)
    assert post(receiver) == Answered(503)
    assert post(receiver) == Answered(204)
    assert [delivery.attempt for delivery in told] == [0, 1]


@pytest.mark.parametrize("secret", ["", "x", "no base64 at all!"])
def test_a_secret_that_is_none_is_said(secret: str, start: Start) -> None:
    told: list[Delivery] = []
    assert post(start(GivenSecret(secret), tell=told.append)) in (Answered(503), Answered(401))
    assert told[0].problem is not None


def test_it_fails_so_many_times_for_each_request(start: Start) -> None:
    told: list[Delivery] = []
    receiver = start(misbehaviour=Misbehaviour(times=2, status=429, retry_after=7), tell=told.append)
    for request_id in ("r1", "r2"):
        assert [post(receiver, request_id) for _ in range(4)] == [
            Answered(429, "7"),
            Answered(429, "7"),
            Answered(204),
            Answered(204),
        ]
    assert [delivery.attempt for delivery in told] == [1, 2, 3, 4] * 2
    assert len(receiver.acknowledged("r1")) == 2


def test_it_never_answers_well_if_it_is_told_so(start: Start) -> None:
    receiver = start(misbehaviour=Misbehaviour(times=None, status=410))
    assert [post(receiver) for _ in range(3)] == [Answered(410)] * 3
    assert receiver.wait("r1", 0) is None


def test_one_that_hangs_is_let_go_by_whoever_calls_and_at_the_end(start: Start) -> None:
    told: list[Delivery] = []
    receiver = start(misbehaviour=Misbehaviour(times=None, hang=True), tell=told.append)
    assert isinstance(post(receiver, limit_s=0.2), NoAnswer)
    assert (told[0].status, told[0].acknowledged) == (None, False)


def test_a_port_that_is_taken_is_an_error_and_leaves_no_thread(start: Start, certificate: ReceiverCertificate) -> None:
    taken = start().port
    with pytest.raises(OSError, match="in use"), CallbackReceiver(certificate, GivenSecret(SECRET), port=taken):
        pass
    assert [thread.name for thread in threading.enumerate()].count("callback-receiver") == 1


def test_many_are_taken_at_once(start: Start) -> None:
    receiver = start()
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda number=number: outcomes.append(post(receiver, f"r{number}")))  # type: ignore[misc]
        for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Answered(204)] * 50
    assert all(receiver.wait(f"r{number}", 0) == BODY for number in range(50))


# --- where the secret is from


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager").create_secret(Name="callback", SecretString=SECRET)["ARN"]


def ready(arn: str) -> str:
    environment = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://secretsmanager.us-east-1.amazonaws.com",
    }
    return json.dumps({"outputs": {"CallbackSecretArn": arn}, "environment": environment})


def test_a_stored_secret_is_read_by_its_arn(stored: str) -> None:
    assert StoredSecret(stored).read() == SECRET


def test_a_secret_that_is_not_there_is_said_with_its_arn(stored: str) -> None:
    with pytest.raises(NoSecretError, match=f"{stored}x"):
        StoredSecret(f"{stored}x").read()


def test_the_embedded_aws_says_where_its_secret_is(stored: str, tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    source = LocalSecret(path)
    with pytest.raises(NoSecretError, match="not there yet"):
        source.read()
    # A shell makes the file before anything is written to it.
    path.touch()
    with pytest.raises(NoSecretError, match="does not yet hold"):
        source.read()
    path.write_text(ready(stored))
    assert source.read() == SECRET


def test_what_an_earlier_run_left_is_not_taken(stored: str, tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text(ready(stored))
    with pytest.raises(NoSecretError, match="earlier run"):
        LocalSecret(path, now=lambda: time.time() + 3_600).read()


# --- the command


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (["--hang", "--status", "500"], "neither"),
        (["--secret", "x", "--secret-arn", "y"], "give one"),
        (["--secret", "!!"], "not the base64 of a key of 24 to 64 bytes"),
        (["--secret", "c2hvcnQ="], "which --secret-arn reads itself"),
        (["--status", "200"], "not in the range"),
        (["--fail", "0"], "not in the range"),
        (["--name", "b\u00fccher"], "DNS name"),
    ],
)
def test_options_that_contradict_each_other_are_told_apart(options: list[str], cure: str) -> None:
    result = CliRunner().invoke(callback_receiver, options)
    assert result.exit_code == 2
    assert cure in result.output


class Running:
    """The command as a process."""

    def __init__(self, *options: str, stdin: int | None = subprocess.DEVNULL) -> None:
        code = "from producers.receiver_command import callback_receiver; callback_receiver()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=stdin,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "error"},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, number: signal.Signals | None = signal.SIGINT) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=AMPLE_S)
        return self.process.returncode, out, err


def test_the_command_prints_its_parameters_and_each_delivery_as_json() -> None:
    running = Running("--json", "--secret", SECRET, "--fail", "1", stdin=subprocess.DEVNULL)
    begun = json.loads(running.line())
    assert begun["url"] == "https://receiver.test/"
    assert called(begun["parameters"]) == Answered(503)
    assert called(begun["parameters"]) == Answered(204)
    first, second = json.loads(running.line()), json.loads(running.line())
    assert (first["attempt"], first["status"], first["problem"]) == (1, 503, None)
    assert (second["attempt"], second["status"], second["path"]) == (2, 204, "/hook")
    assert second["result"] == json.loads(BODY)
    assert running.end() == (0, "", "")


def test_the_command_prints_how_to_start_the_embedded_aws_for_it() -> None:
    running = Running("--secret", SECRET)
    text = ""
    while "Deliveries:" not in text:
        text += running.line()
    address, certificate = text.partition("--parameter ")[2].split("--parameter ")
    parameters = {
        "CallbackTestReceiver": address.partition("=")[2].split()[0],
        "CallbackTestCertificate": certificate.partition("=")[2].partition("'")[0],
    }
    # What is printed is all that is needed to be called.
    assert called(parameters) == Answered(204)
    running.line()
    assert "attempt 1, answered 204  SUCCEEDED: Caf\u00e9 99.0 %" in running.line()
    assert called(parameters, OTHER) == Answered(401)
    assert "answered 401: its signature does not verify" in running.line()
    assert running.end(signal.SIGTERM)[0] == 0


def test_the_command_ends_with_its_standard_input() -> None:
    running = Running("--json", "--secret", SECRET, "--exit-with-stdin", stdin=subprocess.PIPE)
    running.line()
    assert running.end(None) == (0, "", "")


def test_the_command_ends_when_nobody_reads_it() -> None:
    running = Running("--json", "--secret", SECRET)
    begun = json.loads(running.line())
    assert running.process.stdout is not None
    running.process.stdout.close()
    called(begun["parameters"])
    assert running.process.wait(AMPLE_S) == 0
    assert running.process.stderr is not None
    running.process.stderr.close()


def test_the_command_says_that_a_port_is_taken(start: Start) -> None:
    code, out, err = Running("--port", str(start().port), "--secret", SECRET).end(None)
    assert (code, out) == (1, "")
    assert "Take another --port" in err


def test_the_certificate_is_small_enough_for_a_functions_environment(certificate: ReceiverCertificate) -> None:
    # All variables of a function are 4 KB at most (docs, "Lambda quotas").
    assert len(certificate.one_line) < 600
    assert "\n" not in certificate.one_line
    assert ssl.PEM_cert_to_DER_cert(certificate.certificate)
    assert certificate.key not in repr(certificate)
