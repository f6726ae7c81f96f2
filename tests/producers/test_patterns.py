"""The clients of each HTTP pattern against an API that answers by script."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.request import Measurement, StoredImage
from pipeline.result import Label, Standing, Status
from producers.answer import Answer, Ticket
from producers.api_error import ApiError, NoResultError
from producers.callback import CallbackClient
from producers.http import ApiClient
from producers.polling import PollingClient
from producers.sync import SyncClient

if TYPE_CHECKING:
    from conftest import Api

JPEG = b"\xff\xd8\xff" + bytes(range(256))
RESULT = {"request_id": "id=", "status": "SUCCEEDED", "labels": [{"name": "Cat", "confidence": 93.25}]}
CAT = Answer("id=", Status.SUCCEEDED, (Label("Cat", 93.25),), None)
WAITING = (404, {"status": "UNKNOWN_OR_WAITING", "message": "..."})
PENDING = (200, {"request_id": "id=", "status": "PENDING"})


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def polling(api: "Api", **settings: Any) -> tuple[PollingClient, Time]:
    time = Time()
    return PollingClient(ApiClient(api.url), "sqs", clock=lambda: time.now, sleep=time.sleep, **settings), time


def test_a_synchronous_request_has_its_labels_in_its_answer(api: "Api") -> None:
    api.script = [(200, RESULT)]
    client = SyncClient(ApiClient(api.url))

    ticket = client.submit(JPEG, Measurement("r1", 7, 5.5))

    assert client.wait(ticket) == CAT
    assert (ticket.request_id, ticket.calls) == ("id=", 1)
    assert [path for _, path, _, _ in api.asked] == ["/live/v1/sync/images"]
    assert json.loads(api.asked[0][3])["run"] == {"id": "r1", "sequence": 7, "intended_at": 5.5}


def test_an_image_that_the_synchronous_route_refuses_is_an_answer_with_the_reason(api: "Api") -> None:
    api.script = [(422, {"request_id": "id=", "status": "FAILED", "reason": "no image"})]

    assert SyncClient(ApiClient(api.url)).recognise(JPEG) == Answer("id=", Status.FAILED, (), "no image")


@pytest.mark.parametrize(
    ("status", "body", "headers", "request_id"),
    [
        (504, {"message": "out of time", "request_id": "id="}, {}, "id="),  # the function's own
        (504, {"message": "Endpoint request timed out"}, {"x-amz-apigw-id": "gw="}, "gw="),  # the gateway's
        (502, b"<html>", {}, None),
        (422, {"message": "no request at all"}, {}, None),
    ],
)
def test_a_synchronous_request_that_is_given_up_says_under_which_id_to_ask_for_it(
    api: "Api", status: int, body: Any, headers: dict[str, str], request_id: str | None
) -> None:
    api.script = [(status, body, headers)]

    with pytest.raises(ApiError) as error:
        SyncClient(ApiClient(api.url)).submit(JPEG)

    assert (error.value.status, error.value.request_id) == (status, request_id)


def test_a_large_image_costs_its_upload_too(api: "Api") -> None:
    api.script = [(201, {"key": "stored"}), (200, RESULT)]

    assert SyncClient(ApiClient(api.url)).submit(JPEG + bytes(300_000)).calls == 2


@pytest.mark.parametrize(("handler", "path"), [(False, "/live/v1/sqs/images"), (True, "/live/v1/handler/sqs/images")])
def test_a_polling_client_asks_at_its_interval_and_counts_what_it_asks(api: "Api", handler: bool, path: str) -> None:
    api.script = [(202, {"request_id": "id="}, {"retry-after": "7"}), WAITING, PENDING, (429, {}), (200, RESULT)]
    client, time = polling(api, interval_s=0.25, handler=handler)

    ticket = client.submit(StoredImage(bucket="", key="cat.jpg"))
    assert client.wait(ticket) == CAT

    assert time.slept == [0.25] * 4
    assert ticket.calls == 5
    assert client.wait(ticket) == CAT, "what is known is not asked for again"
    assert [path for _, path, _, _ in api.asked] == [path] + ["/live/v1/requests/id%3D"] * 4
    assert json.loads(api.asked[0][3]) == {"image": {"key": "cat.jpg"}}


def test_without_an_interval_it_waits_as_long_as_the_api_says(api: "Api") -> None:
    after = [{"retry-after": text} for text in ("3", "2", "Wed, 21 Oct 2026 07:28:00 GMT", "4")]
    api.script = [
        (202, {"request_id": "id="}, after[0]), (*PENDING, after[1]), (*WAITING, after[2]), (503, {}, after[3]),
        (200, RESULT),
    ]  # fmt: skip
    client, time = polling(api)

    client.recognise(JPEG)

    assert time.slept == [3, 2, 1, 4], "a second where it does not say"


@pytest.mark.parametrize("interval_s", [0.4, 5.0])
def test_polling_ends_with_its_time_and_says_where_the_request_may_be(api: "Api", interval_s: float) -> None:
    api.script = [(202, {"request_id": "id="})] + [WAITING] * 2
    client, time = polling(api, interval_s=interval_s)

    with pytest.raises(NoResultError, match=r"id= has no result after 1 s: it may still be waiting"):
        client.recognise(JPEG, timeout_s=1.0)

    assert time.now <= 1.0


def test_a_request_that_nobody_knows_is_not_waited_for(api: "Api") -> None:
    api.script = [(404, {"status": "UNKNOWN"})]
    client, _ = polling(api, interval_s=1.0)

    with pytest.raises(NoResultError, match="there is no request h-1"):
        client.wait(Ticket("h-1"))


def test_a_look_tells_pending_from_unknown_and_both_from_a_result(api: "Api") -> None:
    failed = (200, {"status": "FAILED", "reason": "it was never published"})
    api.script = [PENDING, (404, {"status": "UNKNOWN"}), WAITING, failed, (200, RESULT), PENDING]
    client = ApiClient(api.url)

    looks = [client.look("id=") for _ in range(5)]

    assert [look.standing for look in looks] == [
        Standing.PENDING, Standing.UNKNOWN, Standing.UNKNOWN_OR_WAITING, Standing.FAILED, Standing.SUCCEEDED,
    ]  # fmt: skip
    assert looks[3].answer == Answer("id=", Status.FAILED, (), "it was never published")
    assert client.result("id=") is None


def test_an_idempotency_key_goes_to_the_handler_and_nowhere_else(api: "Api") -> None:
    api.script = [(202, {"request_id": "id="})]
    client, _ = polling(api, handler=True)

    client.submit(JPEG, idempotency_key="order-7")

    assert api.asked[0][2]["idempotency-key"] == "order-7"
    client, _ = polling(api, handler=False)
    with pytest.raises(ValueError, match="handler=True"):
        client.submit(JPEG, idempotency_key="order-7")
    assert len(api.asked) == 1


class Receiver:
    url = "https://receiver.example.com/done"

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self.bodies = bodies

    def wait(self, request_id: str, timeout_s: float) -> bytes | None:
        return self.bodies.get(request_id)


def test_a_callback_client_names_its_receiver_and_takes_what_comes_there(api: "Api") -> None:
    api.script = [(202, {"request_id": "id="})]
    client = CallbackClient(ApiClient(api.url), Receiver({"id=": json.dumps(RESULT).encode()}), "kinesis", handler=True)

    ticket = client.submit(JPEG)

    assert client.wait(ticket) == CAT
    assert ticket.calls == 1
    assert api.asked[0][1] == "/live/v1/handler/kinesis/images"
    assert json.loads(api.asked[0][3])["callback_url"] == Receiver.url


@pytest.mark.parametrize(
    ("bodies", "error", "says"),
    [
        ({}, NoResultError, "id= has no result after 3 s"),
        ({"id=": b"<html>"}, ApiError, "cannot be read"),
    ],
)
def test_a_callback_that_does_not_come_or_is_none_says_so(
    api: "Api", bodies: dict[str, bytes], error: type[Exception], says: str
) -> None:
    client = CallbackClient(ApiClient(api.url), Receiver(bodies))

    with pytest.raises(error, match=says):
        client.wait(Ticket("id="), timeout_s=3.0)
