"""What DetectLabels takes and refuses."""

import base64
from typing import Any

import pytest

from local.recogniser.image_file import UnreadableImageError
from local.recogniser.model import Sighting
from local.recogniser.picture import ImageSideError
from local.rekognition.detect_labels import (
    MAX_INLINE_BYTES,
    MAX_STORED_BYTES,
    DetectLabels,
    RekognitionError,
    S3Object,
    check_stored,
    labels,
    refusal,
)


def inline(data: bytes) -> dict[str, Any]:
    return {"Image": {"Bytes": base64.b64encode(data).decode()}}


def test_bytes_at_the_limit_are_taken() -> None:
    assert DetectLabels.from_body(inline(bytes(MAX_INLINE_BYTES))).image == bytes(MAX_INLINE_BYTES)


def test_an_s3_object_is_taken_with_the_services_defaults() -> None:
    asked = DetectLabels.from_body({"Image": {"S3Object": {"Bucket": "images", "Name": "a/b c.jpg"}}})
    assert asked == DetectLabels(S3Object("images", "a/b c.jpg"), max_labels=1000, min_confidence=55.0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(None, "InvalidParameterException", id="no object"),
        pytest.param([], "InvalidParameterException", id="a list"),
        pytest.param({}, "InvalidParameterException", id="no image"),
        pytest.param({"Image": "cat"}, "InvalidParameterException", id="image is a text"),
        pytest.param({"Image": {}}, "InvalidParameterException", id="neither bytes nor object"),
        pytest.param(
            {"Image": {"Bytes": "AAAA", "S3Object": {}}}, "InvalidParameterException", id="both bytes and object"
        ),
        pytest.param({"Image": {"Bytes": 5}}, "SerializationException", id="bytes are a number"),
        pytest.param({"Image": {"Bytes": "not base64!"}}, "SerializationException", id="bytes are not base64"),
        pytest.param({"Image": {"Bytes": "é"}}, "SerializationException", id="bytes are not ASCII"),
        pytest.param(inline(b""), "ValidationException", id="bytes are empty"),
        pytest.param(inline(bytes(MAX_INLINE_BYTES + 1)), "ValidationException", id="one byte over the limit"),
        pytest.param({"Image": {"S3Object": None}}, "InvalidS3ObjectException", id="object is null"),
        pytest.param({"Image": {"S3Object": {"Bucket": "b/../x", "Name": "k"}}}, "InvalidS3ObjectException", id="path"),
        pytest.param(
            {"Image": {"S3Object": {"Bucket": "images", "Name": ""}}}, "InvalidS3ObjectException", id="no key"
        ),
        pytest.param(
            {"Image": {"S3Object": {"Bucket": "images", "Name": "\ud800"}}},
            "InvalidS3ObjectException",
            id="a key that is half a character",
        ),
        pytest.param(
            {"Image": {"S3Object": {"Bucket": "images", "Name": "k" * 1025}}},
            "InvalidS3ObjectException",
            id="a key longer than S3 takes",
        ),
        pytest.param({**inline(b"x"), "Features": 5}, "InvalidParameterException", id="features are a number"),
        pytest.param({**inline(b"x"), "Features": [{}]}, "InvalidParameterException", id="a feature is an object"),
        pytest.param({**inline(b"x"), "MaxLabels": float("nan")}, "InvalidParameterException", id="not a number"),
        pytest.param({**inline(b"x"), "MaxLabels": -1}, "InvalidParameterException", id="fewer than no labels"),
        pytest.param({**inline(b"x"), "MaxLabels": True}, "InvalidParameterException", id="labels are a truth value"),
        pytest.param({**inline(b"x"), "MinConfidence": 101}, "InvalidParameterException", id="surer than sure"),
        pytest.param({**inline(b"x"), "MinConfidence": "55"}, "InvalidParameterException", id="confidence is a text"),
        pytest.param({**inline(b"x"), "Colour": 1}, "InvalidParameterException", id="a field that is not known"),
        pytest.param(
            {**inline(b"x"), "Features": ["IMAGE_PROPERTIES"]}, "InvalidParameterException", id="not here: says so"
        ),
    ],
)
def test_what_is_no_request_is_refused_as_the_service_does(body: Any, code: str) -> None:
    with pytest.raises(RekognitionError) as caught:
        DetectLabels.from_body(body)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_a_stored_image_over_15_mb_is_too_large() -> None:
    check_stored(bytes(MAX_STORED_BYTES))
    with pytest.raises(RekognitionError, match="ImageTooLargeException"):
        check_stored(bytes(MAX_STORED_BYTES + 1))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(UnreadableImageError("?"), "InvalidImageFormatException", id="no JPEG, no PNG"),
        pytest.param(ImageSideError(20_000), "ImageTooLargeException", id="a side too long"),
        pytest.param(ImageSideError(79), "InvalidParameterException", id="a side too short"),
    ],
)
def test_an_image_that_cannot_be_read_gets_the_services_own_error(error: Any, code: str) -> None:
    assert refusal(error).code == code


def test_labels_are_cut_at_the_confidence_and_the_number_asked() -> None:
    seen = [Sighting("Animal", 95.0, ()), Sighting("Cat", 90.0, ("Animal",)), Sighting("Dog", 54.9, ("Animal",))]
    asked = DetectLabels(b"x", max_labels=1, min_confidence=55)
    assert [label["Name"] for label in labels(asked, seen)["Labels"]] == ["Animal"]
    asked = DetectLabels(b"x", max_labels=1000, min_confidence=55)
    answered = labels(asked, seen)
    assert [label["Name"] for label in answered["Labels"]] == ["Animal", "Cat"]
    assert answered["Labels"][1]["Parents"] == [{"Name": "Animal"}]
    assert answered["LabelModelVersion"] == "local-efficientnet-lite0"
