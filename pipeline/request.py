"""The request: one JSON object on whichever buffer carries it.

    {"request_id": "Fv6kVGuJIAMF3Iw=",       from the gateway, unique
     "accepted_at": 1732400000123,           when the gateway took it, ms since the epoch
     "buffer": "kinesis",                    which way it travels
     "bucket": "forebay-images",             where uploaded images lie
     "request": {...}}                       the client's own body, as it was sent

The client's body is nested whole, so that the gateway's template never takes a client's value apart:

    {"image": {"bytes": "<base64>"}}                    inline
    {"image": {"key": "cat.jpg"}}                       uploaded before (the claim check)
    {"image": ..., "run": {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}}   a load test's request
"""

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

Buffer = Literal["sns", "sqs", "kinesis"]
BUFFERS: tuple[Buffer, ...] = get_args(Buffer)


class InvalidRequestError(ValueError):
    """A record that is no request. `request_id` is what could still be read of it, to answer under."""

    def __init__(self, reason: str, request_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class InlineImage:
    """The image's own bytes, carried in the record."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that was uploaded first; the record carries its claim check."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a load test puts on its requests. `intended_at` is the generator's clock, ms since the epoch."""

    run_id: str
    sequence: int
    intended_at: float


@dataclass(frozen=True, slots=True)
class Request:
    """One image to recognise. `accepted_at` is in ms since the epoch, by the gateway's clock."""

    request_id: str
    accepted_at: float
    buffer: Buffer
    image: InlineImage | StoredImage
    measurement: Measurement | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> "Request":
        """Read a record.

        Raises:
            InvalidRequestError: it is no JSON object of the form above; says what is wrong with it.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError(f"the record is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise InvalidRequestError("the record is not a JSON object")
        request_id = record.get("request_id")
        if not isinstance(request_id, str) or not request_id:
            raise InvalidRequestError("the record has no request_id")
        try:
            return cls._from_record(request_id, record)
        except _FieldError as error:
            raise InvalidRequestError(str(error), request_id) from None

    @classmethod
    def _from_record(cls, request_id: str, record: dict[str, Any]) -> "Request":
        buffer = record.get("buffer")
        if buffer not in BUFFERS:
            raise _FieldError(f"buffer is {buffer!r}, not one of {', '.join(BUFFERS)}")
        body = _object(record, "request")
        return cls(
            request_id=request_id,
            accepted_at=_number(record, "accepted_at"),
            buffer=cast("Buffer", buffer),
            image=_image(_object(body, "image"), record),
            measurement=_measurement(_object(body, "run")) if body.get("run") is not None else None,
        )

    def to_json(self) -> str:
        """Write the record as the gateway's template does."""
        body: dict[str, Any] = {"image": image_to_body(self.image)}
        if self.measurement is not None:
            body["run"] = measurement_to_body(self.measurement)
        record: dict[str, Any] = {
            "request_id": self.request_id,
            "accepted_at": self.accepted_at,
            "buffer": self.buffer,
        }
        if isinstance(self.image, StoredImage):
            record["bucket"] = self.image.bucket
        record["request"] = body
        return json.dumps(record, separators=(",", ":"))


def image_to_body(image: InlineImage | StoredImage) -> dict[str, str]:
    """The `image` object of a client's body."""
    if isinstance(image, InlineImage):
        return {"bytes": base64.b64encode(image.data).decode("ascii")}
    return {"key": image.key}


def measurement_to_body(measurement: Measurement) -> dict[str, Any]:
    """The `run` object of a client's body."""
    return {
        "id": measurement.run_id,
        "sequence": measurement.sequence,
        "intended_at": measurement.intended_at,
    }


class _FieldError(ValueError):
    pass


def _object(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    if not isinstance(value, dict):
        raise _FieldError(f"{name} is missing or not an object")
    return value


def _text(of: dict[str, Any], name: str) -> str:
    value = of.get(name)
    if not isinstance(value, str) or not value:
        raise _FieldError(f"{name} is missing or not a text")
    return value


def _number(of: dict[str, Any], name: str) -> float:
    value = of.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _FieldError(f"{name} is missing or not a number")
    return value


def _image(image: dict[str, Any], record: dict[str, Any]) -> InlineImage | StoredImage:
    if ("bytes" in image) == ("key" in image):
        raise _FieldError("image needs either bytes or key")
    if "key" in image:
        return StoredImage(bucket=_text(record, "bucket"), key=_text(image, "key"))
    try:
        return InlineImage(base64.b64decode(_text(image, "bytes"), validate=True))
    except binascii.Error as error:
        raise _FieldError(f"image bytes are not base64: {error}") from None


def _measurement(run: dict[str, Any]) -> Measurement:
    sequence = run.get("sequence")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or sequence < 0:
        raise _FieldError("run.sequence is missing or not a whole number")
    return Measurement(run_id=_text(run, "id"), sequence=sequence, intended_at=_number(run, "intended_at"))
