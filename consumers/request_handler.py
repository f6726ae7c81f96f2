"""The request handler: an image for a buffer, taken by a function instead of by the gateway alone.

What that buys: a status from the start, images that are too large for the buffer, idempotency keys, and callback URLs
that are checked before anything starts. What it costs is what the benchmark measures.

Not powertools' event handler: one route needs no router, and its import is a tenth of a cold start (50 ms of CPU).
"""

import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import get_session

from consumers import end_init
from consumers.answer import Answer, body_of, refused
from consumers.telemetry import logger, metrics
from pipeline.body import BodyError
from pipeline.intake import Intake, IntakeError, Taken, bad_body
from pipeline.ownership import owner_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_KEY_HEADER = "idempotency-key"

_intake = Intake.from_environment(os.environ, get_session())
end_init()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Take the request of a proxy event and answer it."""
    try:
        taken = _take(event, context.get_remaining_time_in_millis())
    except IntakeError as error:
        _tell_refusal(error)
        return refused(
            error.status,
            error.message,
            error.remedy,
            retry_after_s=error.retry_after_s,
            request_id=error.request_id,
        ).to_proxy()
    _tell(taken)
    location = f"/{event['requestContext']['stage']}/v1/requests/{taken.request_id}"
    return Answer(202, {"request_id": taken.request_id}, {"Location": location, "Retry-After": "1"}).to_proxy()


def _take(event: dict[str, Any], remaining_ms: float) -> Taken:
    try:
        body = body_of(event)
    except BodyError as error:
        raise bad_body(str(error)) from None
    return _intake.take(
        body,
        buffer=event["pathParameters"]["buffer"],
        remaining_ms=remaining_ms,
        accepted_at=event["requestContext"]["requestTimeEpoch"],
        idempotency_key=_key(event),
        owner=owner_of(event["requestContext"]["identity"]),
    )


def _key(event: dict[str, Any]) -> str | None:
    """The idempotency key.

    Raises:
        IntakeError: there are two, and nobody knows which is meant.
    """
    keys = [
        key
        for name, values in (event.get("multiValueHeaders") or {}).items()
        if name.lower() == _KEY_HEADER
        for key in values
    ]
    if len(keys) > 1:
        raise IntakeError(400, "There is more than one Idempotency-Key.", "Send one, or none.")
    return keys[0] if keys else None


def _tell(taken: Taken) -> None:
    log = logger.info if taken.unnoted is None else logger.error
    log("taken", request_id=taken.request_id, duplicate=taken.duplicate, unnoted=taken.unnoted)
    _count("Duplicates" if taken.duplicate else "Taken")


def _tell_refusal(error: IntakeError) -> None:
    log = logger.warning if error.cause is None else logger.error
    log("not taken", request_id=error.request_id, status=error.status, reason=error.message, cause=error.cause)
    _count("NotTaken")


def _count(name: str) -> None:
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
