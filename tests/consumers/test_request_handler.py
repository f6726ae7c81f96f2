"""The request handler as Lambda loads it, before the buffers and the bucket of moto."""

import base64
import json
import re
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from pipeline.idempotency import id_of
from pipeline.request import InlineImage, Request, StoredImage
from pipeline.results_table import ResultsTable

ColdStart = Callable[[str], ModuleType]
IMAGE = {"image": {"bytes": "AAEC"}}
# 200 kB and 900 kB as base64: too large for SNS and for all.
LARGE, LARGER = bytes(range(256)) * 800, bytes(range(256)) * 3_600


class Buffers:
    """A topic, queues and streams, and what has been put into them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sns, self.sqs, self.kinesis = (boto3.client(name) for name in ("sns", "sqs", "kinesis"))
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket="images")
        queue, heard, fifo = (
            self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            for name, attributes in (("queue", {}), ("heard", {}), ("queue.fifo", {"FifoQueue": "true"}))
        )
        self.urls = {"sqs": queue, "sns": heard, "fifo": fifo}
        topic = self.sns.create_topic(Name="topic")["TopicArn"]
        arn = self.sqs.get_queue_attributes(QueueUrl=heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        for stream in ("polled", "pushed"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=1)
        for name, value in {
            "IMAGE_BUCKET": "images",
            "TOPIC_ARN": topic,
            "QUEUE_URL": queue,
            "SQS_FIFO": "false",
            "STREAM_NAME": "polled",
            "KINESIS_EFO_STREAM_NAME": "pushed",
            "SNS_PENDING_S": "21600",
            "SQS_PENDING_S": "345600",
            "KINESIS_PENDING_S": "21600",
            "CALLBACK_PORTS": "443",
            "CALLBACK_TEST_RECEIVER": "",
        }.items():
            monkeypatch.setenv(name, value)

    def records(self, buffer: str) -> list[str]:
        if buffer.startswith("kinesis"):
            stream = "polled" if buffer == "kinesis" else "pushed"
            iterator = self.kinesis.get_shard_iterator(
                StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            return [record["Data"].decode() for record in self.kinesis.get_records(ShardIterator=iterator)["Records"]]
        return [message["Body"] for message in self.messages(buffer)]

    def messages(self, queue: str) -> Any:
        return self.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])


@pytest.fixture
def buffers(table: ResultsTable, monkeypatch: pytest.MonkeyPatch) -> Buffers:
    return Buffers(monkeypatch)


@pytest.fixture
def post(
    buffers: Buffers, cold_start: ColdStart, context: Callable[..., Any]
) -> Callable[..., tuple[int, dict[str, Any], dict[str, str]]]:
    """POSTs a body to the function, which starts with the first."""
    module: list[ModuleType] = []

    def post(
        buffer: str, sent: object = IMAGE, keys: tuple[str, ...] = (), **changed: object
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if not module:
            module.append(cold_start("request_handler"))
        event = {
            "pathParameters": {"buffer": buffer},
            "multiValueHeaders": {"Content-Type": ["application/json"], "iDEMPOTENCY-kEY": list(keys)},
            "body": json.dumps(sent),
            "isBase64Encoded": False,
            "requestContext": {
                "stage": "live",
                "requestTimeEpoch": round(time.time() * 1_000) - 10,
                "identity": {"caller": "AIDAALICE"},
            },
            **changed,
        }
        answer = module[0].handler(event, context())
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return post


def item(request_id: str) -> dict[str, Any]:
    return boto3.client("dynamodb").get_item(TableName="results", Key={"request_id": {"S": request_id}})["Item"]  # type: ignore[return-value]


@pytest.mark.parametrize("buffer", ["sns", "sqs", "kinesis", "kinesis-efo"])
def test_a_request_is_put_into_its_buffer_and_answered_with_where_to_ask_for_it(
    buffer: str, post: Any, buffers: Buffers
) -> None:
    status, body, headers = post(buffer)

    request_id = body["request_id"]
    assert (status, list(body)) == (202, ["request_id"])
    assert re.fullmatch("h-[A-Za-z0-9_-]{22}", request_id)
    assert headers == {
        "Content-Type": "application/json",
        "Location": f"/live/v1/requests/{request_id}",
        "Retry-After": "1",
    }
    (record,) = buffers.records(buffer)
    request = Request.from_json(record)
    assert (request.request_id, request.buffer) == (request_id, buffer)
    assert request.image == InlineImage(bytes(range(3)))
    assert "published_at" in item(request_id)


@pytest.mark.parametrize(
    ("buffer", "image", "inline"),
    [
        ("sns", b"small", True),
        ("sns", LARGE, False),
        ("sqs", LARGE, True),
        ("kinesis", LARGE, True),
        ("sqs", LARGER, False),
        ("kinesis", LARGER, False),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, bytes) else str(value),
)
def test_an_image_goes_by_the_bucket_where_the_buffer_could_not_hold_it(
    buffer: str, image: bytes, inline: bool, post: Any, buffers: Buffers
) -> None:
    status, body, _ = post(buffer, {"image": {"bytes": base64.b64encode(image).decode()}})

    assert status == 202
    (record,) = buffers.records(buffer)
    carried = Request.from_json(record).image
    if inline:
        assert carried == InlineImage(image)
        return
    assert isinstance(carried, StoredImage)
    assert carried.bucket == "images"
    assert carried.key.startswith(f"{body['request_id']}/")
    assert buffers.s3.get_object(Bucket="images", Key=carried.key)["Body"].read() == image


def test_in_a_fifo_queue_a_request_has_its_group_and_its_own_deduplication(
    post: Any, buffers: Buffers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", buffers.urls["fifo"])
    monkeypatch.setenv("SQS_FIFO", "true")

    grouped, alone = post("sqs", {**IMAGE, "group": "camera-7"})[1], post("sqs")[1]

    of_fifo = {
        message["Attributes"]["MessageDeduplicationId"]: message["Attributes"]["MessageGroupId"]
        for message in buffers.messages("fifo")
    }
    assert of_fifo == {grouped["request_id"]: "camera-7", alone["request_id"]: alone["request_id"]}


def test_repeated_with_its_key_a_request_has_the_same_answer_and_is_put_in_once(post: Any, buffers: Buffers) -> None:
    answers = [post("sqs", keys=("a-key-of-mine",)) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 202
    assert answers[0][1]["request_id"] == id_of("sqs", "a-key-of-mine", "iam:AIDAALICE")
    assert len(buffers.records("sqs")) == 1


@pytest.mark.parametrize(
    ("keys", "changed", "status", "problem"),
    [
        pytest.param(("a", "b"), {}, 400, "more than one Idempotency-Key", id="two keys"),
        pytest.param(("",), {}, 400, "The Idempotency-Key is not", id="an empty key"),
        pytest.param((), {"body": None}, 400, "not JSON", id="no body"),
        pytest.param((), {"body": "{"}, 400, "not JSON", id="no JSON"),
        pytest.param((), {"isBase64Encoded": True}, 400, "not JSON", id="bytes, as the gateway hands images on"),
        pytest.param((), {"body": "[]"}, 400, "not a JSON object", id="an array"),
        pytest.param((), {"pathParameters": {"buffer": "fax"}}, 404, "no such buffer", id="a buffer that is none"),
    ],
)
def test_what_is_not_taken_says_what_to_do(
    keys: tuple[str, ...], changed: dict[str, object], status: int, problem: str, post: Any
) -> None:
    told, body, headers = post("sqs", keys=keys, **changed)

    assert told == status
    assert problem in body["message"]
    assert body["remedy"]
    assert headers == {"Content-Type": "application/json"}


def test_a_hostile_callback_is_refused_at_the_door(post: Any, buffers: Buffers) -> None:
    status, body, _ = post("sqs", {**IMAGE, "callback_url": "https://metadata.google.internal/"})

    assert status == 400
    assert "internal" in body["message"]
    assert buffers.records("sqs") == []


def test_anothers_request_under_a_used_key_is_refused(post: Any) -> None:
    _, first, _ = post("sqs", keys=("key",))

    status, body, _ = post("sqs", {"image": {"key": "k"}}, keys=("key",))

    assert (status, body["request_id"]) == (422, first["request_id"])


def test_a_buffer_that_is_gone_is_told_by_the_answer_and_by_the_status(
    post: Any, buffers: Buffers, capfd: pytest.CaptureFixture[str]
) -> None:
    buffers.sqs.delete_queue(QueueUrl=buffers.urls["sqs"])

    status, body, headers = post("sqs")

    assert (status, headers["Retry-After"]) == (503, "1")
    assert "published_at" not in item(body["request_id"])
    assert item(body["request_id"])["unpublished"]["S"].startswith("The request was not published: the buffer failed (")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (logged,) = [line for line in lines if line.get("message") == "not taken"]
    assert (logged["level"], logged["request_id"], logged["status"]) == ("ERROR", body["request_id"], 503)
    assert "NonExistentQueue" in logged["cause"]


def test_what_is_logged_and_counted_holds_no_image(post: Any, capfd: pytest.CaptureFixture[str]) -> None:
    image = base64.b64encode(b"a secret image").decode()

    _, body, _ = post("sqs", {"image": {"bytes": image}}, keys=("key",))
    post("sqs", {"image": {"bytes": image}}, keys=("key",))
    post("fax", {"image": {"bytes": image}})

    out, err = capfd.readouterr()
    assert err == ""
    assert image not in out
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["message"], line.get("request_id")) for line in lines if "level" in line] == [
        ("taken", body["request_id"]),
        ("taken", body["request_id"]),
        ("not taken", None),
    ]
    counted = [name for line in lines for name in ("Taken", "Duplicates", "NotTaken") if name in line]
    assert counted == ["Taken", "Duplicates", "NotTaken"]


@pytest.mark.parametrize("name", ["QUEUE_URL", "SQS_FIFO", "CALLBACK_PORTS"])
def test_a_function_without_its_variables_does_not_start_and_says_which(
    name: str, buffers: Buffers, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(ValueError, match=f"the variable {name} is not set"):
        cold_start("request_handler")
