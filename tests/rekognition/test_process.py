"""The stand-in as users meet it: a process, asked by boto3."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

PHOTOS = Path(__file__).parents[2] / "loadtest" / "images"


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "local.rekognition", "--rate", "20", "--median-ms", "20"]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield started
    assert started.stdin is not None
    started.stdin.close()
    assert started.wait(10) == 0


@pytest.fixture(scope="module")
def client(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return boto3.client(
        "rekognition",
        endpoint_url=json.loads(process.stdout.readline())["url"],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=100),
    )


def test_boto3_gets_labels_of_a_photo_from_a_model_that_says_its_name(client: Any) -> None:
    answer = client.detect_labels(Image={"Bytes": (PHOTOS / "chelsea.jpg").read_bytes()}, MinConfidence=80)
    assert "Cat" in {label["Name"] for label in answer["Labels"]}
    assert all(label["Confidence"] >= 80 for label in answer["Labels"])
    assert answer["LabelModelVersion"] == "local-efficientnet-lite0"


def test_a_text_named_jpg_is_an_invalid_image_format(client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidImageFormatException):
        client.detect_labels(Image={"Bytes": b"this is no picture"})


def test_an_s3_object_without_an_s3_is_refused_and_not_retried(client: Any) -> None:
    with pytest.raises(client.exceptions.InvalidS3ObjectException):
        client.detect_labels(Image={"S3Object": {"Bucket": "images", "Name": "none.jpg"}})


def test_another_operation_is_not_known(client: Any) -> None:
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.detect_faces(Image={"Bytes": b"x"})


def test_more_calls_at_once_than_the_quota_are_throttled(client: Any) -> None:
    ended: Counter[str] = Counter()

    def call() -> None:
        try:
            client.detect_labels(Image={"Bytes": (PHOTOS / "coffee.jpg").read_bytes()})
            ended["ok"] += 1
        except client.exceptions.ProvisionedThroughputExceededException:
            ended["throttled"] += 1

    callers = [threading.Thread(target=call) for _ in range(80)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert ended["ok"] + ended["throttled"] == 80
    assert ended["ok"] >= 1
    assert ended["throttled"] >= 1
