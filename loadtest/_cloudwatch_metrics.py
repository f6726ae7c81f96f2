"""What CloudWatch tells of a buffer and its function: which metrics, and what of an observation each one is.

Names, dimensions, units and the statistic to read each by are those of "Types of metrics for Lambda functions" (Lambda
Developer Guide) and "Available CloudWatch metrics for Amazon SQS" (SQS Developer Guide).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

    from pipeline.request import Buffer
    from pipeline.stack import Stack

# Lambda and SQS write a value a minute; to ask for less than that is to be told of the same minutes.
PERIOD_S: Final = 60

Statistic = Literal["Sum", "Maximum"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one queue or function. `per_second` is, of an age, how many of its units are a second."""

    namespace: str
    name: str
    dimension: tuple[str, str]
    statistic: Statistic
    per_second: int = 1

    def query(self, id: str) -> "MetricDataQueryTypeDef":  # noqa: A002 (CloudWatch's name for it)
        """As GetMetricData asks for it, a value a minute."""
        name, value = self.dimension
        return {
            "Id": id,
            "MetricStat": {
                "Metric": {
                    "Namespace": self.namespace,
                    "MetricName": self.name,
                    "Dimensions": [{"Name": name, "Value": value}],
                },
                "Period": PERIOD_S,
                "Stat": self.statistic,
            },
        }


def metrics_of(stack: "Stack", buffer: "Buffer | None") -> tuple[Metric, ...]:
    """What there is to be told of a buffer's way; without a buffer, of the function that answers synchronously.

    A function's metrics by its name alone are those of all its versions and aliases together.
    """
    function = {
        "sns": stack.sns_function_name,
        "sqs": stack.sqs_function_name,
        "kinesis": stack.kinesis_function_name,
        "kinesis-efo": stack.kinesis_efo_function_name,
        None: stack.sync_function_name,
    }[buffer]
    assert function is not None, "open refuses a workload for a buffer that the stack lacks"

    def of_function(name: str, statistic: Statistic, per_second: int = 1) -> Metric:
        return Metric("AWS/Lambda", name, ("FunctionName", function), statistic, per_second)

    common = (of_function("Throttles", "Sum"), of_function("ConcurrentExecutions", "Maximum"))
    if buffer == "sqs":
        queue = ("QueueName", stack.queue_url.rstrip("/").rpartition("/")[2])
        return (
            *common,
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, "Maximum"),
            Metric("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", queue, "Maximum"),
            Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", queue, "Maximum"),
        )
    if buffer == "sns":
        # The queue between the topic and the function is Lambda's own; of its depth it tells nothing.
        return (*common, of_function("AsyncEventAge", "Maximum", 1_000), of_function("AsyncEventsDropped", "Sum"))
    if buffer in ("kinesis", "kinesis-efo"):
        return (*common, of_function("IteratorAge", "Maximum", 1_000))
    return common


# The ages among them: how long what was read last had waited, or what waits longest waits.
AGES: Final = ("ApproximateAgeOfOldestMessage", "AsyncEventAge", "IteratorAge")
