"""The embedded AWS with the template's defaults: what is sent in comes out recognised, and what it says of itself."""

import base64
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.end_to_end.conftest import PHOTOS, Running, photo, until

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
BUFFERS = ["sns", "sqs", "kinesis", "kinesis-efo"]


def labels(result: dict[str, Any]) -> dict[str, float]:
    return {label["name"]: label["confidence"] for label in result["labels"]}


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_photo_posted_inline_is_recognised_behind_each_buffer(embedded: Running, buffer: str) -> None:
    accepted = embedded.post(buffer, photo("chelsea.jpg"))
    assert accepted.status_code == 202
    result = embedded.result(accepted.json()["request_id"])
    assert result["status"] == "SUCCEEDED"
    assert labels(result)["Cat"] >= 80
    assert result["model_version"] == "local-efficientnet-lite0"


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_photo_uploaded_first_is_recognised_by_its_key(embedded: Running, buffer: str) -> None:
    coffee = (PHOTOS / "coffee.jpg").read_bytes()
    uploaded = requests.put(
        f"{embedded.api}/v1/images/coffee.{buffer}.jpg",
        data=coffee,
        headers={"content-type": "image/jpeg"},
        auth=embedded.signed,
        timeout=30,
    )
    assert (uploaded.status_code, uploaded.json()) == (201, {"key": f"coffee.{buffer}.jpg"})
    bucket = embedded.ready["outputs"]["ImageBucket"]
    assert embedded.client("s3").get_object(Bucket=bucket, Key=f"coffee.{buffer}.jpg")["Body"].read() == coffee
    accepted = embedded.post(buffer, {"image": {"key": uploaded.json()["key"]}})
    seen = labels(embedded.result(accepted.json()["request_id"]))
    assert max(seen.get("Espresso", 0), seen.get("Coffee", 0)) >= 80


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_text_renamed_jpg_fails_with_rekognitions_reason_and_is_not_retried(embedded: Running, buffer: str) -> None:
    requests.put(
        f"{embedded.api}/v1/images/text-{buffer}.jpg",
        data=b"this is a text file renamed .jpg",
        headers={"content-type": "image/jpeg"},
        auth=embedded.signed,
        timeout=30,
    ).raise_for_status()
    accepted = embedded.post(buffer, {"image": {"key": f"text-{buffer}.jpg"}})
    result = embedded.result(accepted.json()["request_id"])
    assert result["status"] == "FAILED"
    assert "InvalidImageFormat" in result["reason"]
    item = embedded.client("dynamodb").get_item(
        TableName=embedded.ready["outputs"]["ResultsTable"],
        Key={"request_id": {"S": accepted.json()["request_id"]}},
        ConsistentRead=True,
    )["Item"]
    assert item["attempts"]["N"] == "1"
    assert item["deliveries"]["N"] == "1"


def test_an_id_nobody_was_given_is_not_found(embedded: Running) -> None:
    answer = requests.get(f"{embedded.api}/v1/requests/nobody=", auth=embedded.signed, timeout=10)

    assert answer.status_code == 404


def test_boto3_finds_what_the_outputs_name(embedded: Running) -> None:
    outputs = embedded.ready["outputs"]
    assert embedded.client("kinesis").describe_stream_summary(StreamName=outputs["StreamName"])
    pushed = embedded.client("kinesis").describe_stream_consumer(ConsumerARN=outputs["KinesisEfoConsumerArn"])
    stream_arn = pushed["ConsumerDescription"]["StreamARN"]
    (consumer,) = embedded.client("kinesis").list_stream_consumers(StreamARN=stream_arn)["Consumers"]
    assert consumer["ConsumerARN"] == outputs["KinesisEfoConsumerArn"]
    (mapping,) = embedded.client("lambda").list_event_source_mappings(EventSourceArn=consumer["ConsumerARN"])[
        "EventSourceMappings"
    ]
    assert mapping["FunctionArn"].endswith(f":{outputs['KinesisEfoFunctionName']}")
    assert embedded.client("sqs").get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])
    assert embedded.client("sns").get_topic_attributes(TopicArn=outputs["TopicArn"])
    assert embedded.client("s3").list_objects_v2(Bucket=outputs["ImageBucket"])["ResponseMetadata"]
    assert embedded.client("dynamodb").describe_table(TableName=outputs["ResultsTable"])
    assert embedded.client("lambda").get_function_configuration(FunctionName=outputs["SqsFunctionName"])
    assert embedded.client("rekognition").detect_labels(Image={"Bytes": (PHOTOS / "camera.jpg").read_bytes()})


def output_of_the_program_in(document: str, embedded: Running) -> list[str]:
    """The lines that the first Python of a document prints, with what `forebay local` prints to be exported."""
    program = re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)[0]
    outputs = embedded.ready["outputs"]
    urls = {"API_URL": outputs["ApiUrl"], "WEBSOCKET_URL": outputs["WebSocketUrl"]}
    environment = os.environ | embedded.ready["environment"] | urls

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )

    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_clients_of_the_readme_all_see_a_cat(embedded: Running) -> None:
    lines = output_of_the_program_in("README.md", embedded)
    assert [line.split()[:2] for line in lines] == [
        ["SyncClient", "SUCCEEDED"], ["PollingClient", "SUCCEEDED"], ["WebSocketClient", "SUCCEEDED"],
    ]  # fmt: skip
    assert all("'Cat'" in line for line in lines)


def test_the_conversation_of_the_websockets_page_ends_with_a_cat(embedded: Running) -> None:
    put = requests.put(
        f"{embedded.api}/v1/images/cat.jpg",
        data=(PHOTOS / "chelsea.jpg").read_bytes(),
        headers={"content-type": "image/jpeg"},
        auth=embedded.signed,
        timeout=60,
    )
    assert put.status_code == 201
    accepted, named = output_of_the_program_in("docs/websocket.md", embedded)
    assert "'type': 'accepted'" in accepted
    assert "'Cat'" in named


def test_the_state_counts_what_came_and_what_became_of_it(embedded: Running) -> None:
    before = embedded.state("sqs")
    posted = embedded.post("sqs", {"image": {"bytes": base64.b64encode(b"x").decode()}})
    embedded.result(posted.json()["request_id"])
    until(lambda: embedded.state("sqs")["backlog"] == 0, "an end to the deliveries")
    after = requests.get(f"{embedded.ready['control_url']}/state", timeout=60).json()
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
def test_the_control_service_has_nothing_but_the_state(embedded: Running, path: str) -> None:
    control = embedded.ready["control_url"]
    request = requests.Request("GET", control).prepare()
    request.url = control + path
    with requests.Session() as session:
        assert session.send(request, timeout=60).status_code == 404
    assert requests.post(f"{control}/state", timeout=60).status_code == 405


def test_the_ready_line_says_every_option_and_quota_in_force(embedded: Running) -> None:
    options = embedded.ready["options"]
    assert options["account_concurrency"] == 10
    assert options["rekognition_median_ms"] == 30
    assert options["rekognition_model"] == "local-efficientnet-lite0"
    assert options["quotas"]["account_concurrency"] == 10
    assert options["rekognition_rate"] == options["quotas"]["rekognition_detect_labels_per_s"] == 200
    assert options["parameters"]["SqsBatchSize"] == 10


def test_everything_listens_on_the_loopback_only(embedded: Running) -> None:
    listening = [
        connection.laddr.ip
        for process in (embedded.process, *embedded.process.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
