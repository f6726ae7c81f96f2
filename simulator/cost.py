"""What a simulated load costs by AWS's list prices, line by line.

A stream, its consumer and provisioned pollers are paid for by the hour, whether or not anything comes: their lines
cover the seconds of the result's series and no more. All other lines are paid by use.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from delivery.protocol import Refusal
from delivery.quotas import Quotas
from pipeline.prices import (
    EVENT_UNIT_BYTES,
    GIB,
    KIB,
    KINESIS_UNIT_BYTES,
    PRICES,
    SNS_UNIT_BYTES,
    SQS_UNIT_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.result import Result

_HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: so many units of a price, in US dollars. `price` is its name in `prices.PRICES`."""

    item: str
    price: str
    quantity: float

    @property
    def usd(self) -> float:
        """What the line costs."""
        return PRICES[self.price].of(self.quantity)


@dataclass(frozen=True, slots=True)
class Cost:
    """A bill. `completed` is how many records it delivered."""

    lines: tuple[Line, ...]
    completed: int

    @property
    def total(self) -> float:
        """US dollars."""
        return math.fsum(line.usd for line in self.lines)

    @property
    def per_million_completed(self) -> float | None:
        """US dollars for a million completed records; None if none was."""
        return self.total / self.completed * 1e6 if self.completed else None


def cost(result: "Result") -> Cost:
    """The bill of a simulation.

    Records are sent one by one, as the API sends them. A message queue is polled by calls of ten messages at the most.
    Each processing writes its result, 1 KB, to DynamoDB. A downstream with a rate is taken for Rekognition, whose
    throttled calls are free, as throttled requests to API Gateway are.
    """
    lines = [*_door(result), *_BUFFERS[result.scenario.buffer](result), *_function(result)]
    return Cost(tuple(line for line in lines if line.quantity), result.completed)


def _door(result: "Result") -> "Iterator[Line]":
    if result.scenario.api:
        throttled = result.rejected_because.get(str(Refusal.TOO_MANY_REQUESTS), 0)
        yield Line("API Gateway requests", "api_request", result.offered - throttled)


def _accepted(result: "Result") -> int:
    return result.offered - result.rejected


def _hours(result: "Result") -> float:
    return len(result.series) / _HOUR_S


def _units(size: float, unit: int) -> int:
    return max(1, math.ceil(size / unit))


def _sns(result: "Result") -> "Iterator[Line]":
    size = result.scenario.payload_bytes
    yield Line("SNS publishes", "sns_publish", _accepted(result) * _units(size, SNS_UNIT_BYTES))
    further = _units(size, EVENT_UNIT_BYTES) - 1
    yield Line("Lambda requests for events over 256 KB", "lambda_request", _accepted(result) * further)


def _sqs(result: "Result") -> "Iterator[Line]":
    scenario = result.scenario
    price = "sqs_fifo_request" if scenario.buffer == "sqs-fifo" else "sqs_request"
    size = scenario.payload_bytes
    yield Line("SQS sends", price, _accepted(result) * _units(size, SQS_UNIT_BYTES))
    if result.invocations:
        # A batch of more than ten messages takes several calls to receive, and as many to delete.
        a_batch = result.received / result.invocations
        calls = result.invocations * _units(a_batch, Quotas.sqs_receive_messages)
        yield Line("SQS receives", price, calls * _units(result.received / calls * size, SQS_UNIT_BYTES))
        yield Line("SQS deletes", price, calls)
    held = 1 if scenario.mapping.provisioned is None else Quotas.sqs_provisioned_invokes_per_poller
    idle_s = sum(max(0, (second.pollers or 0) - math.ceil(second.concurrency / held)) for second in result.series)
    # A poller without a batch waits out its long poll, and asks again.
    yield Line("SQS empty receives", price, round(idle_s / Quotas.sqs_low_traffic_wait_s))
    if scenario.mapping.provisioned is not None:
        poller_s = sum(second.pollers or 0 for second in result.series)
        yield Line("provisioned pollers", "sqs_poller_hour", poller_s / _HOUR_S)


def _kinesis(result: "Result") -> "Iterator[Line]":
    scenario = result.scenario
    accepted, size = _accepted(result), scenario.payload_bytes
    fan_out = scenario.buffer == "kinesis-efo"
    gb_out = accepted * size / GIB
    if scenario.mapping.shards is None:
        yield Line("Kinesis stream, on demand", "kinesis_on_demand_hour", _hours(result))
        yield Line("Kinesis data in", "kinesis_on_demand_gb_in", accepted * _units(size, KIB) * KIB / GIB)
        price = "kinesis_on_demand_fan_out_gb" if fan_out else "kinesis_on_demand_gb_out"
        yield Line("Kinesis data out", price, gb_out)
        return
    shard_hours = scenario.mapping.shards * _hours(result)
    yield Line("Kinesis shards", "kinesis_shard_hour", shard_hours)
    yield Line("Kinesis PUT units", "kinesis_put_unit", accepted * _units(size, KINESIS_UNIT_BYTES))
    if fan_out:
        yield Line("enhanced fan-out, shards", "kinesis_fan_out_shard_hour", shard_hours)
        yield Line("enhanced fan-out, data", "kinesis_fan_out_gb", gb_out)


_BUFFERS: Final = {"sns": _sns, "sqs": _sqs, "sqs-fifo": _sqs, "kinesis": _kinesis, "kinesis-efo": _kinesis}


def _function(result: "Result") -> "Iterator[Line]":
    yield Line("Lambda requests", "lambda_request", result.invocations)
    # Starting an environment is paid for like running one (since 2025-08-01), and busy_s holds both.
    yield Line("Lambda time", "lambda_gb_s", result.busy_s * result.scenario.function.memory_mb / 1_024)
    yield Line("DynamoDB writes", "dynamodb_write", result.completed + result.duplicates)
    if result.scenario.downstream.rate_per_s is not None:
        images = result.downstream_calls - result.downstream_throttles
        yield Line("Rekognition images", "rekognition_image", images)
