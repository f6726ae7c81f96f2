import base64
import gc
import importlib
import json
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import AggRecord

from pipeline.request import Buffer, InlineImage, Measurement, Request
from pipeline.result import Label, Status
from pipeline.results_table import ResultsTable

BUFFERS: tuple[Buffer, ...] = ("kinesis", "sqs", "sns")
# Enough for a call or two, and then there is no time left to wait out a throttle.
HARDLY_ANY_MS = 2_050

ColdStart = Callable[[str], ModuleType]


def request(name: str, buffer: Buffer = "sqs") -> str:
    measurement = Measurement("r1", ord(name[0]), 1732400000100.5)
    return Request(name, 1732400000123, buffer, InlineImage(name.encode()), measurement).to_json()


def aggregated(*records: str) -> bytes:
    aggregate = AggRecord()
    for record in records:
        aggregate.add_user_record(b"key", record.encode())
    contents: bytes = aggregate.get_contents()[2]
    return contents


def kinesis(*records: str | bytes) -> dict[str, Any]:
    """A Kinesis event; sequence numbers count from 0."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "key",
                    "sequenceNumber": str(number),
                    "data": base64.b64encode(record.encode() if isinstance(record, str) else record).decode(),
                    "approximateArrivalTimestamp": 1732400000.2,
                },
                "eventSource": "aws:kinesis",
                "eventID": f"shardId-000000000000:{number}",
            }
            for number, record in enumerate(records)
        ]
    }


def sqs(*records: str) -> dict[str, Any]:
    """An SQS event; message ids count from 0."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "r",
                "body": record,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
            for number, record in enumerate(records)
        ]
    }


def sns(*records: str) -> dict[str, Any]:
    """An SNS event; message ids count from 0."""
    return {
        "Records": [
            {"EventSource": "aws:sns", "Sns": {"MessageId": str(number), "Message": record}}
            for number, record in enumerate(records)
        ]
    }


EVENTS: Mapping[Buffer, Callable[..., dict[str, Any]]] = {"kinesis": kinesis, "sqs": sqs, "sns": sns}


def failed(answer: dict[str, Any]) -> list[str]:
    assert set(answer) == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def invoke(module: ModuleType, buffer: Buffer, records: tuple[str, ...], context: Any) -> list[str]:
    """Deliver records as the buffer does, and say which it would deliver again: SNS those whose event raised."""
    if buffer != "sns":
        return failed(module.handler(EVENTS[buffer](*records), context))
    again = []
    for number, record in enumerate(records):
        try:
            assert module.handler(sns(record), context) is None
        except module.NotDoneError:
            again.append(str(number))
    return again


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_batch_is_recognised_and_stored(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any]
) -> None:
    records = ("a", "b", "c")

    assert invoke(cold_start(buffer), buffer, tuple(request(name, buffer) for name in records), context()) == []

    for name in records:
        stored = table.read(name)
        assert stored is not None
        assert stored.result.status is Status.SUCCEEDED
        assert stored.result.labels == (Label("Cat", 93.25, ("Animal",)),)
        assert (stored.result.model_version, stored.result.buffer) == ("scripted", buffer)
        assert stored.result.passage.batch_size == (1 if buffer == "sns" else 3)
        assert stored.result.passage.environment == "2026/11/23/[$LATEST]0123"
        passage = stored.result.passage
        assert stored.stored_at is not None
        assert passage.accepted_at < passage.received_at <= passage.recognised_at <= stored.stored_at
    assert len(list(table.read_run("r1"))) == 3


@pytest.mark.parametrize("buffer", BUFFERS)
def test_one_record_that_cannot_be_read_fails_alone(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any]
) -> None:
    records = (request("a", buffer), "no record", request("c", buffer))

    assert invoke(cold_start(buffer), buffer, records, context()) == ["1"]

    assert table.read("a") is not None
    assert table.read("c") is not None


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_refused_image_ends_as_failed_with_the_reason_and_is_called_for_once(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], rekognition: Any
) -> None:
    rekognition.script[b"text"] = [rekognition.NO_IMAGE]

    assert invoke(cold_start(buffer), buffer, (request("text", buffer),), context()) == []

    stored = table.read("text")
    assert stored is not None
    assert stored.result.status is Status.FAILED
    assert stored.result.reason == "InvalidImageFormatException: Request has invalid image format"
    assert rekognition.calls[b"text"] == 1


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_throttle_is_waited_out_inside_the_functions_time(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], rekognition: Any
) -> None:
    rekognition.script[b"a"] = [rekognition.THROTTLE, rekognition.THROTTLE, rekognition.CAT]

    assert invoke(cold_start(buffer), buffer, (request("a", buffer),), context()) == []

    stored = table.read("a")
    assert stored is not None
    assert stored.result.passage.attempts == 3


@pytest.mark.parametrize("buffer", BUFFERS)
def test_throttled_to_the_deadline_it_is_delivered_again_and_then_done(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], rekognition: Any
) -> None:
    rekognition.script[b"b"] = [rekognition.THROTTLE]
    module = cold_start(buffer)

    assert invoke(module, buffer, (request("b", buffer),), context(HARDLY_ANY_MS)) == ["0"]
    assert table.read("b") is None

    rekognition.script[b"b"] = [rekognition.CAT]
    assert invoke(module, buffer, (request("b", buffer),), context()) == []
    assert table.read("b") is not None


@pytest.mark.parametrize("buffer", BUFFERS)
def test_without_time_nothing_is_begun_and_all_is_delivered_again(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], rekognition: Any
) -> None:
    records = (request("a", buffer), request("b", buffer))

    assert invoke(cold_start(buffer), buffer, records, context(0)) == ["0", "1"]

    assert rekognition.calls.total() == 0


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize("same_environment", [True, False], ids=["same environment", "another environment"])
def test_delivered_twice_there_is_one_result_the_first_and_two_deliveries(
    buffer: Buffer,
    same_environment: bool,
    cold_start: ColdStart,
    table: ResultsTable,
    context: Callable[..., Any],
    rekognition: Any,
) -> None:
    module = cold_start(buffer)
    invoke(module, buffer, (request("a", buffer),), context())
    first = table.read("a")
    rekognition.script[b"a"] = [rekognition.NO_IMAGE]
    if not same_environment:
        module = cold_start(buffer)

    assert invoke(module, buffer, (request("a", buffer),), context()) == []

    second = table.read("a")
    assert first is not None
    assert second is not None
    assert (second.result, second.stored_at) == (first.result, first.stored_at)
    assert (first.deliveries, second.deliveries) == (1, 2)
    assert rekognition.calls[b"a"] == (1 if same_environment else 2)


def test_an_aggregate_is_taken_apart_and_its_failure_is_the_whole_records(
    cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any], rekognition: Any
) -> None:
    rekognition.script[b"c"] = [rekognition.DENIED]
    module = cold_start("kinesis")
    event = kinesis(request("a"), aggregated(request("b"), request("c")), request("d"))

    assert failed(module.handler(event, context())) == ["1"]
    assert [table.read(name) is not None for name in "abcd"] == [True, True, False, True]

    # Lambda delivers everything from the lowest failed sequence number on again.
    rekognition.script[b"c"] = [rekognition.CAT]
    assert failed(module.handler({"Records": event["Records"][1:]}, context())) == []

    stored = [table.read(name) for name in "abcd"]
    assert [each and each.deliveries for each in stored] == [1, 2, 1, 2]
    assert [each and each.result.passage.batch_size for each in stored] == [4, 4, 3, 4]
    assert [rekognition.calls[name.encode()] for name in "abd"] == [1, 1, 1]


def test_a_damaged_aggregate_fails_alone_and_is_no_record(
    cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any]
) -> None:
    whole = aggregated(request("b"))

    event = kinesis(request("a"), whole[:-1], b"", request("d"))

    assert failed(cold_start("kinesis").handler(event, context())) == ["1", "2"]
    assert [table.read(name) is not None for name in "abd"] == [True, False, True]


def test_a_push_that_must_be_tried_again_says_why(
    cold_start: ColdStart, context: Callable[..., Any], rekognition: Any
) -> None:
    rekognition.script[b"a"] = [rekognition.THROTTLE]
    module = cold_start("sns")

    with pytest.raises(module.NotDoneError, match="out of time: "):
        module.handler(sns(request("a", "sns")), context(HARDLY_ANY_MS))


@pytest.mark.parametrize("buffer", BUFFERS)
def test_only_the_first_batch_of_an_environment_waited_for_it(
    buffer: Buffer, cold_start: ColdStart, table: ResultsTable, context: Callable[..., Any]
) -> None:
    module = cold_start(buffer)
    for name in ("a", "b"):
        invoke(module, buffer, (request(name, buffer),), context())

    cold, warm = table.read("a"), table.read("b")
    assert cold is not None
    assert warm is not None
    assert cold.result.passage.init_ms > 0
    assert warm.result.passage.init_ms == 0


@pytest.mark.parametrize("buffer", BUFFERS)
def test_only_those_who_asked_are_told(
    buffer: Buffer,
    queues: Callable[[], dict[str, list[Any]]],
    cold_start: ColdStart,
    table: ResultsTable,
    context: Callable[..., Any],
) -> None:
    asking = json.loads(request("a", buffer))
    asking["request"] |= {"callback_url": "https://example.com/", "attach": "0f" * 32}
    records = (json.dumps(asking), request("b", buffer))

    assert invoke(cold_start(buffer), buffer, records, context()) == []

    assert queues() == {
        "CALLBACK_QUEUE_URL": [{"request_id": "a", "callback_url": "https://example.com/"}],
        "PUSH_QUEUE_URL": [{"request_id": "a", "attach": "0f" * 32}],
    }
    stored = table.read("a")
    assert stored is not None
    assert stored.result.attach == "0f" * 32


@pytest.mark.parametrize("buffer", BUFFERS)
def test_without_the_queues_of_those_who_tell_a_function_does_not_start(
    buffer: Buffer, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUSH_QUEUE_URL")

    with pytest.raises(ValueError, match="the variable PUSH_QUEUE_URL is not set"):
        cold_start(buffer)


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_logs_name_requests_and_reasons_and_hold_no_image(
    cold_start: ColdStart, context: Callable[..., Any], rekognition: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    rekognition.script[b"no image at all"] = [rekognition.NO_IMAGE]
    rekognition.script[b"an image denied"] = [rekognition.DENIED]
    secret = base64.b64encode(b"a secret image").decode()
    broken = json.dumps({"request_id": "broken", "request": {"image": {"bytes": secret, "key": "x"}}})
    module = cold_start("sqs")
    capfd.readouterr()

    answer = module.handler(
        sqs(request("a secret image"), request("no image at all"), request("an image denied"), broken, secret),
        context(),
    )

    assert failed(answer) == ["2", "4"]
    out, err = capfd.readouterr()
    assert err == ""
    for image in (b"a secret image", b"no image at all", b"an image denied"):
        assert base64.b64encode(image).decode() not in out
    logged = [line for line in lines(out) if "level" in line]
    assert {line["function_request_id"] for line in logged} == {"c9b8fa9f"}
    told = {line["request_id"]: line["reason"] for line in logged if "request_id" in line}
    assert told["no image at all"].startswith("InvalidImageFormatException")
    assert "AccessDeniedException" in told["an image denied"]
    assert told["broken"].startswith("InvalidRequest")
    (batch,) = [line for line in logged if line["message"] == "batch"]
    assert {name: batch[name] for name in ("records", "recognised", "refused", "failed")} == {
        "records": 5,
        "recognised": 1,
        "refused": 2,
        "failed": 2,
    }


@pytest.mark.parametrize("buffer", BUFFERS)
def test_metrics_are_embedded_once_a_batch_even_if_it_is_raised(
    buffer: Buffer,
    cold_start: ColdStart,
    context: Callable[..., Any],
    rekognition: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    rekognition.script[b"a"] = [rekognition.THROTTLE, rekognition.CAT]
    rekognition.script[b"t"] = [rekognition.THROTTLE]
    module = cold_start(buffer)
    capfd.readouterr()

    invoke(module, buffer, (request("a", buffer),), context())
    invoke(module, buffer, (request("t", buffer),), context(HARDLY_ANY_MS))

    metrics = [line for line in lines(capfd.readouterr().out) if "_aws" in line]
    assert [line.get("ColdStart") for line in metrics] == [[1.0], None, None]
    assert metrics[1]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Forebay"
    assert metrics[1]["service"] == os.environ["POWERTOOLS_SERVICE_NAME"]
    names = ("Recognised", "Refused", "Throttled", "Retried", "ItemFailures")
    assert [metrics[1][name] for name in names] == [[1.0], [0.0], [1.0], [1.0], [0.0]]
    assert (metrics[2]["Recognised"], metrics[2]["ItemFailures"]) == ([0.0], [1.0])


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_function_without_its_variables_does_not_start_and_says_which(
    buffer: Buffer, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAX_LABELS")

    with pytest.raises(ValueError, match="the variable MAX_LABELS is not set"):
        cold_start(buffer)


def test_the_collector_is_at_work_again_once_a_function_stands_ready(cold_start: ColdStart) -> None:
    usual = importlib.import_module("consumers").COLLECTOR_THRESHOLD
    gc.set_threshold(1_000_000)

    cold_start("sqs")

    assert gc.isenabled()
    assert gc.get_threshold() == usual
