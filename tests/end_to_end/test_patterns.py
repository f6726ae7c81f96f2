"""Every way to send an image and to get its result, by clients that are none of ours.

curl, requests, aiohttp, websocket-client, boto3; for callbacks a server of the standard library, and signatures are
verified by Standard Webhooks' own.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import websocket
from standardwebhooks import Webhook

from tests.end_to_end.clients import Stack, Talk, curl, send_at_once
from tests.end_to_end.conftest import PHOTOS, photo, running, until
from tests.end_to_end.receiver import NEVER, Receiver
from tests.signing import curl_options, presigned

pytestmark = pytest.mark.end_to_end

BUFFERS = ["sns", "sqs", "kinesis", "kinesis-efo"]
ATTEMPTS = 4
# tests/pipeline/test_intake.py has a thousand.
DUPLICATES = 200
# Fewer than the account's ten, of which the buffer's own function has a part.
CONCURRENCY = 6
CAT = {"image": {"key": "cat.jpg"}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Receiver.running(tmp_path_factory.mktemp("receiver")) as receiver:
        parameters = {
            "CallbackTestReceiver": receiver.parameter,
            "CallbackTestCertificate": receiver.certificate,
            "CallbackMaximumAttempts": ATTEMPTS,
            "CallbackFirstRetry": 1,
            "CallbackTimeout": 2,
        }
        given = [part for name, value in parameters.items() for part in ("--parameter", f"{name}={value}")]
        with running("--rekognition-median-ms", "30", *given) as embedded:
            stack = Stack(embedded, receiver)
            requests.put(
                f"{stack.api}/v1/images/cat.jpg",
                data=(PHOTOS / "chelsea.jpg").read_bytes(),
                headers={"content-type": "image/jpeg"},
                auth=embedded.signed,
                timeout=30,
            ).raise_for_status()
            yield stack


def is_a_cat(result: dict[str, Any]) -> bool:
    assert result["status"] == "SUCCEEDED"
    return "Cat" in {label["name"] for label in result["labels"]}


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


# ---- synchronous


@needs_curl
def test_sync_answers_with_the_labels_and_they_can_be_polled_too(stack: Stack, tmp_path: Path) -> None:
    signing = curl_options(stack.embedded.environment)
    answer = curl(tmp_path, *signing, f"{stack.api}/v1/sync/images", body=photo("chelsea.jpg"))

    assert answer.status == 200
    assert is_a_cat(answer.document)
    assert stack.result(answer.document["request_id"]) == answer.document


def test_sync_says_why_an_image_is_refused(stack: Stack) -> None:
    answer = stack.post("sync", {"image": {"bytes": base64.b64encode(b"no image at all").decode()}})

    assert answer.status_code == 422
    assert answer.json()["status"] == "FAILED"
    assert "InvalidImageFormat" in answer.json()["reason"]


# ---- fire and forget, polling


@needs_curl
@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_proxied_request_is_polled_where_its_location_points(stack: Stack, buffer: str, tmp_path: Path) -> None:
    signing = curl_options(stack.embedded.environment)
    answer = curl(tmp_path, *signing, f"{stack.api}/v1/{buffer}/images", body=CAT)

    assert answer.status == 202
    assert int(answer.headers["retry-after"]) > 0
    assert unquote(answer.headers["location"]).endswith(f"/v1/requests/{answer.document['request_id']}")
    assert is_a_cat(stack.poll(answer.headers["location"]))


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_handled_request_is_known_from_the_start_and_a_repeated_one_is_the_same(stack: Stack, buffer: str) -> None:
    key = str(uuid.uuid4())
    before = stack.embedded.state(buffer)["accepted"]
    first = stack.post(f"handler/{buffer}", CAT, **{"Idempotency-Key": key})
    assert first.status_code == 202
    request_id = first.json()["request_id"]

    known = requests.get(f"{stack.api}/v1/requests/{request_id}", auth=stack.embedded.signed, timeout=10)
    assert known.status_code == 200
    assert known.json()["status"] in {"PENDING", "SUCCEEDED"}
    assert (known.json()["status"] == "PENDING") == ("retry-after" in known.headers)
    again = stack.post(f"handler/{buffer}", CAT, **{"Idempotency-Key": key})
    other = stack.post(f"handler/{buffer}", {"image": {"key": "dog.jpg"}}, **{"Idempotency-Key": key})

    assert (again.status_code, again.json()) == (202, first.json())
    assert other.status_code == 422
    assert is_a_cat(stack.poll(first.headers["location"]))
    until(lambda: stack.embedded.state(buffer)["backlog"] == 0, "an end to the deliveries")
    assert stack.embedded.state(buffer)["accepted"] == before + 1
    assert stack.item("ResultsTable", request_id=request_id)["deliveries"] == {"N": "1"}


def test_an_image_too_large_for_a_buffer_goes_through_the_handler_all_the_same(stack: Stack) -> None:
    image = (PHOTOS / "chelsea.jpg").read_bytes()
    # What stands behind the end of a JPEG is no matter to whoever reads it, and SNS takes 256 KiB.
    body = {"image": {"bytes": base64.b64encode(image + bytes(300_000)).decode()}}

    assert stack.post("sns", body).status_code == 413
    answer = stack.post("handler/sns", body)
    assert answer.status_code == 202
    assert is_a_cat(stack.poll(answer.headers["location"]))


@pytest.mark.parametrize(
    ("route", "body", "headers", "status"),
    [
        pytest.param("sqs", {}, {}, 400, id="proxied, without an image"),
        pytest.param("sqs", {**CAT, "callback_url": "http://example.com/"}, {}, 400, id="proxied, a callback by http"),
        pytest.param("sqs", {**CAT, "attach": "my secret"}, {}, 400, id="proxied, a secret for its hash"),
        pytest.param("handler/sqs", {}, {}, 400, id="handled, without an image"),
        pytest.param("handler/sqs", {**CAT, "color": "red"}, {}, 400, id="handled, with what nobody knows"),
        pytest.param("handler/sqs", CAT, {"Idempotency-Key": "k" * 256}, 400, id="handled, a key too long"),
        pytest.param("handler/kafka", CAT, {}, 404, id="handled, no such buffer"),
        pytest.param(
            "handler/sqs", {**CAT, "callback_url": "https://169.254.169.254/"}, {}, 400, id="a callback to the metadata"
        ),
        pytest.param(
            "handler/sqs", {**CAT, "callback_url": "https://localhost/"}, {}, 400, id="a callback to the machine itself"
        ),
        pytest.param("sync", {**CAT, "callback_url": "https://example.com/"}, {}, 400, id="sync, with a callback"),
        pytest.param("kafka", CAT, {}, 403, id="no such route"),
    ],
)
def test_what_is_not_taken_says_why_and_what_to_do(
    stack: Stack, route: str, body: Any, headers: dict[str, str], status: int
) -> None:
    answer = stack.post(route, body, **headers)

    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert answer.json()["remedy"]


def test_an_unknown_id_is_told_from_one_that_may_be_waiting(stack: Stack) -> None:
    signed = stack.embedded.signed
    handled = requests.get(f"{stack.api}/v1/requests/h-AAAAAAAAAAAAAAAAAAAAAA", auth=signed, timeout=10)
    proxied = requests.get(f"{stack.api}/v1/requests/AAAAAAAAAAAAAAA=", auth=signed, timeout=10)

    assert (handled.status_code, handled.json()["status"]) == (404, "UNKNOWN")
    assert (proxied.status_code, proxied.json()["status"]) == (404, "UNKNOWN_OR_WAITING")
    assert "retry-after" not in handled.headers
    assert "retry-after" in proxied.headers


def test_hundreds_of_duplicates_at_once_start_one_recognition(stack: Stack) -> None:
    before = stack.embedded.state("sqs")["accepted"]
    url, key = f"{stack.api}/v1/handler/sqs/images", str(uuid.uuid4())

    answers, left, at_once = [], DUPLICATES, DUPLICATES
    while left:
        turn = asyncio.run(send_at_once(stack.embedded, url, CAT, key, left, at_once))
        answers += turn
        # Of so many at once Lambda throttles most. Whoever was not taken sends again, and no longer all together.
        left, at_once = sum(status != 202 for status, _ in turn), CONCURRENCY

    statuses = Counter(status for status, _ in answers)
    assert statuses[202] == DUPLICATES
    # 502 is what API Gateway makes of a function that is throttled.
    assert set(statuses) <= {202, 429, 502}
    (request_id,) = {document["request_id"] for status, document in answers if status == 202}
    assert is_a_cat(stack.result(request_id))
    until(lambda: stack.embedded.state("sqs")["backlog"] == 0, "an end to the deliveries")
    assert stack.embedded.state("sqs")["accepted"] == before + 1
    item = stack.item("ResultsTable", request_id=request_id)
    assert (item["deliveries"], item["attempts"]) == ({"N": "1"}, {"N": "1"})


# ---- callbacks


def signing_secret(stack: Stack) -> str:
    answer = stack.embedded.client("secretsmanager").get_secret_value(SecretId=stack.outputs["CallbackSecretArn"])
    return str(answer["SecretString"])


@pytest.mark.parametrize("route", [*BUFFERS, "handler/sqs"])
def test_a_result_is_posted_signed_to_the_callback_url(stack: Stack, route: str) -> None:
    path = f"/{route}"
    answer = stack.post(route, {**CAT, "callback_url": stack.receiver.url(path)})
    assert answer.status_code == 202, answer.text
    request_id = answer.json()["request_id"]

    (call,) = until(lambda: stack.receiver.calls(path), "a callback")

    assert Webhook(signing_secret(stack)).verify(call.body.decode(), call.headers) == call.document
    assert call.headers["webhook-id"] == request_id
    assert call.headers["host"] == "receiver.test"
    assert call.document == stack.result(request_id)
    assert is_a_cat(call.document)


def test_a_refused_image_is_told_by_callback_too(stack: Stack) -> None:
    body = {"image": {"bytes": base64.b64encode(b"no image at all").decode()}}
    answer = stack.post("sqs", {**body, "callback_url": stack.receiver.url("/refused")})

    (call,) = until(lambda: stack.receiver.calls("/refused"), "a callback")
    assert call.document["request_id"] == answer.json()["request_id"]
    assert call.document["status"] == "FAILED"


def test_a_receiver_that_fails_three_times_acknowledges_one_delivery(stack: Stack) -> None:
    url = stack.receiver.url("/fails", 500, 503, 429, 204)
    request_id = stack.post("handler/sqs", {**CAT, "callback_url": url}).json()["request_id"]

    until(lambda: "acknowledged_at" in stack.item("CallbacksTable", request_id=request_id), "an acknowledgement")
    until(lambda: stack.waiting("CallbackQueueUrl") == 0, "an end to the callbacks")

    calls = stack.receiver.calls("/fails")
    assert [call.answered for call in calls] == [500, 503, 429, 204]
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    assert stack.item("CallbacksTable", request_id=request_id)["attempts"] == {"N": "4"}
    # The record is delivered again, and so is its notification: the receiver hears nothing of it.
    notification = {"request_id": request_id, "callback_url": url}
    stack.embedded.client("sqs").send_message(
        QueueUrl=stack.outputs["CallbackQueueUrl"], MessageBody=json.dumps(notification)
    )
    until(lambda: stack.waiting("CallbackQueueUrl") == 0, "an end to the callbacks")
    assert len(stack.receiver.calls("/fails")) == 4


@pytest.mark.parametrize("answer", [NEVER, 503, 404])
def test_a_receiver_that_never_acknowledges_ends_in_the_dead_letters_and_its_result_is_there(
    stack: Stack, answer: int | str
) -> None:
    sqs = stack.embedded.client("sqs")
    path = f"/{answer}-for-ever"
    url = stack.receiver.url(path, answer)
    request_id = stack.post("handler/sqs", {**CAT, "callback_url": url}).json()["request_id"]

    def dead() -> Any:
        return sqs.receive_message(QueueUrl=stack.outputs["CallbackDeadLetterQueueUrl"]).get("Messages")

    (message,) = until(dead, "a dead letter")
    sqs.delete_message(QueueUrl=stack.outputs["CallbackDeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])

    letter = json.loads(message["Body"])
    assert (letter["request_id"], letter["callback_url"]) == (request_id, url)
    assert letter["reason"]
    # A 4xx is an answer: no other try would get another one.
    assert letter["attempts"] == (1 if answer == 404 else ATTEMPTS)
    assert len(stack.receiver.calls(path)) == letter["attempts"]
    assert is_a_cat(stack.result(request_id))
    until(lambda: stack.waiting("CallbackQueueUrl") == 0, "an end to the callbacks")


# ---- WebSocket


@pytest.fixture
def talk(stack: Stack) -> Iterator[Any]:
    """Opens connections; they are closed at the end."""
    opened = []

    def connect() -> Talk:
        url = presigned(stack.embedded.environment, stack.outputs["WebSocketUrl"])
        opened.append(websocket.create_connection(url, timeout=60))
        return Talk(opened[-1])

    yield connect
    for each in opened:
        each.close()


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_request_sent_over_a_websocket_is_answered_over_it(stack: Stack, talk: Any, buffer: str) -> None:
    client = talk()

    accepted = client.ask(action="recognise", buffer=buffer, request=CAT)

    assert accepted["type"] == "accepted", accepted
    pushed = client.result(accepted["request_id"])
    assert is_a_cat(pushed)
    assert pushed == {"type": "result"} | stack.result(accepted["request_id"])


def test_an_image_may_travel_inside_the_message(talk: Any) -> None:
    client = talk()
    # rocket.jpg is 28 KB in base64, and a frame may have 32.
    accepted = client.ask(action="recognise", buffer="sqs", request=photo("rocket.jpg"))

    assert client.result(accepted["request_id"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize("route", ["kinesis", "handler/kinesis"])
def test_a_connection_attaches_to_its_own_request_and_a_stranger_gets_nothing(
    stack: Stack, talk: Any, route: str
) -> None:
    secret = secrets.token_urlsafe(32)
    owner, stranger = talk(), talk()
    body = {**CAT, "attach": hashlib.sha256(secret.encode()).hexdigest()}
    request_id = stack.post(route, body).json()["request_id"]

    guess = stranger.ask(action="attach", request_id=request_id, secret=secrets.token_urlsafe(32))
    attached = owner.ask(action="attach", request_id=request_id, secret=secret)

    assert attached["type"] == "attached", attached
    assert is_a_cat(owner.result(request_id))
    # Known to be another's, or not known at all yet.
    assert guess["type"] == "error" or "handler" not in route
    again = stranger.ask(action="attach", request_id=request_id, secret=secrets.token_urlsafe(32))
    assert (again["type"], again["status"]) == ("error", 403)
    assert not [heard for heard in stranger.received if heard["type"] == "result"]


def test_a_connection_that_attaches_after_the_result_gets_it_at_once(stack: Stack, talk: Any) -> None:
    secret = secrets.token_urlsafe(32)
    body = {**CAT, "attach": hashlib.sha256(secret.encode()).hexdigest()}
    request_id = stack.post("sqs", body).json()["request_id"]
    result = stack.result(request_id)

    first, second = talk(), talk()
    for client in (first, second):
        assert client.ask(action="attach", request_id=request_id, secret=secret)["type"] == "attached"
        assert client.result(request_id) == {"type": "result"} | result


def test_a_connection_that_is_gone_loses_no_result(stack: Stack, talk: Any) -> None:
    secret = secrets.token_urlsafe(32)
    body = {**CAT, "attach": hashlib.sha256(secret.encode()).hexdigest()}
    client = talk()
    request_id = client.ask(action="recognise", buffer="kinesis", request=body)["request_id"]
    client.socket.close()

    assert is_a_cat(stack.result(request_id))
    returned = talk()
    assert returned.ask(action="attach", request_id=request_id, secret=secret)["type"] == "attached"
    assert is_a_cat(returned.result(request_id))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("hello", 400),
        ('{"action": "help"}', 404),
        ('{"action": "recognise", "buffer": "kafka", "request": {"image": {"key": "cat.jpg"}}}', 404),
        ('{"action": "recognise", "buffer": "sqs", "request": {}}', 400),
        ('{"action": "attach", "request_id": "?", "secret": "s"}', 400),
    ],
)
def test_a_message_that_cannot_be_done_teaches(talk: Any, text: str, status: int) -> None:
    client = talk()
    client.socket.send(text)

    answer = json.loads(client.socket.recv())

    assert (answer["type"], answer["status"]) == ("error", status)
    assert answer["message"]
    assert answer["remedy"]


def test_in_the_end_every_push_was_made_and_every_connection_is_forgotten(stack: Stack) -> None:
    """Reads what the tests above left behind; alone, it has nothing to find."""
    until(lambda: stack.waiting("PushQueueUrl") == 0, "an end to the pushes")
    assert stack.waiting("PushDeadLetterQueueUrl") == 0
    until(
        lambda: stack.embedded.client("dynamodb").scan(TableName=stack.outputs["ConnectionsTable"])["Count"] == 0,
        "an end to the connections",
    )
