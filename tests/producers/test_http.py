import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.request import Measurement
from pipeline.result import Label, Status
from producers.authentication import Authentication
from producers.http import Answer, ApiClient, ApiError, NoResultError

if TYPE_CHECKING:
    from conftest import Api

JPEG = b"\xff\xd8\xff" + bytes(range(256))
RESULT = {
    "request_id": "a/b+c=",
    "status": "SUCCEEDED",
    "labels": [{"name": "Cat", "confidence": 93.25, "parents": ["Animal"]}],
}


def test_a_small_image_goes_inline_with_every_byte(api: "Api") -> None:
    api.script = [(202, {"request_id": "id1"})]

    assert ApiClient(api.url + "/").submit("kinesis", JPEG, Measurement("r1", 7, 1732400000100.5)) == "id1"

    method, path, headers, body = api.asked[0]
    assert (method, path, headers["content-type"]) == ("POST", "/live/v1/kinesis/images", "application/json")
    assert json.loads(body) == {
        "image": {"bytes": base64.b64encode(JPEG).decode()},
        "run": {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5},
    }


@pytest.mark.parametrize("size", [1, 300_000])
def test_a_group_goes_with_the_request_however_its_image_does(api: "Api", size: int) -> None:
    api.script = [(201, {"key": "k"})] * (size > 1) + [(202, {"request_id": "id1"})]

    ApiClient(api.url).submit("kinesis-efo", JPEG + bytes(size), group="camera-7")

    *_, path, _, body = api.asked[-1]
    assert path == "/live/v1/kinesis-efo/images"
    assert json.loads(body)["group"] == "camera-7"


def test_a_large_image_is_uploaded_first_and_sent_by_its_key(api: "Api") -> None:
    api.script = [(201, {"key": "stored"}), (202, {"request_id": "id1"})]
    image = JPEG + bytes(300_000)

    assert ApiClient(api.url).submit("sns", image) == "id1"

    method, path, headers, body = api.asked[0]
    assert (method, headers["content-type"], body) == ("PUT", "image/jpeg", image)
    assert path.startswith("/live/v1/images/")
    assert json.loads(api.asked[1][3]) == {"image": {"key": "stored"}}


@pytest.mark.parametrize(
    ("image", "content_type"),
    [(JPEG, "image/jpeg"), (b"\x89PNG\r\n\x1a\nrest", "image/png"), (b"text", "application/octet-stream")],
    ids=["JPEG", "PNG", "neither"],
)
def test_an_upload_says_what_the_image_is_and_its_key_cannot_leave_its_place(
    api: "Api", image: bytes, content_type: str
) -> None:
    api.script = [(201, {"key": "k"})]

    ApiClient(api.url).upload("../v1?x=1#y", image)

    assert api.asked[0][1] == "/live/v1/images/..%2Fv1%3Fx%3D1%23y"
    assert api.asked[0][2]["content-type"] == content_type


def test_a_result_is_read_under_an_id_with_letters_that_mean_something_in_a_url(api: "Api") -> None:
    api.script = [(200, RESULT), (200, {**RESULT, "status": "FAILED", "labels": [], "reason": "no image"})]
    client = ApiClient(api.url)

    assert client.result("a/b+c=") == Answer("a/b+c=", Status.SUCCEEDED, (Label("Cat", 93.25, ("Animal",)),), None)
    assert client.result("a/b+c=") == Answer("a/b+c=", Status.FAILED, (), "no image")
    assert api.asked[0][1] == "/live/v1/requests/a%2Fb%2Bc%3D"


def test_a_result_that_is_not_there_is_none(api: "Api") -> None:
    api.script = [(404, {"message": "none"})]

    assert ApiClient(api.url).result("id1") is None


def test_the_api_key_goes_with_every_call(api: "Api") -> None:
    api.script = [(202, {"request_id": "id1"}), (200, RESULT)]
    client = ApiClient(api.url, authentication=Authentication(api_key="secret"))
    client.submit("sqs", JPEG)
    client.result("id1")

    assert [headers["x-api-key"] for _, _, headers, _ in api.asked] == ["secret", "secret"]


@pytest.mark.parametrize(
    ("status", "cure", "retryable"),
    [
        (400, "the API's model", False),
        (403, "check the URL, and what the client shows", False),
        (404, "ends before /v1", False),
        (413, "upload the image and send its key", False),
        (415, "application/json, and images as image/jpeg or image/png", False),
        (429, "send it again later", True),
        (500, "oops", True),
        (502, "oops", True),
        (503, "oops", True),
        (200, "oops", False),
        (301, "oops", False),
    ],
)
def test_a_refusal_names_the_call_the_status_the_answer_and_the_cure(
    api: "Api", status: int, cure: str, retryable: bool
) -> None:
    api.script = [(status, {"message": "oops"})]

    with pytest.raises(ApiError, match=rf"POST {api.url}/v1/sqs/images was answered {status} .*oops.*") as error:
        ApiClient(api.url).submit("sqs", JPEG)

    assert cure in str(error.value)
    assert (error.value.status, error.value.retryable) == (status, retryable)
    assert len(api.asked) == 1


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"request_id": 7}', b"\xff"])
def test_an_answer_that_is_not_this_apis_says_so(api: "Api", answer: bytes) -> None:
    api.script = [(202, answer)]

    with pytest.raises(ApiError, match="is it this API"):
        ApiClient(api.url).submit("sqs", JPEG)


@pytest.mark.parametrize(
    "change", [{"status": "DONE"}, {"labels": [7]}, {"labels": 7}, {"request_id": None, "status": None}]
)
def test_a_result_that_cannot_be_read_is_an_api_error(api: "Api", change: dict[str, Any]) -> None:
    api.script = [(200, {**RESULT, **change})]

    with pytest.raises(ApiError, match="cannot be read"):
        ApiClient(api.url).result("id1")


def test_an_api_that_is_not_up_says_what_to_check(api: "Api") -> None:
    unused = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    unused.server_close()

    with pytest.raises(ApiError, match=r"got no answer: .*; check the URL, and that the API is up") as error:
        ApiClient(f"http://127.0.0.1:{unused.server_port}").submit("sqs", JPEG)

    assert (error.value.status, error.value.retryable) == (0, True)


def test_an_unknown_buffer_is_refused_before_the_call(api: "Api") -> None:
    with pytest.raises(ValueError, match="'fax' is not one of sns, sqs, kinesis"):
        ApiClient(api.url).submit("fax", JPEG)  # type: ignore[arg-type]

    assert api.asked == []


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_waiting_asks_ever_more_slowly_through_throttles_and_faults_until_the_result_is_there(api: "Api") -> None:
    api.script = [(404, {}), (429, {}), (502, {}), (404, {}), (404, {}), (404, {}), (200, RESULT)]
    time = Time()

    answer = ApiClient(api.url, clock=lambda: time.now, sleep=time.sleep).wait("id1")

    assert answer.status is Status.SUCCEEDED
    assert time.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]


def test_waiting_ends_and_says_where_the_request_may_be(api: "Api") -> None:
    api.script = [(404, {}), (404, {}), (503, {"message": "down"})]
    time = Time()

    with pytest.raises(NoResultError, match=r"id1 has no result after 0\.5 s \(.*503.*\): it may still be waiting"):
        ApiClient(api.url, clock=lambda: time.now, sleep=time.sleep).wait("id1", timeout_s=0.5)

    assert api.script == []


def test_waiting_does_not_go_on_when_asking_is_forbidden(api: "Api") -> None:
    api.script = [(403, {})]

    with pytest.raises(ApiError):
        ApiClient(api.url).wait("id1")
