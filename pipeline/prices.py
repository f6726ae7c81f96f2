"""AWS's list prices, us-east-1, US dollars, without free tier: one table, each entry with its source.

All are those of AWS's pricing pages, through extracts of August to October 2026; they were not read live.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

REGION: Final = "us-east-1"
AS_OF: Final = "2026-10"

KIB: Final = 1 << 10
GIB: Final = 1 << 30

# H: AWS's own pages or price list, by an extract. M: one secondary source.
Confidence = Literal["H", "M"]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one `unit`. `tiers` are (up to so many units a month, dollars for one), the last without end."""

    unit: str
    tiers: tuple[tuple[float, float], ...]
    source: str
    confidence: Confidence = "H"

    def of(self, quantity: float) -> float:
        """What a quantity costs in a month in which nothing else is used."""
        total, below = 0.0, 0.0
        for up_to, each in self.tiers:
            total += max(0.0, min(quantity, up_to) - below) * each
            below = up_to
        return total


def _flat(dollars: float, per: float, unit: str, source: str, confidence: Confidence = "H") -> Price:
    return Price(unit, ((math.inf, dollars / per),), source, confidence)


_API: Final = "aws.amazon.com/api-gateway/pricing"
_KINESIS: Final = "aws.amazon.com/kinesis/data-streams/pricing"
_SQS: Final = "aws.amazon.com/sqs/pricing"
_SNS: Final = "aws.amazon.com/sns/pricing"
_LAMBDA: Final = "aws.amazon.com/lambda/pricing"
_DYNAMODB: Final = "aws.amazon.com/dynamodb/pricing"
_REKOGNITION: Final = "aws.amazon.com/rekognition/pricing"
_S3: Final = "aws.amazon.com/s3/pricing"
_THOUSAND: Final = 1e3
_MILLION: Final = 1e6

PRICES: Final = {
    "api_request": Price(
        "request",
        ((333e6, 3.50 / _MILLION), (1e9, 2.80 / _MILLION), (20e9, 2.38 / _MILLION), (math.inf, 1.51 / _MILLION)),
        _API,
    ),
    "sqs_request": _flat(0.40, _MILLION, "request of up to 64 KB", _SQS),
    "sqs_fifo_request": _flat(0.50, _MILLION, "request of up to 64 KB", _SQS),
    "sqs_poller_hour": _flat(0.00925, 1, "event poller and hour", _LAMBDA),
    "sns_publish": _flat(0.50, _MILLION, "publish of up to 64 KB", _SNS),
    "kinesis_shard_hour": _flat(0.015, 1, "shard and hour", _KINESIS),
    "kinesis_put_unit": _flat(0.014, _MILLION, "25 KB of a record", _KINESIS),
    "kinesis_fan_out_shard_hour": _flat(0.015, 1, "consumer, shard and hour", _KINESIS),
    "kinesis_fan_out_gb": _flat(0.013, 1, "GB", _KINESIS),
    "kinesis_on_demand_hour": _flat(0.04, 1, "stream and hour", _KINESIS),
    "kinesis_on_demand_gb_in": _flat(0.08, 1, "GB", _KINESIS),
    "kinesis_on_demand_gb_out": _flat(0.04, 1, "GB", _KINESIS),
    "kinesis_on_demand_fan_out_gb": _flat(0.05, 1, "GB", _KINESIS),
    "lambda_request": _flat(0.20, _MILLION, "request", _LAMBDA),
    "lambda_gb_s": _flat(0.0000133334, 1, "GB-second, arm64", _LAMBDA),
    "dynamodb_write": _flat(0.625, _MILLION, "write of up to 1 KB", _DYNAMODB),
    "dynamodb_read": _flat(0.125, _MILLION, "consistent read of up to 4 KB", _DYNAMODB),
    "s3_put": _flat(0.005, _THOUSAND, "PUT, COPY, POST or LIST, Standard", _S3, "M"),
    "s3_get": _flat(0.0004, _THOUSAND, "GET, Standard", _S3, "M"),
    "rekognition_image": Price(
        "image, group 2", ((1e6, 0.001), (5e6, 0.0008), (35e6, 0.0006), (math.inf, 0.00025)), _REKOGNITION, "M"
    ),
}
# What one unit of a price holds.
SQS_UNIT_BYTES: Final = 64 * KIB
SNS_UNIT_BYTES: Final = 64 * KIB
KINESIS_UNIT_BYTES: Final = 25 * KIB
EVENT_UNIT_BYTES: Final = 256 * KIB
