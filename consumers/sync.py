"""Synchronous: an image is recognised, and its labels answered, in the round trip of its request.

There is no buffer, so a spike is the client's to bear: what Rekognition throttles is waited out here for as long as the
gateway waits, and then the client is told to come again. All the time there is counts from when the gateway took the
request, not from when this function got it, and no call is started that could outlast it: nothing is at work for a
client that has been told 504.
"""

import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import get_session

from consumers import end_init
from consumers.environment import Environment
from consumers.synchronous import Outcome, Patience, Synchronous
from consumers.telemetry import logger, metrics
from pipeline.recognition import Recogniser, rekognition_client
from pipeline.results_table import ResultsTable, dynamodb_client
from pipeline.settings import Settings, SyncSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def _start() -> Synchronous:
    settings, sync = Settings.from_environment(os.environ), SyncSettings.from_environment(os.environ)
    patience = Patience.of(sync.integration_timeout_ms)
    session = get_session()
    recogniser = Recogniser(
        # One at a time, as Lambda gives an environment its requests.
        rekognition_client(session, 1, connect_timeout_s=patience.connect, read_timeout_s=patience.read),
        min_confidence=settings.min_confidence,
        max_labels=settings.max_labels,
        call_s=patience.call,
    )
    results = ResultsTable(
        dynamodb_client(session, 1, attempts=2, timeout_s=patience.kept / 3),
        settings.results_table,
        ttl_days=settings.result_ttl_days,
    )
    synchronous = Synchronous(
        recogniser, results, Environment.of_this_process(os.environ), bucket=sync.image_bucket, patience=patience
    )
    end_init()
    return synchronous


_synchronous = _start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer a proxy event."""
    outcome = _synchronous.answer(event, remaining_ms=context.get_remaining_time_in_millis())
    _tell(outcome)
    return outcome.answer.to_proxy()


def _tell(outcome: Outcome) -> None:
    status = outcome.answer.status
    # Whatever is neither an answer nor the client's own mistake.
    log = logger.info if status == 200 else logger.warning if status in (400, 422, 429) else logger.error
    log(
        "answered",
        request_id=outcome.request_id,
        status=status,
        reason=outcome.reason,
        attempts=outcome.effort.attempts,
    )
    if outcome.unstored is not None:
        logger.error("not stored", request_id=outcome.request_id, reason=outcome.unstored)
    for name, value in (
        ("Recognised", status == 200),
        ("Refused", status == 422),
        ("Unanswered", status not in (200, 400, 422)),
        ("Unstored", outcome.unstored is not None),
        ("Throttled", outcome.effort.throttled),
        ("Retried", max(0, outcome.effort.attempts - 1)),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=int(value))
