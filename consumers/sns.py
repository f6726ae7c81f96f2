"""SNS: one message, pushed. What must be tried again is raised, and Lambda's asynchronous retries take over."""

import time
from typing import TYPE_CHECKING, Any

from consumers.start import start
from consumers.telemetry import logger, metrics, tell
from consumers.worker import Delivered

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_worker = start()


class NotDoneError(Exception):
    """A message that could not be worked through; the text says why."""


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Work through an SNS event; SNS never sends more than one message in it.

    Raises:
        NotDoneError: to have the event delivered again, and in the end sent to the function's failure destination.
    """
    received_at = round(time.time() * 1_000, 3)
    report = _worker.work(
        [Delivered(token=record["Sns"]["MessageId"], body=record["Sns"]["Message"]) for record in event["Records"]],
        received_at=received_at,
        remaining_ms=context.get_remaining_time_in_millis(),
    )
    tell(report)
    if report.failures:
        raise NotDoneError("; ".join(failure.reason for failure in report.failures))
