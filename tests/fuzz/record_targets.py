"""What is read of records, bodies and messages: pipeline/, and the functions that read clients' texts."""

import base64
import contextlib
import hashlib
import json
from typing import Any, Final

from aws_kinesis_agg import MAGIC
from aws_kinesis_agg.aggregator import RecordAggregator
from hypothesis import strategies as st

from local.websocket.selection import SelectionExpression
from pipeline import failure_record
from pipeline.aggregation import DamagedAggregateError, deaggregate, user_records
from pipeline.body import BodyError, check_body, read_body
from pipeline.callback_signature import SecretError, signing_key
from pipeline.callback_url import CallbackUrlError, check_callback_url
from pipeline.request import BUFFERS, InvalidRequestError, Request
from tests.fuzz.mutation import as_text, documents, dumped, mutated
from tests.fuzz.target import Target
from tests.websocket_functions.world import World as WebSocketWorld

_BODIES: Final = [
    {"image": {"bytes": "AAEC"}},
    {"image": {"key": "cat.jpg"}, "group": "camera-7"},
    {
        "image": {"key": "cat.jpg"},
        "run": {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5},
        "callback_url": "https://receiver.example:8443/hook?secret=1",
        "attach": "0" * 64,
    },
]
_RECORDS: Final = [
    {
        "request_id": "Fv6kVGuJIAMF3Iw=", "accepted_at": 1732400000123, "buffer": buffer, "bucket": "images",
        "connection_id": "L0SM9cOFvHcCIhw=", "request": body,
    }
    for buffer, body in zip(BUFFERS, [*_BODIES, _BODIES[0]], strict=True)
]  # fmt: skip
_MEMBERS: Final = [
    *("request_id", "accepted_at", "buffer", "bucket", "connection_id", "request", "image", "bytes", "key", "run"),
    *("id", "sequence", "intended_at", "callback_url", "attach", "group", "sqs", "action", "recognise", "secret"),
]  # fmt: skip


def _request(data: bytes | str) -> None:
    try:
        request = Request.from_json(data)
    except InvalidRequestError as error:
        # What can be read of it becomes an item of a table and a line of a log.
        f"{error.reason}{error.request_id}".encode()
        return
    assert request.request_id
    assert request.buffer in BUFFERS
    request.request_id.encode()


def _aggregate(data: bytes) -> None:
    for read in (deaggregate, user_records):
        with contextlib.suppress(DamagedAggregateError):
            # A few bytes make no more of them than they are.
            assert len(read(data)) <= max(1, len(data))


def _sealed(message: bytes) -> bytes:
    """A message with its checksum, which anybody can make."""
    return bytes(MAGIC) + message + hashlib.md5(message, usedforsecurity=False).digest()


def _aggregates() -> list[bytes]:
    aggregator = RecordAggregator()
    for number, record in enumerate(_RECORDS):
        aggregator.add_user_record(f"key-{number}", dumped(record), str(number) if number % 2 else None)
    _, _, whole = aggregator.clear_and_get().get_contents()
    return [whole[len(MAGIC) : -16], b""]


def _body(text: bytes) -> None:
    for form in (text, as_text(text)):
        try:
            body = check_body(read_body(form))
        except BodyError as error:
            str(error).encode()
        else:
            assert set(body) >= {"image"}


def _callback_url(data: bytes) -> None:
    text = as_text(data)
    try:
        url = check_callback_url(text, ports=frozenset({443, 8443}))
    except CallbackUrlError as error:
        error.reason.encode()
        return
    assert url.port in (443, 8443)
    assert url.name.isascii()
    # Whatever goes into a request line or a header ends neither.
    assert not set(url.host + url.target) & set("\r\n \0")


def _failure_record(data: bytes) -> None:
    for read in (failure_record.from_async, failure_record.from_mapping):
        found = read(data)
        found.reason.encode("utf-8", "surrogatepass")
        for record in found.records:
            assert (record.body is None) == (record.problem is not None)


def _secret(data: bytes) -> None:
    with contextlib.suppress(SecretError):
        assert 24 <= len(signing_key(as_text(data))) <= 64


_SELECTION: Final = SelectionExpression("Api", "$request.body.action")


def _message(given: tuple[str, bytes]) -> None:
    route, data = given
    text = as_text(data)
    reply = WebSocketWorld().send(route, text)
    json.dumps(reply.message).encode()
    assert reply.message["type"] in ("accepted", "attached", "error")
    try:
        key = _SELECTION.key(json.loads(text))
    except (ValueError, RecursionError):
        return
    assert key is None or isinstance(key, str)


def _push(data: bytes) -> None:
    world = WebSocketWorld()
    world.store("watched")
    report = world.push(as_text(data))
    assert report.notified + len(report.failures) == 1


_ASYNC: dict[str, Any] = {
    "timestamp": "2026-11-24T10:00:00.000Z",
    "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
    "requestPayload": {"Records": [{"Sns": {"Message": json.dumps(_RECORDS[0])}}]},
    "responseContext": {"functionError": "Unhandled"},
    "responsePayload": {"errorMessage": "m", "errorType": "t"},
}
_STREAM: dict[str, Any] = {
    **_ASYNC,
    "KinesisBatchInfo": {
        "shardId": "shardId-000000000000", "startSequenceNumber": "1", "endSequenceNumber": "2", "batchSize": 1,
        "streamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/photos",
    },
    "payload": json.dumps(
        {"Records": [{"kinesis": {"partitionKey": "k", "data": base64.b64encode(dumped(_RECORDS[2])).decode()}}]}
    ),
}  # fmt: skip
_URLS: Final = [
    *(b"https://receiver.example/hook?secret=1", b"https://receiver.example:8443", b"https://xn--bcher-kva.example/"),
    *("https://bücher.example/ä".encode(), b"https://127.0.0.1/", b"https://[::1]:443/", b"https://0x7f.1/"),
]  # fmt: skip
_MESSAGES: Final = [
    dumped({"action": "recognise", "buffer": "sqs", "request": _BODIES[0], "correlation_id": "c"}),
    dumped({"action": "attach", "request_id": "id1", "secret": "secret"}),
]

TARGETS: Final = [
    Target("record", mutated([dumped(each) for each in _RECORDS]) | documents(_MEMBERS).map(dumped), _request),
    Target("record as a text", mutated([dumped(each) for each in _RECORDS]).map(as_text), _request),
    Target(
        "aggregate",
        mutated(_aggregates()).map(_sealed) | mutated([_sealed(each) for each in _aggregates()]),
        _aggregate,
    ),
    Target("body", mutated([dumped(each) for each in _BODIES]) | documents(_MEMBERS).map(dumped), _body),
    Target(
        "callback URL",
        mutated(_URLS, [b"@", b":", b"/", b"?", b".", b"xn--", b"\xe3\x80\x82", b"\xc2\xad"]),
        _callback_url,
    ),
    Target("failure record", mutated([dumped(_ASYNC), dumped(_STREAM)]), _failure_record),
    Target("secret", mutated([b"whsec_" + base64.b64encode(bytes(33)), base64.b64encode(bytes(24))]), _secret),
    Target(
        "websocket message",
        st.tuples(
            st.sampled_from(["recognise", "attach", "$default"]), mutated(_MESSAGES) | documents(_MEMBERS).map(dumped)
        ),
        _message,
    ),
    Target("push", mutated([dumped({"request_id": "watched", "connection_id": "c1", "attach": "0" * 64})]), _push),
]
