"""The request: one JSON object on whichever buffer carries it.

    {"request_id": "Fv6kVGuJIAMF3Iw=",       from the gateway, unique
     "accepted_at": 1732400000123,           when the gateway took it, ms since the epoch
     "buffer": "kinesis",                    which way it travels
     "owner": "iam:AIDACKCEVSQ6C2EXAMPLE",   whose it is (pipeline/ownership.py); without one, nobody may ask for it
     "bucket": "forebay-images",             where uploaded images lie
     "connection_id": "L0SM9cOFvHcCIhw=",    the WebSocket it came by; never on one that came over HTTP
     "request": {...}}                       the client's own body, as it was sent

The client's body is nested whole, so that the gateway's template never takes a client's value apart:

    {"image": {"bytes": "<base64>"}}                    inline
    {"image": {"key": "cat.jpg"}}                       uploaded before (the claim check)
    {"image": ..., "run": {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}}   a load test's request
    {"image": ..., "group": "camera-7"}                 delivered in the group's order where the buffer keeps one
    {"image": ..., "callback_url": "https://..."}       the result is POSTed there, once it is stored
    {"image": ..., "attach": "9f86d081884c7d65..."}     the SHA-256, in hex, of a secret that only the client knows:
                                                        who shows it over a WebSocket gets the result pushed

The group is for the gateway, which makes it Kinesis's partition key and a FIFO queue's message group: whoever works the
record off has no use for it.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

from pipeline.unicode_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

Buffer = Literal["sns", "sqs", "kinesis", "kinesis-efo"]
BUFFERS: tuple[Buffer, ...] = get_args(Buffer)


# Whole numbers up to here are exact in every JSON reader and in DynamoDB: what a client sends must not make a number
# that the results table refuses. infra.yaml's model of the body says the same.
_LARGEST = 2**53 - 1
# DynamoDB takes 2,048 bytes of partition key, for which request_id, run.id and connection_id are used.
_LONGEST_ID = 1_024
# infra.yaml's model of the body says the same of these two.
_LONGEST_URL = 2_048
_SHA256_HEX = re.compile("[0-9a-f]{64}")


class InvalidRequestError(ValueError):
    """A record that is no request, with what could still be read of it, to answer under and to count by."""

    def __init__(
        self,
        reason: str,
        request_id: str | None = None,
        *,
        buffer: Buffer | None = None,
        accepted_at: float | None = None,
        measurement: "Measurement | None" = None,
        callback_url: str | None = None,
        attach: str | None = None,
        connection_id: str | None = None,
        owner: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.request_id = request_id
        self.buffer = buffer
        self.accepted_at = accepted_at
        self.measurement = measurement
        self.callback_url = callback_url
        self.attach = attach
        self.connection_id = connection_id
        self.owner = owner


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
    """One image to recognise, and who is to be told. `accepted_at` is in ms since the epoch, by the gateway's clock.

    `attach` is the SHA-256 of a secret, in hex; `connection_id` is only ever the WebSocket function's word, `owner` the
    gateway's or a function's, or that of a producer that has a right to the buffer.
    """

    request_id: str
    accepted_at: float
    buffer: Buffer
    image: InlineImage | StoredImage
    measurement: Measurement | None = None
    callback_url: str | None = None
    attach: str | None = None
    connection_id: str | None = None
    owner: str | None = None

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
        return cls.from_record(record)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Request":
        """Read a record that is a JSON object already.

        Raises:
            InvalidRequestError: it is not of the form above; says what is wrong with it.
        """
        try:
            request_id = _identifier(record, "request_id")
        except _FieldError as error:
            raise InvalidRequestError(str(error)) from None
        try:
            return cls._from_record(request_id, record)
        except _FieldError as error:
            raise InvalidRequestError(
                str(error),
                request_id,
                buffer=_readable(_buffer, record),
                accepted_at=_readable(_accepted_at, record),
                measurement=_readable(_measurement, record),
                callback_url=_readable(_callback_url, record),
                attach=_readable(_attach, record),
                connection_id=_readable(_connection_id, record),
                owner=_readable(_owner, record),
            ) from None

    @classmethod
    def _from_record(cls, request_id: str, record: dict[str, Any]) -> "Request":
        return cls(
            request_id=request_id,
            accepted_at=_accepted_at(record),
            buffer=_buffer(record),
            image=_image(record),
            measurement=_measurement(record),
            callback_url=_callback_url(record),
            attach=_attach(record),
            connection_id=_connection_id(record),
            owner=_owner(record),
        )

    def to_json(self) -> str:
        """Write the record as the gateway's template does."""
        body: dict[str, Any] = {"image": image_to_body(self.image)}
        if self.measurement is not None:
            body["run"] = measurement_to_body(self.measurement)
        if self.callback_url is not None:
            body["callback_url"] = self.callback_url
        if self.attach is not None:
            body["attach"] = self.attach
        record: dict[str, Any] = {
            "request_id": self.request_id,
            "accepted_at": self.accepted_at,
            "buffer": self.buffer,
        }
        if self.owner is not None:
            record["owner"] = self.owner
        if isinstance(self.image, StoredImage):
            record["bucket"] = self.image.bucket
        if self.connection_id is not None:
            record["connection_id"] = self.connection_id
        record["request"] = body
        return json.dumps(record, separators=(",", ":"))


def image_to_body(image: InlineImage | StoredImage) -> dict[str, str]:
    """The `image` object of a client's body."""
    if isinstance(image, InlineImage):
        return {"bytes": base64.b64encode(image.data).decode("ascii")}
    return {"key": image.key}


def image_from_body(body: dict[str, Any], bucket: str) -> InlineImage | StoredImage:
    """Read the image of a client's body, for a request that needs no record.

    Raises:
        InvalidRequestError: it has none, or one that is not of its form.
    """
    try:
        return _image({"request": body, "bucket": bucket})
    except _FieldError as error:
        raise InvalidRequestError(str(error)) from None


def measurement_from_body(body: dict[str, Any]) -> Measurement | None:
    """Read the `run` of a client's body, if there is one.

    Raises:
        InvalidRequestError: it is not of its form.
    """
    try:
        return _measurement({"request": body})
    except _FieldError as error:
        raise InvalidRequestError(str(error)) from None


def measurement_to_body(measurement: Measurement) -> dict[str, Any]:
    """The `run` object of a client's body."""
    return {
        "id": measurement.run_id,
        "sequence": measurement.sequence,
        "intended_at": measurement.intended_at,
    }


class _FieldError(ValueError):
    pass


def _readable(read: "Callable[[dict[str, Any]], T]", record: dict[str, Any]) -> "T | None":
    try:
        return read(record)
    except _FieldError:
        return None


def _object(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    if not isinstance(value, dict):
        raise _FieldError(f"{name} is missing or not an object")
    return value


def _text(of: dict[str, Any], name: str) -> str:
    value = of.get(name)
    if not isinstance(value, str) or not value:
        raise _FieldError(f"{name} is missing or not a text")
    if not is_unicode(value):
        raise _FieldError(f"{name} is not a text that UTF-8 can write")
    return value


def _identifier(of: dict[str, Any], name: str) -> str:
    value = _text(of, name)
    if len(value.encode()) > _LONGEST_ID:
        raise _FieldError(f"{name} is longer than {_LONGEST_ID} bytes")
    return value


def _time(of: dict[str, Any], name: str) -> float:
    value = of.get(name)
    # Comparing is safe where converting is not: a whole number in JSON may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise _FieldError(f"{name} is missing or not a time in ms since the epoch")
    return value


def _buffer(record: dict[str, Any]) -> Buffer:
    buffer = record.get("buffer")
    if buffer not in BUFFERS:
        raise _FieldError(f"buffer is not one of {', '.join(BUFFERS)}")
    return cast("Buffer", buffer)


def _accepted_at(record: dict[str, Any]) -> float:
    return _time(record, "accepted_at")


def _image(record: dict[str, Any]) -> InlineImage | StoredImage:
    image = _object(_object(record, "request"), "image")
    if ("bytes" in image) == ("key" in image):
        raise _FieldError("image needs either bytes or key")
    if "key" in image:
        return StoredImage(bucket=_text(record, "bucket"), key=_text(image, "key"))
    text = _text(image, "bytes")
    try:
        return InlineImage(base64.b64decode(text, validate=True))
    # Not only binascii.Error: letters outside ASCII are a plain ValueError.
    except ValueError as error:
        raise _FieldError(f"image bytes are not base64: {error}") from None


def _measurement(record: dict[str, Any]) -> Measurement | None:
    body = _object(record, "request")
    if body.get("run") is None:
        return None
    run = _object(body, "run")
    sequence = run.get("sequence")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence <= _LARGEST:
        raise _FieldError("run.sequence is missing or not a whole number from 0")
    return Measurement(run_id=_identifier(run, "id"), sequence=sequence, intended_at=_time(run, "intended_at"))


def _callback_url(record: dict[str, Any]) -> str | None:
    # Whether anybody may be sent there is not a question of form: see pipeline/callback_url.py.
    body = _object(record, "request")
    if body.get("callback_url") is None:
        return None
    url = _text(body, "callback_url")
    if len(url) > _LONGEST_URL:
        raise _FieldError(f"callback_url is longer than {_LONGEST_URL:,} characters")
    return url


def _attach(record: dict[str, Any]) -> str | None:
    body = _object(record, "request")
    if body.get("attach") is None:
        return None
    digest = _text(body, "attach")
    if _SHA256_HEX.fullmatch(digest) is None:
        raise _FieldError("attach is not a SHA-256 in 64 lower-case hexadecimal digits")
    return digest


def _connection_id(record: dict[str, Any]) -> str | None:
    return None if record.get("connection_id") is None else _identifier(record, "connection_id")


def _owner(record: dict[str, Any]) -> str | None:
    # The gateway's template writes an empty one where it asks nobody who calls.
    return None if record.get("owner") in (None, "") else _identifier(record, "owner")
