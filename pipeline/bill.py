"""A bill by AWS's list prices, line by line: what each service counts, for a load that was measured or simulated.

How much was used comes from whoever saw it. What nobody saw has no line: `None` in place of a quantity leaves it out.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.prices import AS_OF, PRICES, REGION

# An item, the name of its price, and how much of it was used, None where nobody knows.
Used = Iterator[tuple[str, str, float | None]]


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

    @property
    def unit(self) -> str:
        """What is counted."""
        return PRICES[self.price].unit


class Priced(Protocol):
    """A line, of whatever kind, as a document has it."""

    @property
    def item(self) -> str:
        """What was used."""

    @property
    def quantity(self) -> float:
        """How much of it."""

    @property
    def unit(self) -> str:
        """What is counted."""

    @property
    def usd(self) -> float:
        """What it costs."""


def used(lines: Iterable[tuple[str, str, float | None]]) -> tuple[Line, ...]:
    """The lines of which there is anything to pay."""
    return tuple(Line(item, price, quantity) for item, price, quantity in lines if quantity)


def total(lines: Iterable[Line]) -> float:
    """US dollars."""
    return math.fsum(line.usd for line in lines)


def per_million(usd: float, requests: int) -> float | None:
    """US dollars for a million requests at that rate; None without any."""
    return usd / requests * 1e6 if requests else None


def units(size: float, unit: int) -> int:
    """How many units of so many bytes something takes: whole ones, and one at the least."""
    return max(1, math.ceil(size / unit))


def door(requests: float | None) -> Used:
    """API Gateway: every request but those it throttled itself."""
    yield "API Gateway requests", "api_request", requests


def sns(publishes: float | None, further_events: float | None) -> Used:
    """SNS, which takes nothing for a delivery to Lambda. `publishes` are units of 64 KB, `further_events` those of
    256 KB beyond the first of each.
    """
    yield "SNS publishes", "sns_publish", publishes
    yield "Lambda requests for events over 256 KB", "lambda_request", further_events


def sqs(
    *,
    fifo: bool,
    sends: float | None,
    receives: float | None,
    deletes: float | None,
    empty_receives: float | None,
    poller_hours: float | None,
) -> Used:
    """SQS. Sends and receives are units of 64 KB, of which a call carries up to ten messages; a delete carries none."""
    price = "sqs_fifo_request" if fifo else "sqs_request"
    yield "SQS sends", price, sends
    yield "SQS receives", price, receives
    yield "SQS deletes", price, deletes
    yield "SQS empty receives", price, empty_receives
    yield "provisioned pollers", "sqs_poller_hour", poller_hours


def kinesis(*, fan_out: bool, shard_hours: float | None, put_units: float | None, gb_out: float | None) -> Used:
    """A provisioned stream, paid for whether or not anything comes. `gb_out` is what a consumer of fan-out is sent."""
    yield "Kinesis shards", "kinesis_shard_hour", shard_hours
    yield "Kinesis PUT units", "kinesis_put_unit", put_units
    if fan_out:
        yield "enhanced fan-out, shards", "kinesis_fan_out_shard_hour", shard_hours
        yield "enhanced fan-out, data", "kinesis_fan_out_gb", gb_out


def kinesis_on_demand(*, fan_out: bool, hours: float, gb_in: float, gb_out: float) -> Used:
    """A stream on demand."""
    yield "Kinesis stream, on demand", "kinesis_on_demand_hour", hours
    yield "Kinesis data in", "kinesis_on_demand_gb_in", gb_in
    yield "Kinesis data out", "kinesis_on_demand_fan_out_gb" if fan_out else "kinesis_on_demand_gb_out", gb_out


def function(*, requests: float | None, gb_s: float | None, writes: float | None, images: float | None) -> Used:
    """The function behind a buffer and what it calls. Starting an environment is paid for like running one (since
    2025-08-01). A throttled call of Rekognition is free.
    """
    yield "Lambda requests", "lambda_request", requests
    yield "Lambda time", "lambda_gb_s", gb_s
    yield "DynamoDB writes", "dynamodb_write", writes
    yield "Rekognition images", "rekognition_image", images


def uploads(*, puts: float | None, gets: float | None) -> Used:
    """S3, for images that travel by claim check: put there once, and read by Rekognition each time."""
    yield "S3 uploads", "s3_put", puts
    yield "S3 reads", "s3_get", gets


def to_json(lines: Iterable[Priced]) -> list[dict[str, Any]]:
    """The lines as a document has them; quantities and dollars to six digits after the point."""
    return [
        {"item": line.item, "quantity": round(line.quantity, 6), "unit": line.unit, "usd": round(line.usd, 6)}
        for line in lines
    ]


def prices_used() -> dict[str, str]:
    """Which prices, as a document says."""
    return {"currency": "USD", "region": REGION, "prices_as_of": AS_OF}
