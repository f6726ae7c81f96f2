"""DetectLabels as Rekognition defines it: what a request must be, what is refused and how, what is answered.

Rules from the service's API reference (botocore's model of rekognition-2016-06-27) and its page of quotas.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from local.recogniser import MODEL_VERSION
from local.recogniser.image_file import UnreadableImageError
from local.recogniser.picture import MAX_SIDE, ImageSideError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.recogniser.model import Sighting

MAX_INLINE_BYTES: Final = 5_242_880
MAX_STORED_BYTES: Final = 15 * 1024 * 1024
DEFAULT_MIN_CONFIDENCE: Final = 55.0
MAX_LABELS: Final = 1000

_KNOWN_FIELDS: Final = frozenset({"Image", "MaxLabels", "MinConfidence", "Features", "Settings"})
# API:S3Object, and S3's own, in bytes of UTF-8.
_LONGEST_KEY: Final = 1_024
_BUCKET: Final = re.compile(r"[0-9A-Za-z.\-_]{3,255}")


class RekognitionError(Exception):
    """An error of the service: its code, its HTTP status and its text."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class S3Object:
    """Where an image lies."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class DetectLabels:
    """A request that passed the service's checks. `min_confidence` is in percent."""

    image: bytes | S3Object
    max_labels: int
    min_confidence: float

    @classmethod
    def from_body(cls, body: Any) -> "DetectLabels":
        """Check a request's JSON body.

        Raises:
            RekognitionError: what the service would answer to it.
        """
        if not isinstance(body, dict) or not isinstance(body.get("Image"), dict):
            raise _invalid("Request has invalid parameters: Image is required")
        unknown = sorted(set(body) - _KNOWN_FIELDS)
        if unknown:
            raise _invalid(f"Request has invalid parameters: {', '.join(map(str, unknown))}")
        if _features(body) - {"GENERAL_LABELS"}:
            raise _invalid("The local stand-in knows GENERAL_LABELS only")
        return cls(
            image=_image(body["Image"]),
            max_labels=int(_within(body, "MaxLabels", MAX_LABELS, low=0, high=1e9)),
            min_confidence=_within(body, "MinConfidence", DEFAULT_MIN_CONFIDENCE, low=0, high=100),
        )


def check_stored(image: bytes) -> None:
    """Refuse what was fetched from S3 and is too large.

    Raises:
        RekognitionError: it is.
    """
    if len(image) > MAX_STORED_BYTES:
        raise RekognitionError("ImageTooLargeException", f"Image size is too large: {MAX_STORED_BYTES} bytes at most")


def refusal(error: UnreadableImageError | ImageSideError) -> RekognitionError:
    """What the service answers where the recogniser could not take the image."""
    if isinstance(error, UnreadableImageError):
        return RekognitionError("InvalidImageFormatException", "Request has invalid image format")
    code = "ImageTooLargeException" if error.side > MAX_SIDE else "InvalidParameterException"
    return RekognitionError(code, f"Request has invalid image dimensions: {error}")


def no_object() -> RekognitionError:
    """What the service answers where there is no such object, or no right to read it."""
    return RekognitionError(
        "InvalidS3ObjectException",
        "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
    )


def labels(request: DetectLabels, sightings: "Sequence[Sighting]") -> dict[str, Any]:
    """The service's answer: what was seen at least as surely as asked, the surest first."""
    return {
        "Labels": [
            {
                "Name": seen.name,
                "Confidence": round(seen.confidence, 6),
                "Instances": [],
                "Parents": [{"Name": parent} for parent in seen.parents],
                "Aliases": [],
                "Categories": [],
            }
            for seen in sightings
            if seen.confidence >= request.min_confidence
        ][: request.max_labels],
        "LabelModelVersion": MODEL_VERSION,
    }


def _image(image: dict[str, Any]) -> bytes | S3Object:
    if ("Bytes" in image) == ("S3Object" in image):
        raise _invalid("Request has invalid parameters: Image needs either Bytes or S3Object")
    if "S3Object" in image:
        return _s3_object(image["S3Object"])
    if not isinstance(image["Bytes"], str):
        raise RekognitionError("SerializationException", "Image.Bytes is not base64")
    try:
        data = base64.b64decode(image["Bytes"], validate=True)
    except (binascii.Error, ValueError):
        raise RekognitionError("SerializationException", "Image.Bytes is not base64") from None
    if not data:
        raise RekognitionError("ValidationException", "Image.Bytes must have a length of at least 1")
    if len(data) > MAX_INLINE_BYTES:
        raise RekognitionError(
            "ValidationException", f"Image.Bytes must have a length of at most {MAX_INLINE_BYTES} bytes"
        )
    return data


def _s3_object(place: Any) -> S3Object:
    bucket, key = (place.get("Bucket"), place.get("Name")) if isinstance(place, dict) else (None, None)
    if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket) or not _is_key(key):
        raise no_object()
    return S3Object(bucket, key)


def _is_key(key: object) -> TypeGuard[str]:
    if not isinstance(key, str):
        return False
    try:
        return 1 <= len(key.encode()) <= _LONGEST_KEY
    except UnicodeEncodeError:
        return False


def _features(body: dict[str, Any]) -> set[str]:
    features = body.get("Features")
    if features is None:
        return set()
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise _invalid("Request has invalid parameters: Features must be a list of texts")
    return set(features)


def _within(body: dict[str, Any], name: str, default: float, *, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _invalid(f"Request has invalid parameters: {name} must be within {low:g} and {high:g}")
    return value


def _invalid(message: str) -> RekognitionError:
    return RekognitionError("InvalidParameterException", message)
