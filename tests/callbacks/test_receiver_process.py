import json
import subprocess
import threading
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from receiver_calls import BODY, OTHER, SECRET, called

from consumers.callback_post import Answered
from producers.receiver_process import ReceiverError, ReceiverProcess

AMPLE_S = 60.0


@pytest.fixture
def ready() -> Iterator[dict[str, object]]:
    """What an embedded AWS says of itself, with a secret behind it."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    environment = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{host}:{port}",
    }
    client = boto3.client(
        "secretsmanager",
        endpoint_url=environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    arn = client.create_secret(Name="callback", SecretString=SECRET)["ARN"]
    yield {"outputs": {"CallbackSecretArn": arn}, "environment": environment}
    moto.stop()


def test_it_verifies_with_the_secret_of_the_embedded_aws_once_that_says_where_it_is(ready: dict[str, object]) -> None:
    with ReceiverProcess() as receiver:
        assert receiver.url == "https://receiver.test/"
        assert called(receiver.parameters) == Answered(503)
        receiver.trust(ready)
        assert called(receiver.parameters) == Answered(204)
        assert called(receiver.parameters, OTHER) == Answered(401)
        assert called(receiver.parameters) == Answered(204)
        body = receiver.wait("r1", AMPLE_S)
        assert body is not None
        assert json.loads(body) == json.loads(BODY)
        assert receiver.wait("r2", 0.01) is None
        process = receiver._process
        assert process is not None
    # The lines are read to their end with it.
    assert [arrival.attempt for arrival in receiver.acknowledged("r1")] == [1, 2]
    assert receiver.acknowledged("r1")[0].arrived_at < receiver.acknowledged("r1")[1].arrived_at
    assert receiver.unacknowledged == 2
    assert process.returncode == 0
    assert "callback-receiver" not in {thread.name for thread in threading.enumerate()}


def test_it_misbehaves_by_the_commands_options() -> None:
    with ReceiverProcess(["--secret", SECRET, "--status", "410"]) as receiver:
        assert called(receiver.parameters) == Answered(410)
    assert receiver.unacknowledged == 1
    assert receiver.acknowledged("r1") == []


def test_one_that_does_not_start_says_why() -> None:
    with pytest.raises(ReceiverError, match="not in the range"), ReceiverProcess(["--status", "200"]):
        pass


def test_one_that_dies_is_ended_all_the_same() -> None:
    with ReceiverProcess(["--secret", SECRET]) as receiver:
        assert isinstance(receiver._process, subprocess.Popen)
        receiver._process.kill()
        assert receiver._process.wait(AMPLE_S) != 0
