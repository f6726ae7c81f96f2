"""Synchronous recognition: one image, and the answer to it in the time that the gateway waits."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from consumers.answer import Answer, body_of, refused
from consumers.conclusion import concluded
from pipeline.body import SYNC_MEMBERS, BodyError, check_body
from pipeline.ownership import owner_of
from pipeline.recognition import Effort, Hindrance, OutOfTime
from pipeline.request import InvalidRequestError, image_from_body, measurement_from_body
from pipeline.result import Passage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.environment import Environment
    from pipeline.recognition import Recognised, Refused
    from pipeline.request import InlineImage, Measurement, StoredImage
    from pipeline.result import Result

_NO_EFFORT: Final = Effort()
_RETRY_AFTER_S: Final = 1
_SEND_AGAIN: Final = "Send it again after Retry-After seconds, and wait longer each time."


class Recognition(Protocol):
    """What it needs of pipeline.recognition.Recogniser."""

    def recognise(self, image: "InlineImage | StoredImage", deadline: float) -> "Recognised | Refused | OutOfTime":
        """Recognise one image."""


class Results(Protocol):
    """What it needs of pipeline.results_table.ResultsTable."""

    def write(self, result: "Result") -> None:
        """Store a result."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How the time that the gateway waits is shared out, in seconds.

    A call to Rekognition may `connect` and `read` for so long; `kept` back at the end is the time to write and answer.
    """

    whole: float
    connect: float
    read: float
    kept: float

    @classmethod
    def of(cls, timeout_ms: int) -> "Patience":
        """Share out an integration's timeout. DetectLabels' p99 is 1.5 to 2 s (prior), a write's 15 to 25 ms."""
        whole = timeout_ms / 1_000
        return cls(whole=whole, connect=min(1.0, whole / 20), read=min(5.0, whole / 4), kept=min(3.0, whole / 8))

    @property
    def call(self) -> float:
        """What one call may take at the most."""
        return self.connect + self.read


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and what is to be logged with it: why there are no labels in it, why its result is not stored."""

    request_id: str
    answer: Answer
    effort: Effort = _NO_EFFORT
    reason: str | None = None
    unstored: str | None = None


class Synchronous:
    """Answers one request at a time. `clock` is monotonic, `now` the time of day, both in seconds."""

    def __init__(
        self,
        recognition: Recognition,
        results: Results,
        environment: "Environment",
        *,
        bucket: str,
        patience: Patience,
        clock: "Callable[[], float]" = time.monotonic,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._recognition = recognition
        self._results = results
        self._environment = environment
        self._bucket = bucket
        self._patience = patience
        self._clock = clock
        self._now = now

    def answer(self, event: "Mapping[str, Any]", *, remaining_ms: float) -> Outcome:
        """Answer a proxy event; `remaining_ms` is what Lambda leaves from now. Never raises for a request's sake."""
        context = event["requestContext"]
        request_id, accepted_at = context["extendedRequestId"], context["requestTimeEpoch"]
        init_ms = self._environment.take_init_ms()
        received_at = self._now() * 1_000
        # By the gateway's clock it may not have been sent yet: then it has not waited at all.
        waited = max(0.0, (received_at - accepted_at) / 1_000)
        deadline = self._clock() + min(self._patience.whole - waited, remaining_ms / 1_000) - self._patience.kept
        try:
            body = dict(check_body(body_of(event), SYNC_MEMBERS))
            image, measurement = image_from_body(body, self._bucket), measurement_from_body(body)
        except (BodyError, InvalidRequestError) as error:
            return Outcome(request_id, _invalid(str(error), request_id), reason=str(error))
        try:
            recognition = self._recognition.recognise(image, deadline)
        except (BotoCoreError, ClientError) as error:
            return Outcome(request_id, _broken(request_id), reason=f"{type(error).__name__}: {error}")
        if isinstance(recognition, OutOfTime):
            return Outcome(request_id, _late(recognition.hindrance, request_id), recognition.effort, recognition.reason)
        passage = Passage(
            accepted_at=accepted_at,
            received_at=round(received_at, 3),
            recognised_at=round(self._now() * 1_000, 3),
            batch_size=1,
            attempts=recognition.effort.attempts,
            init_ms=init_ms,
            environment=self._environment.name,
        )
        return self._stored(request_id, recognition, passage, measurement, owner_of(context["identity"]))

    def _stored(
        self,
        request_id: str,
        recognition: "Recognised | Refused",
        passage: Passage,
        measurement: "Measurement | None",
        owner: str | None,
    ) -> Outcome:
        result = concluded(
            recognition, request_id=request_id, buffer=None, passage=passage, measurement=measurement, owner=owner
        )
        unstored = None
        try:
            self._results.write(result)
        except (BotoCoreError, ClientError) as error:
            # The client has it, and that is what was asked for; to send it away would only pay Rekognition twice.
            unstored = f"{type(error).__name__}: {error}"
        return Outcome(request_id, _answer(result), recognition.effort, result.reason, unstored)


def _answer(result: "Result") -> Answer:
    document = result.to_document()
    if result.status is Status.SUCCEEDED:
        return Answer(200, document)
    said = {"message": "The image cannot be recognised.", "remedy": "Read the reason, and send another image."}
    return Answer(422, document | said)


def _invalid(problem: str, request_id: str) -> Answer:
    return refused(
        400,
        f"Invalid request body: {problem}.",
        'Send {"image": {"bytes": base64}} or {"image": {"key": ...}} of an uploaded image, and nothing else but run.',
        request_id=request_id,
    )


def _broken(request_id: str) -> Answer:
    return refused(
        503,
        "The image could not be recognised, for a reason that is not yours.",
        "Send it again later; the function's log has the cause under the request's id.",
        retry_after_s=_RETRY_AFTER_S,
        request_id=request_id,
    )


def _late(hindrance: Hindrance, request_id: str) -> Answer:
    """The answer where the time ran out: nothing is at work any more, and there will be no result."""
    if hindrance is Hindrance.THROTTLED:
        return refused(
            429,
            "Recognition is over its quota, and stayed so for as long as the request could wait.",
            f"{_SEND_AGAIN} Or use a buffer: POST /v1/sqs/images waits for you.",
            retry_after_s=_RETRY_AFTER_S,
            request_id=request_id,
        )
    if hindrance is Hindrance.FAILED:
        return refused(
            503,
            "Recognition failed, and went on failing for as long as the request could wait.",
            _SEND_AGAIN,
            retry_after_s=_RETRY_AFTER_S,
            request_id=request_id,
        )
    return refused(
        504,
        "Recognition took longer than the request could wait, and was given up.",
        "Send it again, or use a buffer: POST /v1/sqs/images answers at once, and you ask for the result later.",
        request_id=request_id,
    )
