"""What the consumers log and count: powertools' structured logs and embedded metrics, one line of each a batch.

No line holds an image: what is logged are ids, counts and reasons.
"""

from typing import TYPE_CHECKING

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

if TYPE_CHECKING:
    from consumers.worker import Report

logger = Logger()
metrics = Metrics()


def tell(report: "Report") -> None:
    """Log and count how a batch went; refusals and failures by their request id."""
    for refusal in report.refusals:
        logger.warning("refused", request_id=refusal.request_id, reason=refusal.reason)
    for failure in report.failures:
        logger.error("not done", request_id=failure.request_id, token=failure.token, reason=failure.reason)
    logger.info(
        "batch",
        records=report.records,
        recognised=report.recognised,
        repeated=report.repeated,
        refused=len(report.refusals),
        failed=len(report.failures),
        throttled=report.throttled,
        retried=report.retried,
    )
    for name, value in (
        ("Recognised", report.recognised),
        ("Refused", len(report.refusals)),
        ("Throttled", report.throttled),
        ("Retried", report.retried),
        ("ItemFailures", len(report.failures)),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
