"""What a simulated load costs by AWS's list prices, line by line.

A stream, its consumer and provisioned pollers are paid for by the hour, whether or not anything comes: their lines
cover the seconds of the result's series and no more. All other lines are paid by use.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from delivery.protocol import Refusal
from delivery.quotas import Quotas
from pipeline import bill
from pipeline.bill import Line, Used, units
from pipeline.prices import EVENT_UNIT_BYTES, GIB, KIB, KINESIS_UNIT_BYTES, SNS_UNIT_BYTES, SQS_UNIT_BYTES

if TYPE_CHECKING:
    from simulator.result import Result

_HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Cost:
    """A bill. `completed` is how many records it delivered."""

    lines: tuple[Line, ...]
    completed: int

    @property
    def total(self) -> float:
        """US dollars."""
        return bill.total(self.lines)

    @property
    def per_million_completed(self) -> float | None:
        """US dollars for a million completed records; None if none was."""
        return bill.per_million(self.total, self.completed)


def cost(result: "Result") -> Cost:
    """The bill of a simulation.

    Records are sent one by one, as the API sends them. A message queue is polled by calls of ten messages at the most.
    Each processing writes its result, 1 KB, to DynamoDB. A downstream with a rate is taken for Rekognition, whose
    throttled calls are free, as throttled requests to API Gateway are.
    """
    lines = bill.used([*_door(result), *_BUFFERS[result.scenario.buffer](result), *_function(result)])
    return Cost(lines, result.completed)


def _door(result: "Result") -> Used:
    if result.scenario.api:
        throttled = result.rejected_because.get(str(Refusal.TOO_MANY_REQUESTS), 0)
        yield from bill.door(result.offered - throttled)


def _accepted(result: "Result") -> int:
    return result.offered - result.rejected


def _hours(result: "Result") -> float:
    return len(result.series) / _HOUR_S


def _sns(result: "Result") -> Used:
    size = result.scenario.payload_bytes
    further = units(size, EVENT_UNIT_BYTES) - 1
    return bill.sns(_accepted(result) * units(size, SNS_UNIT_BYTES), _accepted(result) * further)


def _sqs(result: "Result") -> Used:
    scenario = result.scenario
    size = scenario.payload_bytes
    receives = deletes = 0
    if result.invocations:
        # A batch of more than ten messages takes several calls to receive, and as many to delete.
        a_batch = result.received / result.invocations
        deletes = result.invocations * units(a_batch, Quotas.sqs_receive_messages)
        receives = deletes * units(result.received / deletes * size, SQS_UNIT_BYTES)
    held = 1 if scenario.mapping.provisioned is None else Quotas.sqs_provisioned_invokes_per_poller
    idle_s = sum(max(0, (second.pollers or 0) - math.ceil(second.concurrency / held)) for second in result.series)
    poller_s = sum(second.pollers or 0 for second in result.series)
    return bill.sqs(
        fifo=scenario.buffer == "sqs-fifo",
        sends=_accepted(result) * units(size, SQS_UNIT_BYTES),
        receives=receives,
        deletes=deletes,
        # A poller without a batch waits out its long poll, and asks again.
        empty_receives=round(idle_s / Quotas.sqs_low_traffic_wait_s),
        poller_hours=None if scenario.mapping.provisioned is None else poller_s / _HOUR_S,
    )


def _kinesis(result: "Result") -> Used:
    scenario = result.scenario
    accepted, size = _accepted(result), scenario.payload_bytes
    fan_out = scenario.buffer == "kinesis-efo"
    gb_out = accepted * size / GIB
    if scenario.mapping.shards is None:
        gb_in = accepted * units(size, KIB) * KIB / GIB
        return bill.kinesis_on_demand(fan_out=fan_out, hours=_hours(result), gb_in=gb_in, gb_out=gb_out)
    return bill.kinesis(
        fan_out=fan_out,
        shard_hours=scenario.mapping.shards * _hours(result),
        put_units=accepted * units(size, KINESIS_UNIT_BYTES),
        gb_out=gb_out,
    )


_BUFFERS: Final = {"sns": _sns, "sqs": _sqs, "sqs-fifo": _sqs, "kinesis": _kinesis, "kinesis-efo": _kinesis}


def _function(result: "Result") -> Used:
    return bill.function(
        requests=result.invocations,
        # busy_s holds the starts of environments, too.
        gb_s=result.busy_s * result.scenario.function.memory_mb / 1_024,
        writes=result.completed + result.duplicates,
        images=None
        if result.scenario.downstream.rate_per_s is None
        else result.downstream_calls - result.downstream_throttles,
    )
