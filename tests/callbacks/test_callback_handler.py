"""The function as Lambda loads it: infra.yaml's variables, its tables, queues and secret on moto, a real receiver."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import boto3
import pytest
from callback_world import result
from moto import mock_aws
from moto.sqs.models import sqs_backends

from pipeline.result import Status
from pipeline.results_table import ResultsTable
from producers.callback_receiver import CallbackReceiver, Misbehaviour
from producers.receiver_certificate import ReceiverCertificate
from producers.receiver_secret import GivenSecret, StoredSecret
from tests import lambda_environment

AMPLE_S = 60.0


@dataclass
class Stack:
    """What infra.yaml makes for callbacks, and Lambda's mapping."""

    secret_arn: str
    queue_url: str
    dead_letter_queue_url: str
    monkeypatch: pytest.MonkeyPatch

    def store(self, request_id: str, **changes: Any) -> None:
        stored = replace(result(request_id).result, **changes)
        ResultsTable(boto3.client("dynamodb"), "results").write(stored)

    def send(self, request_id: str, url: str) -> None:
        body = json.dumps({"request_id": request_id, "callback_url": url})
        boto3.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)

    def start(self, receiver: CallbackReceiver | None = None) -> ModuleType:
        """A new environment, which knows this receiver."""
        parameters = {} if receiver is None else receiver.parameters
        self.monkeypatch.setenv("CALLBACK_TEST_RECEIVER", parameters.get("CallbackTestReceiver", ""))
        self.monkeypatch.setenv("CALLBACK_TEST_CERTIFICATE", parameters.get("CallbackTestCertificate", ""))
        return lambda_environment.start("consumers.callback", self.monkeypatch)

    def poll(self, function: ModuleType) -> list[str]:
        """Receive a batch, invoke, delete what is done; the message ids that failed."""
        sqs = boto3.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        event = {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "eventSource": "aws:sqs",
                }
                for message in messages
            ]
        }
        answer = function.handler(event, lambda_environment.Context(60_000))
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        for message in messages:
            if message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return failed

    def waiting(self) -> tuple[int, int]:
        """Messages that can be received, and those that cannot now."""
        wanted: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=wanted)[
            "Attributes"
        ]
        return int(attributes[wanted[0]]), int(attributes[wanted[1]])

    def letters(self) -> list[dict[str, Any]]:
        found = boto3.client("sqs").receive_message(QueueUrl=self.dead_letter_queue_url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    def item(self, request_id: str) -> dict[str, Any]:
        key = {"request_id": {"S": request_id}}
        item: dict[str, Any] = boto3.client("dynamodb").get_item(TableName="callbacks", Key=key).get("Item", {})
        return item


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_METRICS_NAMESPACE": "Forebay",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        dynamodb, sqs = boto3.client("dynamodb"), boto3.client("sqs")
        for table in ("results", "callbacks"):
            dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "request_id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "request_id", "AttributeType": "S"}],
            )
        secrets = boto3.client("secretsmanager")
        # As the template has it generated: 44 letters and digits.
        text = secrets.get_random_password(PasswordLength=44, ExcludePunctuation=True)["RandomPassword"]
        made = Stack(
            secrets.create_secret(Name="callback", SecretString=text)["ARN"],
            sqs.create_queue(QueueName="callbacks", Attributes={"VisibilityTimeout": "180"})["QueueUrl"],
            sqs.create_queue(QueueName="dead-letters")["QueueUrl"],
            monkeypatch,
        )
        for name, value in {
            "RESULTS_TABLE": "results",
            "RESULT_TTL_DAYS": "7",
            "CALLBACKS_TABLE": "callbacks",
            "CALLBACK_QUEUE_URL": made.queue_url,
            "CALLBACK_DEAD_LETTER_QUEUE_URL": made.dead_letter_queue_url,
            "CALLBACK_SECRET_ARN": made.secret_arn,
            "CALLBACK_PORTS": "443",
            "CALLBACK_MAXIMUM_ATTEMPTS": "3",
            "CALLBACK_FIRST_RETRY_S": "600",
            "CALLBACK_TIMEOUT_S": "20",
        }.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def receiver(stack: Stack) -> Iterator[Callable[..., CallbackReceiver]]:
    started: list[CallbackReceiver] = []

    def start(**misbehaviour: Any) -> CallbackReceiver:
        made = CallbackReceiver(
            ReceiverCertificate.fresh("receiver.test"),
            StoredSecret(stack.secret_arn),
            misbehaviour=Misbehaviour(**misbehaviour),
        )
        started.append(made.__enter__())
        return made

    yield start
    for made in started:
        made.__exit__(None, None, None)


def test_a_batch_of_results_is_posted_and_its_messages_are_done(
    stack: Stack, receiver: Callable[..., CallbackReceiver], capsys: pytest.CaptureFixture[str]
) -> None:
    here = receiver()
    for number in range(5):
        stack.store(f"r{number}")
        stack.send(f"r{number}", f"{here.url}hook/{number}?token=hunter2")
    stack.store(
        "r5", status=Status.FAILED, labels=(), reason="InvalidImageFormatException: no image", model_version=None
    )
    stack.send("r5", f"{here.url}?token=hunter2")

    assert stack.poll(stack.start(here)) == []

    for number in range(5):
        (delivery,) = here.acknowledged(f"r{number}")
        assert delivery.path == f"/hook/{number}"
        assert delivery.document == {
            "request_id": f"r{number}",
            "status": "SUCCEEDED",
            "model_version": "m",
            "labels": [{"name": "Caf\u00e9", "confidence": 99.5, "parents": ["Drink"]}],
        }
        assert "acknowledged_at" in stack.item(f"r{number}")
    (failed,) = here.acknowledged("r5")
    assert failed.document == {
        "request_id": "r5",
        "status": "FAILED",
        "reason": "InvalidImageFormatException: no image",
        "labels": [],
    }
    assert stack.waiting() == (0, 0)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (batch,) = [line for line in lines if line.get("message") == "batch"]
    assert (batch["messages"], batch["acknowledged"], batch["given_up"]) == (6, 6, 0)
    (counted,) = [line for line in lines if "CallbacksAcknowledged" in line]
    assert counted["CallbacksAcknowledged"] == [6.0]


def test_a_receiver_that_fails_is_called_again_and_then_never_more(
    stack: Stack, receiver: Callable[..., CallbackReceiver], capsys: pytest.CaptureFixture[str]
) -> None:
    here = receiver(times=2)
    stack.store("r1")
    stack.send("r1", f"{here.url}?token=hunter2")
    function = stack.start(here)
    for _ in range(2):
        assert len(stack.poll(function)) == 1
        assert stack.waiting() == (0, 1)
        until_due(stack, "r1")
    assert stack.poll(function) == []
    assert stack.waiting() == (0, 0)
    (delivery,) = here.acknowledged("r1")
    assert delivery.attempt == 3
    # A copy of the message that comes as well.
    stack.send("r1", f"{here.url}?token=hunter2")
    assert stack.poll(function) == []
    assert len(here.acknowledged("r1")) == 1
    logged = capsys.readouterr().out
    assert '"reason":"it answered 503"' in logged
    assert "hunter2" not in logged
    assert "receiver.test" not in logged


def test_a_copy_is_kept_away_by_the_table_where_the_queue_knows_of_no_pause(
    stack: Stack, receiver: Callable[..., CallbackReceiver]
) -> None:
    here = receiver(times=1)
    stack.store("r1")
    function = stack.start(here)
    for hidden in (1, 2):
        stack.send("r1", here.url)
        assert len(stack.poll(function)) == 1
        assert stack.waiting() == (0, hidden)
    assert stack.item("r1")["attempts"] == {"N": "1"}


def until_due(stack: Stack, request_id: str) -> None:
    """Let the pause be over, for the queue and for the table."""
    for queue in sqs_backends["123456789012"]["us-east-1"].queues.values():
        for message in queue._messages:
            message.visible_at = 0
    boto3.client("dynamodb").update_item(
        TableName="callbacks",
        Key={"request_id": {"S": request_id}},
        UpdateExpression="SET not_before = :now",
        ExpressionAttributeValues={":now": {"N": "0"}},
    )


def test_a_receiver_that_never_does_ends_among_the_dead_letters_and_the_result_stays(
    stack: Stack, receiver: Callable[..., CallbackReceiver]
) -> None:
    here = receiver(times=None)
    stack.store("r1")
    stack.send("r1", here.url)
    function = stack.start(here)
    for _ in range(2):
        assert len(stack.poll(function)) == 1
        until_due(stack, "r1")
    assert stack.poll(function) == []
    assert stack.letters() == [
        {"request_id": "r1", "callback_url": here.url, "reason": "it answered 503", "attempts": 3}
    ]
    assert stack.waiting() == (0, 0)
    assert ResultsTable(boto3.client("dynamodb"), "results").read("r1") is not None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://169.254.169.254/latest/meta-data/", "link-local"),
        ("https://localhost/", "not a name of the public internet"),
        ("http://example.com/", "only https"),
        ("https://example.com:22/", "port 22"),
    ],
)
def test_a_hostile_url_that_came_through_is_a_dead_letter_and_never_called(url: str, reason: str, stack: Stack) -> None:
    stack.store("r1")
    stack.send("r1", url)
    assert stack.poll(stack.start()) == []
    (letter,) = stack.letters()
    assert reason in letter["reason"]
    assert (letter["callback_url"], letter["attempts"]) == (url, 1)


def test_without_its_parameters_the_test_receiver_is_nobody(
    stack: Stack, receiver: Callable[..., CallbackReceiver]
) -> None:
    here = receiver()
    stack.store("r1")
    stack.send("r1", here.url)
    assert stack.poll(stack.start(None)) == []
    assert here.acknowledged("r1") == []
    (letter,) = stack.letters()
    assert "not a name of the public internet" in letter["reason"]


def test_after_a_rotation_both_secrets_verify(stack: Stack, receiver: Callable[..., CallbackReceiver]) -> None:
    before = receiver()
    before._secret = GivenSecret(StoredSecret(stack.secret_arn).read())
    boto3.client("secretsmanager").put_secret_value(SecretId=stack.secret_arn, SecretString="n" * 44)
    after = receiver()
    for request_id, here in (("r1", before), ("r2", after)):
        stack.store(request_id)
        stack.send(request_id, here.url)
        assert stack.poll(stack.start(here)) == []
        assert len(here.acknowledged(request_id)) == 1


def test_a_forged_message_without_a_result_is_given_up_with_that_reason(stack: Stack) -> None:
    stack.send("nobody", "https://example.com/")
    assert stack.poll(stack.start()) == []
    (letter,) = stack.letters()
    assert (letter["reason"], letter["attempts"]) == ("there is no result of it", 0)


def test_a_secret_that_is_no_key_leaves_the_messages_where_they_are(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=stack.secret_arn, SecretString="hunter2")
    stack.store("r1")
    stack.send("r1", "https://example.com/")
    assert len(stack.poll(stack.start())) == 1
    assert stack.letters() == []
    assert stack.item("r1") == {}
    logged = capsys.readouterr().out
    assert "24 to 64 bytes" in logged
    assert "hunter2" not in logged
