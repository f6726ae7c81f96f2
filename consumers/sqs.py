"""SQS: a batch of messages; those that failed are named by their message ids and become visible again.

Of a FIFO queue, too, all are worked through whichever fails: what a failed one's group has behind it is done by then.
Results stand for themselves, so that order is the delivery's, and not the work's.
"""

import time
from typing import TYPE_CHECKING, Any

from consumers.start import start
from consumers.telemetry import logger, metrics, tell
from consumers.worker import Delivered

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_worker = start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Work through an SQS event. Returns the batchItemFailures (docs: services-sqs-errorhandling)."""
    received_at = round(time.time() * 1_000, 3)
    report = _worker.work(
        [Delivered(token=record["messageId"], body=record["body"]) for record in event["Records"]],
        received_at=received_at,
        remaining_ms=context.get_remaining_time_in_millis(),
    )
    tell(report)
    return {"batchItemFailures": [{"itemIdentifier": token} for token in report.failed_tokens]}
