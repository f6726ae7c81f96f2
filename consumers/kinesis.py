"""Kinesis: a batch of one shard's records, aggregated ones taken apart; those that failed are named by sequence number.

The same whether the stream is polled or pushes by enhanced fan-out, but for aggregates: those Lambda itself takes apart
before it pushes them, and their records come one by one, with the aggregate's sequence number on each.

Lambda takes the lowest of the sequence numbers as its checkpoint and delivers everything from it on again, also what
has succeeded since. All failed ones are named nevertheless, and all records are worked through whichever fails: order
is not needed here, and a good record behind a bad one must have its result even if the batch is given up.
"""

import base64
import time
from typing import TYPE_CHECKING, Any

from consumers.start import start
from consumers.telemetry import logger, metrics, tell
from consumers.worker import Delivered, Failure
from pipeline.aggregation import DamagedAggregateError, deaggregate

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_worker = start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Work through a Kinesis event. Returns the batchItemFailures (docs: services-kinesis-batchfailurereporting)."""
    received_at = round(time.time() * 1_000, 3)
    delivered: list[Delivered] = []
    damaged: list[Failure] = []
    for record in event["Records"]:
        number = record["kinesis"]["sequenceNumber"]
        try:
            bodies = deaggregate(base64.b64decode(record["kinesis"]["data"]))
        except DamagedAggregateError as error:
            damaged.append(Failure(number, None, str(error)))
        else:
            delivered.extend(Delivered(token=number, body=body) for body in bodies)
    report = _worker.work(delivered, received_at=received_at, remaining_ms=context.get_remaining_time_in_millis())
    report.failures.extend(damaged)
    tell(report)
    failed = set(report.failed_tokens)
    numbers = dict.fromkeys(record["kinesis"]["sequenceNumber"] for record in event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers if number in failed]}
