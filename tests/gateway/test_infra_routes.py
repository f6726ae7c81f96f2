"""infra.yaml's routes: what each answer of a service becomes. A client never hears 2xx for what was not taken."""

import json

import aiohttp
import pytest

from local.gateway.rest_api import RestApi
from local.http import serve
from local.wire import WireResponse
from tests.gateway.conftest import Infra
from tests.gateway.upstream import EXTENDED_ID, Clock, Everybody, answered, fixed_id, post

BUFFERS = ["kinesis", "kinesis-efo", "sqs", "sns"]
KEY = b'{"image":{"key":"cat.jpg"}}'


def read(response: WireResponse) -> dict[str, object]:
    """The answer's JSON, which every answer is."""
    assert response.headers["content-type"] == "application/json"
    body = json.loads(response.body)
    assert isinstance(body, dict)
    if response.status >= 400:
        assert {"message", "remedy"} <= set(body), "an error says what is wrong and what to do"
        assert set(body) <= {"message", "remedy", "request_id", "status"}, "and perhaps what is known of the request"
    return body


@pytest.mark.parametrize("buffer", BUFFERS)
async def test_a_request_that_the_buffer_took_is_answered_with_its_id(infra: Infra, buffer: str) -> None:
    response = await infra.post(buffer, KEY)
    assert (response.status, read(response)) == (202, {"request_id": EXTENDED_ID})
    assert [len(upstream.seen) for upstream in infra.upstreams.values()].count(1) == 1
    assert len(infra.behind(buffer).seen) == 1


def _json_error(name: str, message: str) -> bytes:
    return json.dumps({"__type": name, "message": message}).encode()


def _query_error(code: str, message: str) -> bytes:
    return json.dumps({"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": "r"}).encode()


# What AWS answers, by its API model and its documentation; the messages as the services word them.
KINESIS = [
    (400, _json_error("ProvisionedThroughputExceededException", "Rate exceeded for shard shardId-000000000000 in "
        "stream forebay under account 123456789012."), 429),
    (400, _json_error("LimitExceededException", "Rate exceeded"), 429),
    (400, _json_error("ThrottlingException", "Rate exceeded"), 429),
    (400, _json_error("com.amazonaws.kinesis.v20131202#KMSThrottlingException", "slow down"), 429),
    (400, _json_error("ValidationException", "1 validation error detected: Value at 'data' failed to satisfy "
        "constraint: Member must have length less than or equal to 1048576"), 413),
    (400, _json_error("ValidationException", "1 validation error detected: Value '' at 'partitionKey' failed"), 502),
    (400, _json_error("ResourceNotFoundException", "Stream forebay under account 123456789012 not found."), 502),
    (400, _json_error("AccessDeniedException", "User is not authorized to perform: kinesis:PutRecord"), 502),
    (400, _json_error("UnrecognizedClientException", "The security token included in the request is invalid."), 502),
    (403, b'{"message":"Missing Authentication Token"}', 502),
    (400, b"{}", 502),
    (400, b'{"__type":null,"message":null}', 502),
    (400, b'{"__type":{"a":1}}', 502),
    (400, b"", 502),
    (413, b"<html>too large</html>", 500),
    (500, b'{"__type":"InternalFailure"}', 503),
    (503, b"", 503),
    (504, b"<html></html>", 503),
    (302, b"", 502),
    (200, b"{}", 502),
    (200, b"", 502),
    (200, b'{"SequenceNumber":null}', 502),
    (200, b'{"SequenceNumber":""}', 502),
    (200, b'{"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure"}]}', 502),
    (200, b"<html>", 500),
]  # fmt: skip
SQS = [
    (400, _query_error("RequestThrottled", "Request is throttled."), 429),
    (403, _query_error("ThrottlingException", "Rate exceeded"), 429),
    (403, _query_error("OverLimit", "Too many messages in flight."), 429),
    (400, _query_error("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter "
        "than 1048576 bytes."), 413),
    (400, _query_error("InvalidMessageContents", "Invalid binary character '#xFFFE' was found in the message."), 400),
    (400, _query_error("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."), 502),
    (403, _query_error("AccessDenied", "Access to the resource is denied."), 502),
    (400, b"{}", 502),
    (400, b"<ErrorResponse/>", 500),
    (500, _query_error("InternalError", "We encountered an internal error."), 503),
    (503, _query_error("ServiceUnavailable", "x"), 503),
    (301, b"", 502),
    (200, b"{}", 502),
    (200, b'{"SendMessageResponse":{"SendMessageResult":{}}}', 502),
    (200, b"<SendMessageResponse/>", 500),
]  # fmt: skip
SNS = [
    (429, _query_error("Throttled", "Rate exceeded"), 429),
    (400, _query_error("Throttling", "Rate exceeded"), 429),
    (400, _query_error("InvalidParameter", "Invalid parameter: Message too long"), 413),
    (400, _query_error("InvalidParameter", "Invalid parameter: TopicArn"), 502),
    (404, _query_error("NotFound", "Topic does not exist"), 502),
    (403, _query_error("AuthorizationError", "not authorized to perform: SNS:Publish"), 502),
    (400, b"{}", 502),
    (500, _query_error("InternalError", "x"), 503),
    (307, b"", 502),
    (200, b'{"PublishResponse":{}}', 502),
]  # fmt: skip
ANSWERS = {"kinesis": KINESIS, "kinesis-efo": KINESIS, "sqs": SQS, "sns": SNS}
CASES = [(buffer, *case) for buffer, cases in ANSWERS.items() for case in cases]


@pytest.mark.parametrize(("buffer", "upstream", "body", "status"), CASES)
async def test_what_the_buffer_answers_becomes(
    infra: Infra, buffer: str, upstream: int, body: bytes, status: int
) -> None:
    infra.behind(buffer).answer = answered(upstream, body)
    response = await infra.post(buffer, KEY)
    read(response)
    assert response.status == status
    assert (response.headers.get("retry-after") == "1") == (status in {429, 503})


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize("body", [b"{}", b'{"__type":"SomethingNew"}', b'{"Error":{"Code":"SomethingNew"}}'])
async def test_no_refusal_of_a_buffer_is_ever_a_success(infra: Infra, buffer: str, body: bytes) -> None:
    for status in [*range(300, 309), *range(400, 430), 499, *range(500, 512), 599]:
        infra.behind(buffer).answer = answered(status, body)
        assert (await infra.post(buffer, KEY)).status >= 400, status


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize(
    ("failure", "status"),
    [(ConnectionRefusedError("nobody"), 502), (ConnectionResetError("gone"), 502), (RuntimeError("a defect"), 500)],
)
async def test_a_buffer_that_does_not_answer(infra: Infra, buffer: str, failure: Exception, status: int) -> None:
    infra.behind(buffer).answer = failure
    response = await infra.post(buffer, KEY)
    read(response)
    assert response.status == status


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "nothing"),
        (b"{", "no JSON"),
        (b"null", "no object"),
        (b"[]", "no object"),
        (b'"text"', "no object"),
        (b"{}", "no image"),
        (b'{"image":{}}', "neither bytes nor key"),
        (b'{"image":{"key":"a","bytes":"AAAA"}}', "both"),
        (b'{"image":{"key":""}}', "an empty key"),
        (b'{"image":{"key":"../secret"}}', "a key with a slash"),
        (b'{"image":{"key":"' + b"a" * 129 + b'"}}', "a key too long"),
        (b'{"image":{"key":5}}', "a key that is no text"),
        (b'{"image":{"bytes":"not base64!"}}', "no base64"),
        (b'{"image":{"bytes":""}}', "no bytes at all"),
        (b'{"image":{"key":"a","x":1}}', "more than is known"),
        (b'{"image":{"key":"a"},"x":1}', "more than is known"),
        (b'{"image":{"key":"a"},"group":""}', "a group without a name"),
        (b'{"image":{"key":"a"},"group":7}', "a group that is no text"),
        (b'{"image":{"key":"a"},"group":"a b"}', "a group with a space"),
        (b'{"image":{"key":"a"},"group":"' + b"g" * 129 + b'"}', "a group too long"),
        (b'{"image":{"key":"a"},"run":{}}', "half a run"),
        (b'{"image":{"key":"a"},"run":{"id":"r","sequence":-1,"intended_at":1}}', "a negative number"),
        (b'{"image":{"key":"a"},"run":{"id":"r","sequence":1.5,"intended_at":1}}', "no whole number"),
        (b'{"image":{"key":"a"},"run":{"id":"r","sequence":1,"intended_at":NaN}}', "no JSON number"),
        (b'{"image":{"key":"a"},"run":{"id":"' + b"r" * 129 + b'","sequence":1,"intended_at":1}}', "an id too long"),
        (b'{"image":{"key":"a"}}{"image":{"key":"b"}}', "two objects"),
        (b"[" * 50_000 + b"]" * 50_000, "nested too deep"),
        ('{"image":{"key":"a"}}'.encode("utf-16"), "no UTF-8"),
    ],
)
async def test_a_body_that_is_not_as_the_model_says_is_a_400(
    infra: Infra, buffer: str, body: bytes, reason: str
) -> None:
    response = await infra.post(buffer, body)
    assert (response.status, read(response)["message"]) == (400, "Invalid request body"), reason
    assert infra.behind(buffer).seen == [], reason


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        (None, 202),  # API Gateway takes it for JSON
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),  # what curl -d sends
        ("image/jpeg", 415),  # although its bytes may pass elsewhere
        ("application/jsonx", 415),
        ("$default", 415),
    ],
)
async def test_only_json_is_taken_by_a_buffer(infra: Infra, buffer: str, content_type: str | None, status: int) -> None:
    response = await infra.post(buffer, KEY, content_type)
    read(response)
    assert response.status == status
    assert len(infra.behind(buffer).seen) == (status == 202)


@pytest.mark.parametrize("buffer", BUFFERS)
async def test_a_body_over_the_payload_limit_is_a_413(infra: Infra, buffer: str) -> None:
    response = await infra.post(buffer, b'{"image":{"bytes":"' + b"A" * 10_485_760 + b'"}}')
    read(response)
    assert (response.status, infra.behind(buffer).seen) == (413, [])


async def test_the_stage_throttles_with_429_and_says_when_to_come_again(infra: Infra) -> None:
    clock = Clock()
    api = RestApi(infra.stack.resources, infra.upstreams, clock, fixed_id, callers=Everybody())
    burst = int(str(infra.stack.parameters["ThrottleBurst"]))
    request = post(KEY, path=f"/{api.stage_name}/v1/kinesis/images", content_type="application/json")
    statuses = [(await api.handle(request)).status for _ in range(burst + 3)]
    assert statuses == [202] * burst + [429] * 3
    response = await api.handle(request)
    read(response)
    assert response.headers["retry-after"] == "1"
    assert len(infra.upstreams["kinesis"].seen) == burst


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/kinesis/images"), ("POST", "/v1/nowhere/images"), ("GET", ""), ("POST", "/v1/kinesis/images/")],
)
async def test_there_is_nothing_elsewhere(infra: Infra, method: str, path: str) -> None:
    response = await infra.ask(method, path, KEY)
    read(response)
    # As to who has not signed: what is there is told to nobody who may not know.
    assert (response.status, response.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


ITEM = {
    "request_id": {"S": EXTENDED_ID},
    "status": {"S": "SUCCEEDED"},
    "model_version": {"S": "efficientnet-lite0"},
    "labels": {"L": [
        {"M": {"name": {"S": 'Cat "the" \u2028\U0001f408\\'}, "confidence": {"N": "98.7654321"},
               "parents": {"L": [{"S": "Animal"}, {"S": "Mammal's"}]}}},
        {"M": {"name": {"S": "Sofa"}, "confidence": {"N": "55"}, "parents": {"L": []}}},
    ]},
}  # fmt: skip


async def look_up(infra: Infra, answer: WireResponse, id_: str = EXTENDED_ID) -> WireResponse:
    infra.upstreams["dynamodb"].answer = answer
    return await infra.ask("GET", f"/v1/requests/{id_}", content_type=None)


async def test_a_result_is_shown_with_its_labels(infra: Infra) -> None:
    response = await look_up(infra, answered(200, json.dumps({"Item": ITEM}).encode()))
    assert (response.status, read(response)) == (
        200,
        {
            "request_id": EXTENDED_ID,
            "status": "SUCCEEDED",
            "model_version": "efficientnet-lite0",
            "labels": [
                {"name": 'Cat "the" \u2028\U0001f408\\', "confidence": 98.7654321, "parents": ["Animal", "Mammal's"]},
                {"name": "Sofa", "confidence": 55, "parents": []},
            ],
        },
    )
    (asked,) = infra.upstreams["dynamodb"].seen
    assert asked.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert json.loads(asked.body) == {
        "TableName": infra.stack.outputs["ResultsTable"],
        "Key": {"request_id": {"S": EXTENDED_ID}},
        # What was stored a moment ago is there.
        "ConsistentRead": True,
    }


@pytest.mark.parametrize("labels", [{}, {"labels": {"L": []}}])
async def test_a_failed_result_says_why(infra: Infra, labels: dict[str, object]) -> None:
    item = {
        "request_id": {"S": EXTENDED_ID},
        "status": {"S": "FAILED"},
        "reason": {"S": 'InvalidImageFormat: "x"\n'},
        **labels,
    }
    response = await look_up(infra, answered(200, json.dumps({"Item": item}).encode()))
    assert read(response) == {
        "request_id": EXTENDED_ID,
        "status": "FAILED",
        "reason": 'InvalidImageFormat: "x"\n',
        "labels": [],
    }


@pytest.mark.parametrize(
    ("upstream", "body", "status"),
    [
        (400, _json_error("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "slow"), 429),
        (400, _json_error("com.amazon.coral.availability#ThrottlingException", "slow"), 429),
        (400, _json_error("com.amazonaws.dynamodb.v20120810#RequestLimitExceeded", "slow"), 429),
        (400, _json_error("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "no table"), 502),
        (400, b"{}", 502),
        (500, b"{}", 503),
        (302, b"", 502),
    ],
)
async def test_a_look_up_that_the_table_refuses(infra: Infra, upstream: int, body: bytes, status: int) -> None:
    response = await look_up(infra, answered(upstream, body))
    read(response)
    assert response.status == status


HANDLERS_ID = "h-0123456789abcdefghij_-"


@pytest.mark.parametrize(
    ("id_", "status", "comes_later"),
    [(EXTENDED_ID, "UNKNOWN_OR_WAITING", True), (HANDLERS_ID, "UNKNOWN", False), ("h-1", "UNKNOWN_OR_WAITING", True)],
)
@pytest.mark.parametrize("body", [b"{}", b'{"Item":{}}'])
async def test_an_id_that_is_not_in_the_table_is_a_404_that_tells_whether_to_ask_again(
    infra: Infra, body: bytes, id_: str, status: str, comes_later: bool
) -> None:
    response = await look_up(infra, answered(200, body), id_)
    assert (response.status, read(response)["status"]) == (404, status)
    assert ("retry-after" in response.headers) is comes_later


@pytest.mark.parametrize(
    ("attributes", "status", "reason", "why"),
    [
        ({"pending_until": 1_001}, "PENDING", None, "its time is not over"),
        ({"pending_until": 999}, "FAILED", "GivenUp", "its time is over"),
        ({"pending_until": -1}, "FAILED", "GivenUp", "long ago"),
        ({"pending_until": 1_001, "unpublished": "Throttling: slow"}, "FAILED", "Throttling: slow", "never published"),
        ({"pending_until": 999, "status": "SUCCEEDED"}, "SUCCEEDED", None, "a result goes before all else"),
        ({"unpublished": "Throttling", "status": "FAILED", "reason": "r"}, "FAILED", "r", "its own reason, too"),
    ],
)
async def test_a_request_that_is_known_and_has_no_result_is_pending_as_long_as_one_may_come(
    infra: Infra, attributes: dict[str, object], status: str, reason: str | None, why: str
) -> None:
    """Times in seconds; the look-up is at 1,000."""
    # A request is asked a second after the clock's time.
    asked_at = int((infra.clock.now + 1) * 1000)
    item: dict[str, object] = {"request_id": {"S": HANDLERS_ID}}
    for name, value in attributes.items():
        item[name] = {"N": str(asked_at + (value - 1_000) * 1000)} if isinstance(value, int) else {"S": value}
    response = await look_up(infra, answered(200, json.dumps({"Item": item}).encode()), HANDLERS_ID)
    answer = read(response)
    assert (response.status, answer["request_id"], answer["status"], answer["labels"]) == (200, HANDLERS_ID, status, [])
    if reason is not None:
        assert str(answer["reason"]).startswith(reason), why
    assert (response.headers.get("retry-after") == "1") is (status == "PENDING"), why


EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
async def test_an_upload_is_stored_byte_for_byte(infra: Infra, content_type: str) -> None:
    infra.upstreams["s3"].answer = WireResponse(200, {"etag": '"e"'}, b"")
    response = await infra.ask("PUT", "/v1/images/Cat_1.-x.jpg", EVERY_BYTE * 1000, content_type)
    assert (response.status, read(response)) == (201, {"key": "Cat_1.-x.jpg"})
    (stored,) = infra.upstreams["s3"].seen
    assert (stored.method, stored.path) == ("PUT", f"/{infra.stack.outputs['ImageBucket']}/Cat_1.-x.jpg")
    assert (stored.body, stored.headers["content-type"]) == (EVERY_BYTE * 1000, content_type)


@pytest.mark.parametrize(
    ("path", "content_type", "status", "reason"),
    [
        ("cat.jpg", "text/plain", 415, "no image"),
        ("cat.jpg", "image/gif", 415, "an image that Rekognition does not take"),
        ("cat.jpg", None, 400, "no type at all"),
        ("a" * 129, "image/png", 400, "a key too long"),
        ("a%2Fb", "image/png", 400, "a slash in the key"),
        ("a%22b", "image/png", 400, "a quote in the key"),
        ("a%0Ab", "image/png", 400, "a line break in the key"),
        ("%E2%80%A8", "image/png", 400, "unicode in the key"),
        ("$input.body", "image/png", 400, "VTL in the key"),
        ("", "image/png", 403, "no key"),
    ],
)
async def test_an_upload_that_is_refused(
    infra: Infra, path: str, content_type: str | None, status: int, reason: str
) -> None:
    response = await infra.ask("PUT", f"/v1/images/{path}", EVERY_BYTE, content_type)
    read(response)
    assert response.status == status, reason


@pytest.mark.parametrize(
    ("upstream", "status"), [(403, 502), (404, 502), (400, 502), (500, 503), (503, 503), (307, 502), (304, 502)]
)
async def test_an_upload_that_s3_refuses(infra: Infra, upstream: int, status: int) -> None:
    infra.upstreams["s3"].answer = WireResponse(upstream, {}, b"<?xml version='1.0'?><Error><Code>X</Code></Error>")
    response = await infra.ask("PUT", "/v1/images/cat.jpg", EVERY_BYTE, "image/png")
    read(response)
    assert response.status == status


async def test_a_large_upload_passes_through_the_socket_byte_for_byte(infra: Infra) -> None:
    image = EVERY_BYTE * 36_000
    server = await serve(infra.api)
    async with aiohttp.ClientSession() as session:
        url = f"{server.url}/{infra.api.stage_name}/v1/images/large.jpg"
        async with session.put(url, data=image, headers={"Content-Type": "image/jpeg"}, expect100=True) as response:
            assert (response.status, await response.json()) == (201, {"key": "large.jpg"})
    await server.close()
    assert infra.upstreams["s3"].seen[0].body == image


async def test_an_upload_over_the_payload_limit_is_a_413(infra: Infra) -> None:
    response = await infra.ask("PUT", "/v1/images/cat.jpg", b"\xff" * (10 * 1024 * 1024 + 1), "image/jpeg")
    read(response)
    assert (response.status, infra.upstreams["s3"].seen) == (413, [])
