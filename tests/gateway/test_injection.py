"""Whatever a client sends reaches the buffer as it was sent, and as data: it never breaks out of the request."""

import asyncio
import base64
import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.template import ResolvedStack
from local.wire import WireRequest, WireResponse
from tests.gateway.conftest import Infra
from tests.gateway.upstream import EXTENDED_ID

BUFFERS = ["kinesis", "kinesis-efo", "sqs", "sns"]
STREAMS = {"kinesis": "StreamName", "kinesis-efo": "KinesisEfoStreamName"}

# What means something to JSON, to a form, to VTL, to XML or to a reader of lines.
HOSTILE = st.text(
    st.sampled_from(
        "\"'\\/\n\r\t\0\x1f\x7f&+%=;#$!{}()[]@<>.*éß\u00a0\u2028\u2029\ufeff\ufffe\U0001f600\U0010ffffabAB01 "
    ),
    min_size=1,
    max_size=128,
)
VTL = st.sampled_from(
    [
        "$context.stage", "${context.stage}", "$!{input.body}", "$util.base64Encode('x')", "$input.json('$')",
        "#set($x = 1)", "#if(true)y#end", "#foreach($i in [1..9])$i#end", "##", "#*", "*#", "#stop",
        "#evaluate('$context.stage')", "@id", "@accepted_at", "@body", "\\u0041", "%22,%22x%22:%22",
        '","admin":true,"x":"', "&Action=DeleteQueue", "&TopicArn=arn:evil", "\r\nX-Evil: 1", "\\", "\\\\'",
        "</Message>", "]]>",
    ]
)  # fmt: skip
TEXTS = st.one_of(HOSTILE, VTL, st.text(min_size=1, max_size=128))
SENT_HEADERS = [
    "accept", "authorization", "host", "user-agent", "x-amz-date", "x-amz-target", "x-forwarded-for",
    "x-http-method-override", "x-request-id",
]  # fmt: skip
NUMBERS = st.one_of(
    st.integers(0, 2**53 - 1),
    st.floats(0, 2**53 - 1, allow_nan=False),
)
IMAGES = st.one_of(
    st.binary(min_size=1, max_size=300).map(lambda data: {"bytes": base64.b64encode(data).decode()}),
    st.from_regex(r"\A[A-Za-z0-9._-]{1,128}\Z").map(lambda key: {"key": key}),
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    body: dict[str, Any] = {"image": draw(IMAGES)}
    if draw(st.booleans()):
        body["run"] = {
            "id": draw(TEXTS),
            "sequence": draw(st.integers(0, 2**53 - 1)),
            "intended_at": draw(NUMBERS),
        }
    return body


def record_of(infra: Infra, buffer: str, request: WireRequest) -> Any:
    """The record in a service's request, read as the service reads it; nothing else may be in the request."""
    if buffer in STREAMS:
        call = json.loads(request.body)
        assert set(call) == {"StreamName", "PartitionKey", "Data"}
        assert (call["StreamName"], call["PartitionKey"]) == (infra.stack.outputs[STREAMS[buffer]], EXTENDED_ID)
        return json.loads(base64.b64decode(call["Data"], validate=True))
    form = urllib.parse.parse_qsl(
        request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
    )
    call = dict(form)
    assert len(call) == len(form)
    if buffer == "sqs":
        assert set(call) == {"Action", "Version", "MessageBody"}
        assert call["Action"] == "SendMessage"
        assert infra.stack.outputs["QueueUrl"].endswith(request.path)
        return json.loads(call["MessageBody"])
    assert set(call) == {"Action", "Version", "TopicArn", "Message"}
    assert (call["Action"], call["TopicArn"]) == ("Publish", infra.stack.outputs["TopicArn"])
    return json.loads(call["Message"])


@pytest.fixture(scope="module")
def shared(stack: ResolvedStack) -> Infra:
    """One API for all examples."""
    return Infra(stack)


async def ask(infra: Infra, upstream: str, request: WireRequest) -> tuple[WireResponse, WireRequest]:
    """The answer, and the one request that the service behind it got."""
    infra.clock.now += 1
    infra.behind(upstream).seen.clear()
    response = await infra.api.handle(request)
    (sent,) = infra.behind(upstream).seen
    return response, sent


def carried(infra: Infra, buffer: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
    request = WireRequest(
        "POST",
        f"/{infra.api.stage_name}/v1/{buffer}/images",
        "x=%0A%22&%24context=1",
        {"content-type": "application/json", **(headers or {})},
        body,
    )
    response, sent = asyncio.run(ask(infra, buffer, request))
    assert (response.status, json.loads(response.body)) == (202, {"request_id": EXTENDED_ID})
    assert (sent.method, sent.query) == ("POST", "")
    return record_of(infra, buffer, sent)


def expected(infra: Infra, buffer: str, body: Any) -> dict[str, Any]:
    return {
        "request_id": EXTENDED_ID,
        "accepted_at": int(infra.clock.now * 1000),
        "buffer": buffer,
        "owner": "",
        "bucket": infra.stack.outputs["ImageBucket"],
        "request": body,
    }


@pytest.mark.parametrize("buffer", BUFFERS)
@given(body=bodies(), escaped=st.booleans(), indent=st.sampled_from([None, 2]))
@example(
    body={"image": {"key": "a"}, "run": {"id": "\u2028", "sequence": 0, "intended_at": 0}}, escaped=False, indent=2
)
@example(
    body={"image": {"key": "body"}, "run": {"id": "@body@owner@id", "sequence": 0, "intended_at": 0}},
    escaped=False,
    indent=None,
)
def test_a_body_reaches_the_buffer_as_it_was_sent(
    shared: Infra, buffer: str, body: dict[str, Any], escaped: bool, indent: int | None
) -> None:
    sent = json.dumps(body, ensure_ascii=escaped, indent=indent).encode()
    assert carried(shared, buffer, sent) == expected(shared, buffer, body)


@pytest.mark.parametrize("buffer", BUFFERS)
@given(headers=st.dictionaries(st.sampled_from(SENT_HEADERS), HOSTILE))
def test_headers_change_nothing(shared: Infra, buffer: str, headers: dict[str, str]) -> None:
    body = {"image": {"key": "cat.jpg"}}
    assert carried(shared, buffer, json.dumps(body).encode(), headers) == expected(shared, buffer, body)


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize(
    "number",
    ["9007199254740991", "0.1", "1.10", "1e3", "1E+3", "0.30000000000000004", "1732400000100.123456789", "0e0"],
)
def test_numbers_arrive_as_they_were_written(shared: Infra, buffer: str, number: str) -> None:
    text = f'{{"image":{{"key":"a"}},"run":{{"id":"r","sequence":7,"intended_at":{number}}}}}'
    request = WireRequest("POST", f"/{shared.api.stage_name}/v1/{buffer}/images", "", {}, text.encode())
    _, sent = asyncio.run(ask(shared, buffer, request))
    body = sent.body
    if buffer in STREAMS:
        carried_text = base64.b64decode(json.loads(body)["Data"])
    else:
        carried_text = urllib.parse.unquote_plus(body.decode()).encode()
    assert f'"intended_at":{number}}}'.encode() in carried_text


@pytest.mark.parametrize("buffer", BUFFERS)
def test_inline_image_bytes_arrive_as_they_were(shared: Infra, buffer: str) -> None:
    image = bytes(range(256)) * 512
    body = {"image": {"bytes": base64.b64encode(image).decode()}}
    record = carried(shared, buffer, json.dumps(body).encode())
    assert base64.b64decode(record["request"]["image"]["bytes"], validate=True) == image


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_name_given_twice_counts_once_for_check_and_reader_alike(shared: Infra, buffer: str) -> None:
    record = carried(shared, buffer, b'{"image":{"key":"../../etc"},"image":{"key":"fine"}}')
    assert record["request"] == {"image": {"key": "fine"}}


@given(id_=TEXTS)
def test_an_id_asks_for_one_item_of_the_table_and_nothing_else(shared: Infra, id_: str) -> None:
    path = f"/{shared.api.stage_name}/v1/requests/{urllib.parse.quote(id_, safe='', errors='replace')}"
    response, asked = asyncio.run(ask(shared, "dynamodb", WireRequest("GET", path)))
    assert response.status == 404
    call = json.loads(asked.body)
    assert set(call) == {"TableName", "Key", "ConsistentRead"}
    assert call["TableName"] == shared.stack.outputs["ResultsTable"]
    assert set(call["Key"]) == {"request_id"}
    assert set(call["Key"]["request_id"]) == {"S"}


@given(key=TEXTS, image=st.binary(max_size=200))
def test_a_key_stays_in_its_bucket_and_an_answer_stays_json(shared: Infra, key: str, image: bytes) -> None:
    path = f"/{shared.api.stage_name}/v1/images/{urllib.parse.quote(key, safe='', errors='replace')}"
    request = WireRequest("PUT", path, "", {"content-type": "image/png"}, image)
    response, stored = asyncio.run(ask(shared, "s3", request))
    answer = json.loads(response.body)
    assert response.status in {201, 400}
    assert response.status == 400 or answer == {"key": key}
    bucket, _, name = stored.path.removeprefix("/").partition("/")
    assert (bucket, stored.query, stored.body) == (shared.stack.outputs["ImageBucket"], "", image)
    assert "/" not in name
    assert name not in {".", "..", ""}
