"""Recognition: one image to Rekognition DetectLabels, patient with throttles, quick with refusals.

Rekognition's quota is far below what Lambda's concurrency can ask of it, so a throttle is the normal case of a spike.
It is retried here, with exponential back-off and full jitter, for as long as the function has time. An image that
Rekognition will never take is an answer, not an error.
"""

import random
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from pipeline.client_error import code_and_message
from pipeline.request import InlineImage
from pipeline.result import Label

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import DetectLabelsResponseTypeDef, ImageTypeDef

    from pipeline.request import StoredImage

# API:ImageBlob: bytes before base64.
MAX_IMAGE_BYTES = 5_242_880

# DetectLabels' errors about the image itself (API:DetectLabels); ValidationException is what a value outside its
# shape gets before it.
_REFUSALS = frozenset(
    {
        "ImageTooLargeException",
        "InvalidImageFormatException",
        "InvalidParameterException",
        "InvalidS3ObjectException",
        "ValidationException",
    }
)
# Over quota, and the penalty for a sudden rise below it: docs.aws.amazon.com/rekognition/latest/dg/limits.html
_THROTTLES = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException"})
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
# A call is started only with this much time left, in which most are answered: DetectLabels' prior p50 is 0.4 to 0.6 s.
_CALL_S = 1.0
_READ_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 2.0
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Effort:
    """The calls that one image took, and how many of them were throttled."""

    attempts: int = 0
    throttled: int = 0


@dataclass(frozen=True, slots=True)
class Recognised:
    """What Rekognition saw. `labels` are by falling confidence; there may be none."""

    labels: tuple[Label, ...]
    model_version: str
    effort: Effort


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that will never be recognised. `reason` starts with the name of Rekognition's error."""

    reason: str
    effort: Effort


class Hindrance(Enum):
    """What the last call before the time ran out met."""

    NO_CALL = "there was no time for one"
    THROTTLED = "Rekognition was over its quota"
    FAILED = "Rekognition failed"
    NO_ANSWER = "Rekognition did not answer"


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The time ran out before an answer; the image may be tried again. `reason` is the last call's failure."""

    reason: str
    effort: Effort
    hindrance: Hindrance = Hindrance.NO_CALL


def rekognition_client(
    session: "Session",
    connections: int,
    *,
    connect_timeout_s: float = _CONNECT_TIMEOUT_S,
    read_timeout_s: float = _READ_TIMEOUT_S,
) -> "RekognitionClient":
    """A client without retries of its own: botocore's would count on past the function's deadline, unseen."""
    config = Config(
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
    )
    return cast("RekognitionClient", session.create_client("rekognition", config=config))


class Recogniser:
    """Recognises images through a client, from as many threads as the client has connections.

    A call is started only with `call_s` left. By itself that is 1 s, in which most are answered, and the others hang
    over; none does if it is as long as the client's timeouts. `clock` and `sleep` are in seconds; `uniform` yields from
    [0, 1).
    """

    def __init__(
        self,
        client: "RekognitionClient",
        *,
        min_confidence: float,
        max_labels: int,
        call_s: float = _CALL_S,
        clock: "Callable[[], float]" = time.monotonic,
        sleep: "Callable[[float], None]" = time.sleep,
        uniform: "Callable[[], float]" = random.random,
    ) -> None:
        self._client = client
        self._min_confidence = min_confidence
        self._max_labels = max_labels
        self._call_s = call_s
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform

    def recognise(self, image: "InlineImage | StoredImage", deadline: float) -> Recognised | Refused | OutOfTime:
        """Recognise one image; the last call is started `call_s` before `deadline`, a time of the clock.

        Raises:
            botocore.exceptions.ClientError: an error that says nothing of the image and that no retry mends, such as
                AccessDeniedException.
        """
        reason = _refusal_before_calling(image)
        if reason is not None:
            return Refused(reason, Effort())
        parameter = _image_parameter(image)
        reason, hindrance = "no time was left to call Rekognition", Hindrance.NO_CALL
        attempts = throttled = 0
        while self._clock() + self._call_s <= deadline:
            attempts += 1
            try:
                answer = self._client.detect_labels(
                    Image=parameter, MaxLabels=self._max_labels, MinConfidence=self._min_confidence
                )
            except ParamValidationError as error:
                return Refused(_reason("InvalidParameterException", str(error)), Effort(attempts, throttled))
            except ClientError as error:
                code, message = code_and_message(error)
                reason = _reason(code, message)
                if code in _REFUSALS:
                    return Refused(reason, Effort(attempts, throttled))
                if not _is_retryable(code, error):
                    raise
                throttled += code in _THROTTLES
                hindrance = Hindrance.THROTTLED if _is_throttle(code, error) else Hindrance.FAILED
            except (NoConnectionError, HTTPClientError, ResponseParserError) as error:
                reason, hindrance = _reason(type(error).__name__, str(error)), Hindrance.NO_ANSWER
            else:
                return _recognised(answer, Effort(attempts, throttled))
            pause = self._uniform() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempts - 1, 16))
            if self._clock() + pause + self._call_s > deadline:
                break
            self._sleep(pause)
        return OutOfTime(reason, Effort(attempts, throttled), hindrance)


def _refusal_before_calling(image: "InlineImage | StoredImage") -> str | None:
    if not isinstance(image, InlineImage):
        return None
    if not image.data:
        return "InvalidParameterException: the image has no bytes"
    if len(image.data) > MAX_IMAGE_BYTES:
        return (
            f"ImageTooLargeException: the image has {len(image.data):,} bytes, inline ones may have "
            f"{MAX_IMAGE_BYTES:,}: upload it and send its key"
        )
    return None


def _image_parameter(image: "InlineImage | StoredImage") -> "ImageTypeDef":
    if isinstance(image, InlineImage):
        return {"Bytes": image.data}
    return {"S3Object": {"Bucket": image.bucket, "Name": image.key}}


def _recognised(answer: "DetectLabelsResponseTypeDef", effort: Effort) -> Recognised:
    labels = tuple(
        Label(
            name=label["Name"],
            confidence=label["Confidence"],
            parents=tuple(parent["Name"] for parent in label.get("Parents", ())),
        )
        for label in answer["Labels"]
    )
    return Recognised(labels, answer.get("LabelModelVersion", ""), effort)


def _is_retryable(code: str, error: ClientError) -> bool:
    return _is_throttle(code, error) or _http_status(error) >= _SERVER_ERROR


def _is_throttle(code: str, error: ClientError) -> bool:
    return code in _THROTTLES or _http_status(error) == _TOO_MANY_REQUESTS


def _http_status(error: ClientError) -> int:
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))


def _reason(name: str, message: str) -> str:
    return f"{name}: {message}"[:_LONGEST_REASON]
