"""CloudWatch as the load test reads it: every metric of a time in one call, whole or with what is missing named."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from loadtest._cloudwatch_metrics import PERIOD_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient

    from loadtest._cloudwatch_metrics import Metric

# A call takes 500 metrics and tells 100,800 values (API Reference of GetMetricData), in pages; a way has five metrics.
_COMPLETE: Final = "Complete"


@dataclass(frozen=True, slots=True)
class Minute:
    """A metric's value over the minute from `at` on, in seconds since the epoch."""

    metric: "Metric"
    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a reading told, by time. `missing` says which metrics could not be told whole, and why."""

    minutes: tuple[Minute, ...]
    missing: tuple[str, ...]


def read(client: "CloudWatchClient", metrics: "Sequence[Metric]", start: float, end: float) -> Told:
    """The minutes of a time, in seconds since the epoch, the first and the last of them whole.

    A minute without a value is not there: where nothing happened, most metrics say nothing, and a minute that has just
    passed may be told of later.

    Raises:
        ClientError, BotoCoreError: CloudWatch did not answer.
    """
    by_id = {f"m{number}": metric for number, metric in enumerate(metrics)}
    minutes: dict[tuple[str, int], float] = {}
    status: dict[str, str] = {}
    said: dict[str, str] = {}
    overall: list[str] = []
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[metric.query(name) for name, metric in by_id.items()],
        StartTime=datetime.fromtimestamp(start // PERIOD_S * PERIOD_S, UTC),
        EndTime=datetime.fromtimestamp(-(-end // PERIOD_S) * PERIOD_S, UTC),
        ScanBy="TimestampAscending",
    )
    for page in pages:
        overall += [f"{message['Code']}: {message['Value']}" for message in page.get("Messages", ())]
        for result in page.get("MetricDataResults", ()):
            name = result["Id"]
            status[name] = result.get("StatusCode", _COMPLETE)
            for message in result.get("Messages", ()):
                said[name] = f"{message.get('Code')}: {message.get('Value')}"
            for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True):
                minutes[name, round(at.timestamp())] = value
    missing = [
        f"{metric.name}: {said.get(name, status.get(name, 'not told'))}"
        for name, metric in by_id.items()
        if status.get(name) != _COMPLETE
    ]
    in_order = sorted(minutes.items(), key=lambda each: each[0][1])
    return Told(tuple(Minute(by_id[name], at, value) for (name, at), value in in_order), tuple(overall + missing))
