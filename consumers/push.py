"""The push queue's function: results go to the WebSocket connections that wait for them."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import get_session

from consumers import end_init
from consumers.pusher import Delivered, Pusher, Report, connections_client
from consumers.telemetry import logger, metrics
from pipeline.connections import ConnectionsTable
from pipeline.results_table import ResultsTable, dynamodb_client
from pipeline.settings import PushSettings
from pipeline.watchers import WatchersTable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The mapping's batch, so that none of it waits for a thread.
_THREADS: Final = 10


def _start() -> Pusher:
    settings = PushSettings.from_environment(os.environ)
    session = get_session()
    dynamodb = dynamodb_client(session, _THREADS)
    pusher = Pusher(
        ResultsTable(dynamodb, settings.results_table),
        ConnectionsTable(dynamodb, settings.connections_table),
        WatchersTable(dynamodb, settings.watchers_table),
        connections_client(session, settings.endpoint, _THREADS),
        threads=ThreadPoolExecutor(_THREADS, thread_name_prefix="push"),
    )
    end_init()
    return pusher


_pusher = _start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Push what an SQS event names. Returns the batchItemFailures (docs: services-sqs-errorhandling)."""
    report = _pusher.work(
        [Delivered(token=record["messageId"], body=record["body"]) for record in event["Records"]],
        remaining_ms=context.get_remaining_time_in_millis(),
    )
    _tell(report)
    return {"batchItemFailures": [{"itemIdentifier": failure.token} for failure in report.failures]}


def _tell(report: Report) -> None:
    """Log and count a batch. A message that is not in `Notified` is in the dead-letter queue, or on its way."""
    for failure in report.failures:
        logger.error("not pushed", request_id=failure.request_id, token=failure.token, reason=failure.reason)
    logger.info(
        "batch",
        messages=report.messages,
        notified=report.notified,
        pushed=report.pushed,
        gone=report.gone,
        failed=len(report.failures),
    )
    for name, value in (
        ("Notified", report.notified),
        ("Pushed", report.pushed),
        ("Gone", report.gone),
        ("PushFailures", len(report.failures)),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
