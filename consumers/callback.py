"""The callback queue's function: results go to the URLs that their requests named.

A message that is to come again is named to Lambda, and hidden for as long as its pause is: Lambda leaves the
visibility of those alone.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import get_session

from consumers import end_init
from consumers.callback_notifier import Delivered, Notifier, Report
from consumers.callback_policy import Policy
from consumers.callback_post import Poster, SystemResolver
from consumers.telemetry import logger, metrics
from pipeline.callback_queue import CallbackQueue
from pipeline.callback_settings import CallbackSettings
from pipeline.callback_signature import SigningKeys, secrets_client
from pipeline.callbacks_table import CallbacksTable
from pipeline.notifications import notification_client
from pipeline.results_table import ResultsTable, dynamodb_client

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The mapping's batch, so that none of it waits for a thread.
_THREADS: Final = 10
# A lookup outlives the attempt that asked for it, and must not take the next one's place.
_LOOKUPS: Final = 3 * _THREADS


def _start() -> Notifier:
    settings = CallbackSettings.from_environment(os.environ)
    session = get_session()
    dynamodb = dynamodb_client(session, _THREADS)
    notifier = Notifier(
        ResultsTable(dynamodb, settings.results_table),
        CallbacksTable(dynamodb, settings.callbacks_table),
        Poster(
            ports=settings.ports,
            resolve=SystemResolver(_LOOKUPS),
            test_receiver=settings.test_receiver,
            test_certificate=settings.test_certificate,
        ),
        SigningKeys(secrets_client(session), settings.secret_arn),
        CallbackQueue(notification_client(session, _THREADS), settings.queue_url, settings.dead_letter_queue_url),
        Policy(settings.maximum_attempts, settings.first_retry_s, settings.timeout_s),
        threads=ThreadPoolExecutor(_THREADS, thread_name_prefix="callback"),
    )
    end_init()
    return notifier


_notifier = _start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Call back for what an SQS event names. Returns the batchItemFailures (docs: services-sqs-errorhandling)."""
    report = _notifier.work(
        [
            Delivered(token=record["messageId"], receipt=record["receiptHandle"], body=record["body"])
            for record in event["Records"]
        ],
        remaining_ms=context.get_remaining_time_in_millis(),
    )
    _tell(report)
    return {"batchItemFailures": [{"itemIdentifier": token} for token in report.failed_tokens]}


def _tell(report: Report) -> None:
    """Log and count a batch; by their request ids, and without their URLs, whose path and query may hold secrets."""
    for retry in report.retries:
        logger.warning(
            "not acknowledged",
            request_id=retry.request_id,
            attempt=retry.attempt,
            again_in_s=retry.pause_s,
            reason=retry.reason,
        )
    for loss in report.losses:
        logger.error("given up", request_id=loss.request_id, attempts=loss.attempts, reason=loss.reason)
    for failure in report.failures:
        logger.error("not done", request_id=failure.request_id, reason=failure.reason)
    logger.info(
        "batch",
        messages=report.messages,
        acknowledged=report.acknowledged,
        settled=report.settled,
        waiting=report.waiting,
        retried=len(report.retries),
        given_up=len(report.losses),
        failed=len(report.failures),
    )
    for name, value in (
        ("CallbacksAcknowledged", report.acknowledged),
        ("CallbacksRetried", len(report.retries)),
        ("CallbacksGivenUp", len(report.losses)),
        ("CallbackFailures", len(report.failures)),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
