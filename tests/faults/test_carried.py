"""Which requests a call is about, read off what really goes over each edge."""

import base64
import json
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from botocore.session import get_session

from local.faults.carried import mark_for, requests_of_call, requests_of_event
from local.faults.fault import Edge
from local.wire import WireRequest
from pipeline.image_mark import marked
from pipeline.request import Measurement
from pipeline.result import Passage, Result, Status
from pipeline.results_table import ResultsTable
from tests.faults.conftest import PHOTO


def record(number: int) -> str:
    run = {"id": "run-1.sqs", "sequence": number, "intended_at": 1.0}
    return json.dumps({"request_id": f"r{number}", "request": {"image": {"key": "a.jpg"}, "run": run}})


class Sent:
    """botocore's own request, caught before it leaves."""

    def __init__(self, service: str) -> None:
        self.client: Any = get_session().create_client(
            service, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        self.client.meta.events.register("before-send", self._catch)
        self.request = WireRequest("POST", "/")

    def _catch(self, request: Any, **_: Any) -> Any:
        self.request = WireRequest("POST", "/", body=request.body)
        raise ConnectionAbortedError


def test_rekognition_is_shown_no_request_but_its_image_s_mark() -> None:
    sent = Sent("rekognition")
    for image, known in (
        (marked(PHOTO, mark_for(("run-1/a", 12))), [("run-1/a", 12)]),
        (marked(PHOTO, "of-somebody-else"), []),
        (PHOTO, []),
    ):
        with pytest.raises(ConnectionAbortedError):
            sent.client.detect_labels(Image={"Bytes": image})
        assert list(requests_of_call(Edge.REKOGNITION, sent.request)) == known
    with pytest.raises(ConnectionAbortedError):
        sent.client.detect_labels(Image={"S3Object": {"Bucket": "bucket", "Name": "a.jpg"}})
    assert not requests_of_call(Edge.REKOGNITION, sent.request)


def test_the_write_of_a_measured_result_is_known_and_the_stamp_after_it_is_not() -> None:
    sent = Sent("dynamodb")
    table = ResultsTable(sent.client, "results")
    passage = Passage(1.0, 2.0, 3.0, 1, 1, 0.0, "e")
    result = Result("r", "sqs", Status.SUCCEEDED, (), None, "m", passage, Measurement("run-1", 7, 1.0))
    with pytest.raises(ConnectionAbortedError):
        table.write(result)
    assert list(requests_of_call(Edge.DYNAMODB, sent.request)) == [("run-1", 7)]
    with pytest.raises(ConnectionAbortedError):
        table.count("r")
    assert not requests_of_call(Edge.DYNAMODB, sent.request)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"Image": 1}', b'{"Image": {"Bytes": "%%%"}}', b"[" * 9_999])
@pytest.mark.parametrize("edge", Edge)
def test_a_call_that_cannot_be_read_is_about_nobody(edge: Edge, body: bytes) -> None:
    assert not requests_of_call(edge, WireRequest("POST", "/", body=body))


def test_every_record_of_a_function_s_event_is_known() -> None:
    aggregate = RecordAggregator()
    aggregate.add_user_record("key", record(3).encode())
    aggregate.add_user_record("key", record(4).encode())
    data = aggregate.clear_and_get().get_contents()[2]
    events = {
        "sns": [{"Sns": {"Message": record(1)}}],
        "sqs": [{"body": record(1)}, {"body": record(2)}, {"body": "no request"}, {"body": "[]"}],
        "kinesis": [
            {"kinesis": {"data": base64.b64encode(record(1).encode()).decode()}},
            {"kinesis": {"data": base64.b64encode(data).decode()}},
        ],
    }
    known = {
        buffer: [number for _, number in requests_of_event(json.dumps({"Records": records}).encode())]
        for buffer, records in events.items()
    }
    assert known == {"sns": [1], "sqs": [1, 2], "kinesis": [1, 3, 4]}


@pytest.mark.parametrize("event", [b"", b"{}", b'{"Records": 1}', b'{"Records": [{}]}', b'{"requestContext": {}}'])
def test_an_event_of_another_kind_is_about_nobody(event: bytes) -> None:
    assert not requests_of_event(event)


def test_requests_of_an_event_name_their_run() -> None:
    assert requests_of_event(json.dumps({"Records": [{"body": record(5)}]}).encode()) == [("run-1.sqs", 5)]
