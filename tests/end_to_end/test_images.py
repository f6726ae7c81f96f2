"""Pictures go in through the API, and what they show comes out."""

from typing import Any

import pytest
import requests

from tests.end_to_end.conftest import PHOTOS, Running, photo

pytestmark = pytest.mark.end_to_end

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
    uploaded = requests.put(
        f"{embedded.api}/v1/images/coffee-{buffer}.jpg",
        data=(PHOTOS / "coffee.jpg").read_bytes(),
        headers={"content-type": "image/jpeg"},
        auth=embedded.signed,
        timeout=30,
    )
    assert uploaded.status_code == 201
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
