"""The synchronous function as Lambda loads it; what it decides is tests/consumers/test_synchronous.py's."""

import base64
import json
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pipeline.result import Status
from pipeline.results_table import ResultsTable

ColdStart = Callable[[str], ModuleType]


@pytest.fixture
def sync(
    cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, dict[str, Any], dict[str, str]]]:
    """POSTs an image to the function, which starts with the first."""
    monkeypatch.setenv("IMAGE_BUCKET", "images")
    monkeypatch.setenv("INTEGRATION_TIMEOUT_MS", "29000")
    monkeypatch.setenv("IN_BATCH_CONCURRENCY", "1")
    module: list[ModuleType] = []

    def post(image: bytes, waited_ms: float = 10, **more: object) -> tuple[int, dict[str, Any], dict[str, str]]:
        if not module:
            module.append(cold_start("sync"))
        body = {"image": {"bytes": base64.b64encode(image).decode()}, **more}
        event = {
            "body": json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": {
                "extendedRequestId": f"id-{image.decode()}",
                "requestTimeEpoch": round(time.time() * 1_000 - waited_ms),
                "identity": {"caller": None, "apiKeyId": None},
            },
        }
        answer = module[0].handler(event, context())
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return post


def test_an_image_is_answered_with_its_labels_and_can_be_polled_for_afterwards(sync: Any, table: ResultsTable) -> None:
    run = {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}

    status, body, headers = sync(b"cat", run=run)

    assert (status, headers) == (200, {"Content-Type": "application/json"})
    stored = table.read("id-cat")
    assert stored is not None
    assert body == stored.result.to_document()
    assert body["labels"] == [{"name": "Cat", "confidence": 93.25, "parents": ["Animal"]}]
    assert (stored.result.buffer, stored.result.passage.init_ms > 0) == (None, True)
    assert [each.result.request_id for each in table.read_run("r1")] == ["id-cat"]


def test_an_image_that_is_none_is_a_failed_result(sync: Any, table: ResultsTable, rekognition: Any) -> None:
    rekognition.script[b"text"] = [rekognition.NO_IMAGE]

    status, body, _ = sync(b"text")

    assert (status, body["status"]) == (422, "FAILED")
    assert body["reason"] == "InvalidImageFormatException: Request has invalid image format"
    stored = table.read("id-text")
    assert stored is not None
    assert stored.result.status is Status.FAILED


def test_a_throttle_is_waited_out(sync: Any, rekognition: Any) -> None:
    rekognition.script[b"a"] = [rekognition.THROTTLE, rekognition.CAT]

    assert sync(b"a")[0] == 200
    assert rekognition.calls[b"a"] == 2


def test_throttled_to_the_end_of_its_time_a_client_is_told_to_come_again(
    sync: Any, table: ResultsTable, rekognition: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rekognition.script[b"a"] = [rekognition.THROTTLE]
    # Time for a few calls.
    monkeypatch.setenv("INTEGRATION_TIMEOUT_MS", "4000")

    status, body, headers = sync(b"a")

    assert (status, headers["Retry-After"]) == (429, "1")
    assert body["message"]
    assert body["remedy"]
    assert table.read("id-a") is None


def test_for_a_client_that_has_been_told_504_nothing_is_called(sync: Any, rekognition: Any) -> None:
    assert sync(b"a", waited_ms=29_000)[0] == 504
    assert rekognition.calls.total() == 0


def test_logs_and_metrics_name_the_request_and_hold_no_image(
    sync: Any, rekognition: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    rekognition.script[b"secret"] = [rekognition.THROTTLE, rekognition.NO_IMAGE]
    capfd.readouterr()

    sync(b"secret")

    out, err = capfd.readouterr()
    assert err == ""
    assert base64.b64encode(b"secret").decode() not in out
    lines = [json.loads(line) for line in out.splitlines()]
    (logged,) = [line for line in lines if "level" in line]
    assert (logged["level"], logged["request_id"], logged["status"]) == ("WARNING", "id-secret", 422)
    assert logged["reason"].startswith("InvalidImageFormatException")
    # The cold start has a line of its own.
    (counted,) = [line for line in lines if "_aws" in line and "Refused" in line]
    names = ("Recognised", "Refused", "Unanswered", "Unstored", "Throttled", "Retried")
    assert [counted[name] for name in names] == [[0.0], [1.0], [0.0], [0.0], [1.0], [1.0]]


def test_a_function_without_its_variables_does_not_start_and_says_which(
    cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_BUCKET", "images")

    with pytest.raises(ValueError, match="the variable INTEGRATION_TIMEOUT_MS is not set"):
        cold_start("sync")
