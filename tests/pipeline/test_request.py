import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.request import (
    BUFFERS,
    InlineImage,
    InvalidRequestError,
    Measurement,
    Request,
    StoredImage,
    image_from_body,
    measurement_from_body,
)

PLAIN: dict[str, Any] = {
    "request_id": "Fv6kVGuJIAMF3Iw=",
    "accepted_at": 1732400000123,
    "buffer": "kinesis",
    "bucket": "forebay-images",
    "request": {"image": {"bytes": "AAEC"}},
}
RUN = {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
times = st.integers(0, 2**53 - 1) | st.floats(0, 2**53 - 1)
images = st.builds(InlineImage, st.binary(min_size=1)) | st.builds(StoredImage, bucket=texts, key=texts)
requests = st.builds(
    Request,
    request_id=texts,
    accepted_at=times,
    buffer=st.sampled_from(BUFFERS),
    image=images,
    measurement=st.none() | st.builds(Measurement, run_id=texts, sequence=st.integers(0, 2**53 - 1), intended_at=times),
    callback_url=st.none() | texts,
    attach=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
    connection_id=st.none() | texts,
)


def record(**changed: object) -> str:
    return json.dumps({**PLAIN, **changed})


@given(requests)
def test_what_is_written_is_read_back_the_same(request: Request) -> None:
    assert Request.from_json(request.to_json()) == request
    assert Request.from_json(request.to_json().encode()) == request


def test_a_record_of_the_gateway_is_read_with_every_byte_of_its_image() -> None:
    everything = bytes(range(256))
    body = {"image": {"bytes": base64.b64encode(everything).decode()}, "run": RUN}

    assert Request.from_json(record(request=body)) == Request(
        request_id="Fv6kVGuJIAMF3Iw=",
        accepted_at=1732400000123,
        buffer="kinesis",
        image=InlineImage(everything),
        measurement=Measurement("r1", 7, 1732400000100.5),
    )


def test_the_bucket_is_the_gateways_whatever_the_client_writes() -> None:
    body = {"image": {"key": "cat.jpg", "bucket": "another"}, "bucket": "another"}

    assert Request.from_json(record(request=body)).image == StoredImage("forebay-images", "cat.jpg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param(b"\xff\xfe\xfa", "not JSON", id="bytes that are no text"),
        pytest.param("{" * 100_000, "not JSON", id="deeper than the reader goes"),
        pytest.param("[" * 100_000, "not JSON", id="deeper than the reader goes, as an array"),
        pytest.param('{"request_id": ' + "9" * 5_000 + "}", "not JSON", id="a number longer than Python converts"),
        pytest.param("[]", "not a JSON object", id="an array"),
        pytest.param("null", "not a JSON object", id="null"),
        pytest.param("{}", "request_id is missing", id="no request_id"),
        pytest.param(record(request_id=""), "request_id is missing", id="an empty request_id"),
        pytest.param(record(request_id=7), "request_id is missing", id="a request_id that is no text"),
        pytest.param(record(request_id="\ud800"), "UTF-8", id="a request_id that no key can be"),
        pytest.param(record(request_id="é" * 513), "longer than 1024 bytes", id="longer than a key may be, in bytes"),
    ],
)
def test_a_record_without_a_readable_id_says_what_is_wrong_and_has_no_id(text: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as error:
        Request.from_json(text)
    assert error.value.request_id is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"buffer": "fax"}, "buffer is not one of sns, sqs, kinesis", id="an unknown buffer"),
        pytest.param({"buffer": ["sqs"]}, "buffer is not one of", id="a buffer that is no text"),
        pytest.param({"accepted_at": "now"}, "accepted_at", id="a time that is a text"),
        pytest.param({"accepted_at": True}, "accepted_at", id="true is no time"),
        pytest.param({"accepted_at": -1}, "accepted_at", id="before 1970"),
        pytest.param({"accepted_at": float("nan")}, "accepted_at", id="NaN, which Python's reader takes"),
        pytest.param({"accepted_at": float("inf")}, "accepted_at", id="Infinity, which Python's reader takes"),
        pytest.param({"accepted_at": 10**400}, "accepted_at", id="larger than a float"),
        pytest.param({"request": None}, "request is missing", id="no body"),
        pytest.param({"request": "x"}, "request is missing", id="a body that is no object"),
        pytest.param({"request": {}}, "image is missing", id="no image"),
        pytest.param({"request": {"image": {}}}, "either bytes or key", id="an empty image"),
        pytest.param({"request": {"image": {"bytes": "AA==", "key": "k"}}}, "either bytes or key", id="both"),
        pytest.param({"request": {"image": {"bytes": ""}}}, "bytes is missing", id="no bytes"),
        pytest.param({"request": {"image": {"bytes": 7}}}, "bytes is missing", id="bytes that are a number"),
        pytest.param({"request": {"image": {"bytes": "A"}}}, "not base64", id="cut off"),
        pytest.param({"request": {"image": {"bytes": "AA=="[:3]}}}, "not base64", id="without its padding"),
        pytest.param({"request": {"image": {"bytes": "A A="}}}, "not base64", id="with a space"),
        pytest.param({"request": {"image": {"bytes": "ÄÖÜ="}}}, "not base64", id="letters outside ASCII"),
        pytest.param({"request": {"image": {"bytes": "_-=="}}}, "not base64", id="the alphabet for URLs"),
        pytest.param({"request": {"image": {"key": "\udc80"}}}, "UTF-8", id="a key that cannot be written"),
        pytest.param({"bucket": "", "request": {"image": {"key": "k"}}}, "bucket is missing", id="no bucket"),
    ],
)
def test_a_bad_record_with_an_id_can_be_answered_and_counted(changed: dict[str, object], reason: str) -> None:
    body = changed.get("request", PLAIN["request"])
    measured = {**changed, "request": {**body, "run": RUN}} if isinstance(body, dict) else changed

    with pytest.raises(InvalidRequestError, match=reason) as error:
        Request.from_json(record(**measured))

    assert error.value.request_id == "Fv6kVGuJIAMF3Iw="
    assert error.value.buffer == (None if "buffer" in changed else "kinesis")
    assert error.value.accepted_at == (None if "accepted_at" in changed else 1732400000123)
    assert error.value.measurement == (Measurement("r1", 7, 1732400000100.5) if isinstance(body, dict) else None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"id": None}, "id is missing", id="no run"),
        pytest.param({"id": "r" * 1_025}, "longer than 1024", id="a run longer than a key may be"),
        pytest.param({"sequence": -1}, "whole number", id="below 0"),
        pytest.param({"sequence": 1.5}, "whole number", id="no whole number"),
        pytest.param({"sequence": True}, "whole number", id="true is no number"),
        pytest.param({"sequence": 2**53}, "whole number", id="not exact in every reader"),
        pytest.param({"intended_at": 2**53}, "intended_at", id="a time beyond exact numbers"),
        pytest.param({"intended_at": None}, "intended_at", id="no time"),
    ],
)
def test_a_bad_measurement_fails_the_request_and_is_not_half_kept(changed: dict[str, object], reason: str) -> None:
    body = {**PLAIN["request"], "run": {**RUN, **changed}}

    with pytest.raises(InvalidRequestError, match=reason) as error:
        Request.from_json(record(request=body))

    assert error.value.measurement is None


ASKED = {"callback_url": "https://example.com/a?b", "attach": "0f" * 32}


def test_who_is_to_be_told_is_the_clients_word_and_the_connection_the_gateways() -> None:
    body = {**PLAIN["request"], **ASKED, "connection_id": "another's"}

    request = Request.from_json(record(request=body, connection_id="L0SM9cOFvHcCIhw="))

    assert (request.callback_url, request.attach) == (ASKED["callback_url"], ASKED["attach"])
    assert request.connection_id == "L0SM9cOFvHcCIhw="
    assert Request.from_json(record(request=body)).connection_id is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"callback_url": 7}, "callback_url is missing or not a text", id="a URL that is a number"),
        pytest.param({"callback_url": ""}, "callback_url is missing or not a text", id="an empty URL"),
        pytest.param({"callback_url": "https://" + "a" * 2_041}, "longer than 2,048", id="a URL that is too long"),
        pytest.param({"callback_url": "\ud800"}, "UTF-8", id="a URL that no queue carries"),
        pytest.param({"attach": "0F" * 32}, "attach is not a SHA-256", id="a hash in capitals"),
        pytest.param({"attach": "0f" * 32 + "\n"}, "attach is not a SHA-256", id="a hash and a line's end"),
        pytest.param({"attach": ["0f" * 32]}, "attach is missing or not a text", id="a hash in an array"),
        pytest.param({"image": {}}, "image needs either", id="an image that is none"),
    ],
)
def test_a_bad_request_still_says_whom_to_tell_as_far_as_that_is_good(changed: dict[str, Any], reason: str) -> None:
    body = {**PLAIN["request"], **ASKED, **changed}

    with pytest.raises(InvalidRequestError, match=reason) as error:
        Request.from_json(record(request=body, connection_id="c="))

    assert error.value.callback_url == (None if "callback_url" in changed else ASKED["callback_url"])
    assert error.value.attach == (None if "attach" in changed else ASKED["attach"])
    assert error.value.connection_id == "c="


@pytest.mark.parametrize(
    ("connection_id", "reason"),
    [(7, "not a text"), ("", "not a text"), ("c" * 1_025, "longer than 1024"), ("\udc80", "UTF-8")],
    ids=["a number", "empty", "longer than a key may be", "no text that can be written"],
)
def test_a_connection_that_is_none_fails_the_request(connection_id: object, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"connection_id is .*{reason}") as error:
        Request.from_json(record(connection_id=connection_id))
    assert error.value.connection_id is None


def test_a_body_is_read_without_a_record_too() -> None:
    assert image_from_body({"image": {"bytes": "AAEC"}}, "images") == InlineImage(bytes(range(3)))
    assert image_from_body({"image": {"key": "k"}}, "images") == StoredImage("images", "k")
    assert measurement_from_body({"run": RUN}) == Measurement("r1", 7, 1732400000100.5)
    assert measurement_from_body({}) is None
    with pytest.raises(InvalidRequestError, match="not base64"):
        image_from_body({"image": {"bytes": "A"}}, "images")
    with pytest.raises(InvalidRequestError, match="whole number"):
        measurement_from_body({"run": {**RUN, "sequence": 0.5}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*PLAIN, "else"]), json_values))
def test_no_json_object_does_more_harm_than_an_invalid_request(hostile: dict[str, object]) -> None:
    try:
        Request.from_json(json.dumps({**PLAIN, **hostile}))
    except InvalidRequestError as error:
        assert len(error.reason) < 200  # noqa: PT017 (most inputs are refused, some are not)


@given(st.binary() | st.text())
def test_no_text_does_more_harm_than_an_invalid_request(hostile: str | bytes) -> None:
    with pytest.raises(InvalidRequestError):
        Request.from_json(hostile)
