"""The mapping templates of infra.yaml, rendered one by one. What the whole gateway makes of them is tests/gateway's."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.exchange import RequestId, new_context
from local.gateway.mapping_template import Input, MappingTemplate, Parameters, TemplateFailedError
from local.gateway.payload import Payload
from local.template import ResolvedStack
from local.wire import WireRequest
from pipeline.request import InlineImage, Measurement, Request, StoredImage

REQUEST_ID = "Fv6kVGuJIAMF3Iw="
ACCEPTED_AT = 1732400000123
POSTS = {
    "PostKinesisImage": "kinesis",
    "PostKinesisEfoImage": "kinesis-efo",
    "PostSqsImage": "sqs",
    "PostSnsImage": "sns",
}
STREAMS = {"PostKinesisImage": "Stream", "PostKinesisEfoImage": "KinesisEfoStream"}
HOSTILE = [
    '"',
    "'",
    "\\",
    '"}}',
    "\n\r\t\x00\x1f",
    "a&Action=DeleteQueue&b=c",
    "100%+1=2%22",
    "\u00e9\u4e2d\U0001f600\u2028",
    "$context.extendedRequestId",
    "${ImageBucket}",
    "#set($record = 1)#end",
    "@id@accepted_at@owner@body",
    "</script>",
]


@dataclass(frozen=True)
class Rendered:
    text: str
    status: int | None
    headers: dict[str, str]
    path: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def render(
    template: str,
    body: bytes = b"",
    path: dict[str, str] | None = None,
    content_type: str = "",
    variables: Mapping[str, str] | None = None,
    identity: Mapping[str, str] | None = None,
) -> Rendered:
    request = WireRequest("POST", "/live/v1")
    context = new_context("api", "live", request, RequestId("plain", REQUEST_ID), ACCEPTED_AT)
    context["identity"] |= identity or {}
    parameters = Parameters(path or {}, {}, {"content-type": content_type} if content_type else {})
    text = MappingTemplate(template).render(Input(Payload(body), parameters), context, variables or {})
    override = context["responseOverride"]
    return Rendered(text, override.get("status"), dict(override["header"]), context["requestOverride"]["path"])


def request_template(stack: ResolvedStack, method: str) -> str:
    template = stack.resources[method].properties["Integration"]["RequestTemplates"]["application/json"]
    assert isinstance(template, str)
    return template


def answer_template(stack: ResolvedStack, method: str, pattern: str | None) -> str:
    for answer in stack.resources[method].properties["Integration"]["IntegrationResponses"]:
        if answer.get("SelectionPattern") == pattern:
            template = answer["ResponseTemplates"]["application/json"]
            assert isinstance(template, str)
            return template
    raise AssertionError(f"{method} has no answer for {pattern}")


def carried(stack: ResolvedStack, method: str, body: dict[str, Any]) -> str:
    """What the buffer gets, after checking everything around it."""
    call = render(request_template(stack, method), json.dumps(body, ensure_ascii=False).encode()).text
    if method in STREAMS:
        put = json.loads(call)
        assert put.keys() == {"StreamName", "PartitionKey", "Data"}
        assert put["StreamName"] == stack.resources[STREAMS[method]].ref
        assert put["PartitionKey"] == REQUEST_ID
        return base64.b64decode(put["Data"], validate=True).decode()
    form = parse_qsl(call, keep_blank_values=True, strict_parsing=True)
    fields = dict(form)
    assert len(form) == len(fields)
    if method == "PostSqsImage":
        assert fields.keys() == {"Action", "Version", "MessageBody"}
        assert fields["Action"] == "SendMessage"
        return fields["MessageBody"]
    assert fields.keys() == {"Action", "Version", "TopicArn", "Message"}
    assert fields["Action"] == "Publish"
    assert fields["TopicArn"] == stack.resources["Topic"].ref
    return fields["Message"]


@pytest.mark.parametrize("method", POSTS)
def test_record_is_the_one_the_pipeline_reads(stack: ResolvedStack, method: str) -> None:
    run = {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}

    record = carried(stack, method, {"image": {"key": "cat.jpg"}, "run": run})

    request = Request.from_json(record)
    assert request.request_id == REQUEST_ID
    assert request.accepted_at == ACCEPTED_AT
    assert request.buffer == POSTS[method]
    assert request.image == StoredImage(stack.resources["ImageBucket"].ref, "cat.jpg")
    assert request.measurement == Measurement("r1", 7, 1732400000100.5)


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize("text", ["camera-7", *HOSTILE])
def test_a_group_is_the_partition_key_of_its_requests(stack: ResolvedStack, method: str, text: str) -> None:
    body = json.dumps({"image": {"key": "cat.jpg"}, "group": text}, ensure_ascii=False).encode()

    put = render(request_template(stack, method), body).json

    assert put.keys() == {"StreamName", "PartitionKey", "Data"}
    assert put["PartitionKey"] == text
    assert json.loads(base64.b64decode(put["Data"]))["request"]["group"] == text


@pytest.mark.parametrize("text", ["camera-7", *HOSTILE])
def test_a_group_is_the_message_group_of_its_requests_on_a_fifo_queue(stack: ResolvedStack, text: str) -> None:
    body = json.dumps({"image": {"key": "cat.jpg"}, "group": text}, ensure_ascii=False).encode()

    form = parse_qsl(
        render(request_template(stack, "PostSqsImage"), body, variables={"SqsFifo": "true"}).text,
        keep_blank_values=True,
        strict_parsing=True,
    )

    assert [name for name, _ in form] == [
        "Action", "Version", "MessageBody", "MessageGroupId", "MessageDeduplicationId",
    ]  # fmt: skip
    assert dict(form)["MessageGroupId"] == text
    assert dict(form)["MessageDeduplicationId"] == REQUEST_ID


def test_a_request_without_a_group_is_a_message_group_of_its_own(stack: ResolvedStack) -> None:
    body = b'{"image": {"key": "cat.jpg"}}'

    call = render(request_template(stack, "PostSqsImage"), body, variables={"SqsFifo": "true"}).text

    assert dict(parse_qsl(call))["MessageGroupId"] == REQUEST_ID


@pytest.mark.parametrize("method", ["PostSqsImage", "PostSnsImage"])
def test_a_group_changes_nothing_for_a_buffer_that_keeps_no_order(stack: ResolvedStack, method: str) -> None:
    body = {"image": {"key": "cat.jpg"}, "group": "camera-7"}

    assert json.loads(carried(stack, method, body))["request"] == body


@pytest.mark.parametrize("method", POSTS)
def test_inline_image_keeps_every_byte(stack: ResolvedStack, method: str) -> None:
    image = bytes(range(256)) * 40

    record = carried(stack, method, {"image": {"bytes": base64.b64encode(image).decode()}})

    assert Request.from_json(record).image == InlineImage(image)


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_client_gets_out_of_its_place(stack: ResolvedStack, method: str, text: str) -> None:
    body = {"image": {"key": "cat.jpg"}, "run": {"id": text, "sequence": 1, "intended_at": 1.5}}

    record = json.loads(carried(stack, method, body))

    assert record.keys() == {"request_id", "accepted_at", "buffer", "owner", "bucket", "request"}
    assert record["request"] == body
    assert record["request_id"] == REQUEST_ID


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize("body", [b'{"image": {}}, "bucket": "other"', b'{"image": ', b"{} {}", b"image=1"])
def test_body_that_is_no_json_is_put_into_no_record(stack: ResolvedStack, method: str, body: bytes) -> None:
    with pytest.raises(TemplateFailedError):
        render(request_template(stack, method), body)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_at_all_comes_through_the_form_unchanged(stack: ResolvedStack, text: str) -> None:
    body = {"image": {"key": "cat.jpg"}, "run": {"id": text, "sequence": 1, "intended_at": 1.5}}

    assert json.loads(carried(stack, "PostSqsImage", body))["request"] == body


PROOFS: dict[str, Callable[[str], dict[str, Any]]] = {
    **dict.fromkeys(STREAMS, lambda proof: {"ShardId": "shardId-000000000000", "SequenceNumber": proof}),
    "PostSqsImage": lambda proof: {"SendMessageResponse": {"SendMessageResult": {"MessageId": proof}}},
    "PostSnsImage": lambda proof: {"PublishResponse": {"PublishResult": {"MessageId": proof}}},
}


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize(
    "proof", ["49590338271490256608559692538361571095921575989136588898", "0a772d86-0a15-45f8-872d-fb41018b411c"]
)
def test_what_the_buffer_took_is_accepted_under_its_id(stack: ResolvedStack, method: str, proof: str) -> None:
    body = json.dumps(PROOFS[method](proof)).encode()

    answer = render(answer_template(stack, method, r"2\d{2}"), body)

    assert answer.status is None
    assert answer.json == {"request_id": REQUEST_ID}
    assert answer.headers == {"Location": f"/live/v1/requests/{quote(REQUEST_ID, safe='')}", "Retry-After": "1"}


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"Error": {}}', b"[]", b'"ok"'])
def test_a_200_without_proof_is_never_accepted(stack: ResolvedStack, method: str, body: bytes) -> None:
    answer = render(answer_template(stack, method, r"2\d{2}"), body)

    assert answer.status == 502
    assert answer.json.keys() == {"message", "remedy"}


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize("proof", ["", None, {}])
def test_an_empty_proof_is_none(stack: ResolvedStack, method: str, proof: Any) -> None:
    answer = render(answer_template(stack, method, r"2\d{2}"), json.dumps(PROOFS[method](proof)).encode())

    assert answer.status == 502


def kinesis_error(kind: str, message: str = "") -> bytes:
    return json.dumps({"__type": kind, "message": message}).encode()


def query_error(code: str, message: str = "") -> bytes:
    return json.dumps({"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": "1"}).encode()


TOO_LONG = "Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"
REJECTIONS = [
    ("PostKinesisImage", kinesis_error("ProvisionedThroughputExceededException", "Rate exceeded for shard"), 429),
    ("PostKinesisImage", kinesis_error("com.amazonaws.kinesis#ProvisionedThroughputExceededException"), 429),
    ("PostKinesisImage", kinesis_error("ThrottlingException"), 429),
    ("PostKinesisImage", kinesis_error("LimitExceededException"), 429),
    ("PostKinesisImage", kinesis_error("KMSThrottlingException"), 429),
    ("PostKinesisImage", kinesis_error("ValidationException", TOO_LONG), 413),
    ("PostKinesisImage", kinesis_error("InvalidArgumentException", "Record size exceeds the limit"), 413),
    ("PostKinesisImage", kinesis_error("ValidationException", "StreamName is missing"), None),
    ("PostKinesisImage", kinesis_error("ResourceNotFoundException"), None),
    ("PostKinesisImage", kinesis_error("AccessDeniedException"), None),
    ("PostKinesisImage", kinesis_error("KMSAccessDeniedException"), None),
    ("PostKinesisImage", b"{}", None),
    ("PostKinesisImage", b"", None),
    ("PostSqsImage", query_error("ThrottlingException"), 429),
    ("PostSqsImage", query_error("RequestThrottled"), 429),
    ("PostSqsImage", query_error("OverLimit"), 429),
    ("PostSqsImage", query_error("KMS.ThrottlingException"), 429),
    ("PostSqsImage", query_error("InvalidParameterValue", "Reason: Message must be shorter than 1048576 bytes."), 413),
    ("PostSqsImage", query_error("InvalidParameterValue", "Value for parameter DelaySeconds is invalid"), None),
    ("PostSqsImage", query_error("InvalidMessageContents", "Invalid binary character"), 400),
    ("PostSqsImage", query_error("AWS.SimpleQueueService.NonExistentQueue"), None),
    ("PostSqsImage", query_error("AccessDenied"), None),
    ("PostSqsImage", b"{}", None),
    ("PostSqsImage", b"", None),
    ("PostSnsImage", query_error("Throttling", "Rate exceeded"), 429),
    ("PostSnsImage", query_error("Throttled", "Rate exceeded"), 429),
    ("PostSnsImage", query_error("KMSThrottling"), 429),
    ("PostSnsImage", query_error("InvalidParameter", "Invalid parameter: Message too long"), 413),
    ("PostSnsImage", query_error("InvalidParameter", "Invalid parameter: TopicArn"), None),
    ("PostSnsImage", query_error("AuthorizationError"), None),
    ("GetRequest", kinesis_error("ProvisionedThroughputExceededException"), 429),
    ("GetRequest", kinesis_error("RequestLimitExceeded"), 429),
    ("GetRequest", kinesis_error("ValidationException", "Size of hashkey has exceeded the maximum size limit"), 404),
    ("GetRequest", kinesis_error("ValidationException", "The provided key element does not match the schema"), None),
    ("GetRequest", kinesis_error("ResourceNotFoundException"), None),
    ("PutImage", b"<Error><Code>AccessDenied</Code></Error>", None),
]
REJECTIONS += [("PostKinesisEfoImage", body, status) for method, body, status in REJECTIONS if method in STREAMS]


@pytest.mark.parametrize(("method", "body", "status"), REJECTIONS)
def test_upstream_refusal_becomes_the_clients_status_or_stays_our_fault(
    stack: ResolvedStack, method: str, body: bytes, status: int | None
) -> None:
    # No override leaves the integration response's own status, a 502.
    answer = render(answer_template(stack, method, r"4\d{2}"), body)

    assert answer.status == status
    assert answer.headers == ({"Retry-After": "1"} if status == 429 else {})
    assert answer.json.keys() == {"message", "remedy"}


@pytest.mark.parametrize("method", [*POSTS, "PutImage", "GetRequest"])
@pytest.mark.parametrize("body", [b"", b"<html>502 Bad Gateway</html>", b"{}"])
def test_upstream_failure_is_answered_whatever_its_body(stack: ResolvedStack, method: str, body: bytes) -> None:
    failed = render(answer_template(stack, method, r"5\d{2}"), body)
    unexpected = render(answer_template(stack, method, None), body)

    assert failed.status is None
    assert unexpected.status == 502
    assert failed.json.keys() == unexpected.json.keys() == {"message", "remedy"}


@pytest.mark.parametrize(
    ("key", "content_type", "status", "why"),
    [
        ("cat.jpg", "image/jpeg", None, "an image"),
        ("A-z_0.9", "image/png", None, "every kind of character"),
        ("k" * 128, "image/jpeg", None, "the longest"),
        ("cat.jpg", "image/jpeg; q=1", None, "a type with a parameter"),
        ("k" * 129, "image/jpeg", 400, "too long"),
        ("a b", "image/jpeg", 400, "a space"),
        ("a/b", "image/jpeg", 400, "a slash, sent as %2F"),
        ('a"b', "image/jpeg", 400, "a quote"),
        ("cat.jpg\n", "image/jpeg", 400, "a newline at the end, which $ would let through"),
        ("\u00e9", "image/jpeg", 400, "not ASCII"),
        ("$context.stage", "image/jpeg", 400, "VTL"),
        ("cat.jpg", "text/plain", 415, "text passes as UTF-8 and is mangled"),
        ("cat.jpg", "application/json", 415, "what curl -d would not send either"),
        ("a b", "image/gif", 415, "the type is told first"),
    ],
)
def test_upload_is_answered_by_its_key_and_type(
    stack: ResolvedStack, key: str, content_type: str, status: int | None, why: str
) -> None:
    template = answer_template(stack, "PutImage", r"2\d{2}")

    answer = render(template, path={"key": key}, content_type=content_type)

    assert answer.status == status, why
    if status is None:
        assert answer.json == {"key": key}
    else:
        assert answer.json.keys() == {"message", "remedy"}


def test_upload_of_a_wrong_type_overwrites_nothing(stack: ResolvedStack) -> None:
    templates = stack.resources["PutImage"].properties["Integration"]["RequestTemplates"]

    for content_type, template in templates.items():
        call = render(template, b"not an image", path={"key": "cat.jpg"}, content_type=content_type)
        answer = render(
            answer_template(stack, "PutImage", r"2\d{2}"), path={"key": "cat.jpg"}, content_type=content_type
        )

        assert call.text == ""
        assert not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", call.path["key"])
        assert answer.status == 415


@pytest.mark.parametrize("request_id", [REQUEST_ID, "h-AAAAAAAAAAAAAAAAAAAA_-", "Q-9j_FGuNoAMFyJw=", "JKJ+XmP/vHc="])
def test_lookup_asks_for_the_id(stack: ResolvedStack, request_id: str) -> None:
    call = render(request_template(stack, "GetRequest"), path={"id": request_id}).json

    assert call == {
        "TableName": stack.resources["ResultsTable"].ref,
        "Key": {"request_id": {"S": request_id}},
        "ConsistentRead": True,
    }


@pytest.mark.parametrize("request_id", [text for text in HOSTILE if text])
def test_lookup_of_what_is_no_id_asks_for_one_that_is_not_there(stack: ResolvedStack, request_id: str) -> None:
    call = render(request_template(stack, "GetRequest"), path={"id": request_id}).json

    assert call.keys() == {"TableName", "Key", "ConsistentRead"}
    assert "*" in call["Key"]["request_id"]["S"]


def stored(**attributes: Any) -> bytes:
    return json.dumps({"Item": {"request_id": {"S": REQUEST_ID}, **attributes}}).encode()


def label(name: str, confidence: str, *parents: str) -> dict[str, Any]:
    return {
        "M": {"name": {"S": name}, "confidence": {"N": confidence}, "parents": {"L": [{"S": text} for text in parents]}}
    }


def test_result_is_plain_json_with_numbers_as_numbers(stack: ResolvedStack) -> None:
    labels = {"L": [label("Cat", "98.72", "Animal", "Pet"), label("Animal", "98", "Mammal"), label("Sofa", "55.5")]}
    body = stored(status={"S": "SUCCEEDED"}, labels=labels, model_version={"S": "3.0"}, deliveries={"N": "1"})

    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), body)

    assert answer.status is None
    assert answer.json == {
        "request_id": REQUEST_ID,
        "status": "SUCCEEDED",
        "model_version": "3.0",
        "labels": [
            {"name": "Cat", "confidence": 98.72, "parents": ["Animal", "Pet"]},
            {"name": "Animal", "confidence": 98, "parents": ["Mammal"]},
            {"name": "Sofa", "confidence": 55.5, "parents": []},
        ],
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_in_a_result_stay_texts(stack: ResolvedStack, text: str) -> None:
    body = stored(status={"S": "FAILED"}, reason={"S": text}, labels={"L": [label(text, "1", text)]})

    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), body).json

    assert answer["reason"] == text
    assert answer["labels"] == [{"name": text, "confidence": 1, "parents": [text]}]


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"reason": {"S": "InvalidImageFormatException"}, "labels": {"L": []}}, "no labels"),
        ({"reason": {"S": "InvalidImageFormatException"}}, "no labels attribute"),
        (
            {"reason": {"S": "InvalidImageFormatException"}, "model_version": {"NULL": True}, "labels": {"L": []}},
            "a null instead of nothing",
        ),
    ],
)
def test_failed_result_says_why(stack: ResolvedStack, attributes: dict[str, Any], why: str) -> None:
    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), stored(status={"S": "FAILED"}, **attributes))

    assert answer.status is None
    assert answer.json == {
        "request_id": REQUEST_ID,
        "status": "FAILED",
        "reason": "InvalidImageFormatException",
        "labels": [],
    }, why


@pytest.mark.parametrize("body", [b"{}", b'{"Item": {}}', b'{"Item": null}', b""])
def test_no_result_is_a_404_that_may_be_asked_again(stack: ResolvedStack, body: bytes) -> None:
    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), body)

    assert answer.status == 404
    assert answer.headers == {"Retry-After": "1"}
    assert answer.json.keys() == {"message", "remedy", "status"}
    assert answer.json["status"] == "UNKNOWN_OR_WAITING"


def test_an_id_of_the_request_handlers_that_is_not_there_is_unknown(stack: ResolvedStack) -> None:
    path = {"id": "h-AAAAAAAAAAAAAAAAAAAA_-"}

    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), b"{}", path)

    assert answer.status == 404
    assert answer.headers == {}
    assert answer.json["status"] == "UNKNOWN"


PENDING_UNTIL = {"N": str(ACCEPTED_AT + 1)}


@pytest.mark.parametrize(
    ("attributes", "status", "reason", "retried", "why"),
    [
        ({"pending_until": PENDING_UNTIL}, "PENDING", None, True, "in its buffer"),
        ({"pending_until": {"N": str(ACCEPTED_AT)}}, "FAILED", "GivenUp", False, "a buffer holds nothing for ever"),
        ({"pending_until": {"N": "1"}}, "FAILED", "GivenUp", False, "long past"),
        (
            {"pending_until": PENDING_UNTIL, "unpublished": {"S": 'full "up"'}},
            "FAILED", "full", False, "no buffer ever had it",
        ),
        (
            {"pending_until": PENDING_UNTIL, "unpublished": {"S": "lost"}, "status": {"S": "SUCCEEDED"}},
            "SUCCEEDED", None, False, "it was taken after all, and the result is the truth",
        ),
    ],
)  # fmt: skip
def test_a_request_that_the_handler_took_has_a_status_from_the_start(
    stack: ResolvedStack, attributes: dict[str, Any], status: str, reason: str | None, retried: bool, why: str
) -> None:
    answer = render(answer_template(stack, "GetRequest", r"2\d{2}"), stored(**attributes))

    assert answer.status is None
    assert answer.json["status"] == status, why
    assert answer.json["request_id"] == REQUEST_ID
    assert answer.json["labels"] == []
    assert str(answer.json.get("reason", None)).startswith(str(reason))
    assert answer.headers == ({"Retry-After": "1"} if retried else {})
