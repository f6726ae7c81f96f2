"""Bills beside what AWS's price pages give by hand."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from pipeline.bill import Line
from pipeline.prices import PRICES
from simulator.cost import Cost, cost
from simulator.result import Result, Second
from simulator.scenario import Downstream, Function, MappingSettings, Provisioned, Scenario

NOTHING = np.zeros(0)


def ran(scenario, **told):
    """An hour in which a million records of a scenario were completed, one an invocation of 0.1 s, unless told."""
    counts = {
        "rejected_because": {},
        "given_up_because": {},
        "offered": 1_000_000,
        "rejected": 0,
        "completed": 1_000_000,
        "failed": 0,
        "dead_lettered": 0,
        "expired": 0,
        "unfinished": 0,
        "lost": 0,
        "duplicates": 0,
        "drain_s": 1.0,
        "cold_starts": 10,
        "throttles": 0,
        "received": 1_000_000,
        "invocations": 1_000_000,
        "busy_s": 100_000.0,
        "downstream_calls": 0,
        "downstream_throttles": 0,
        "peak_concurrency": 100,
        "events": 0,
    } | told
    series = counts.pop("series", tuple(Second(t, 0, 0, 0, 0, None) for t in range(3_600)))
    rows = dict.fromkeys(("arrived_at", "accepted_at", "started_at", "stored_at", "ended_at"), NOTHING)
    return Result(scenario=scenario, series=series, **counts, **rows)


def bill(result):
    return {line.item: (line.quantity, pytest.approx(line.usd, rel=1e-9)) for line in cost(result).lines}


FUNCTION = {
    "Lambda requests": (1_000_000, 0.20),
    "Lambda time": (100_000.0, 1.33334),  # 100,000 s of 1,024 MB at 0.0000133334
    "DynamoDB writes": (1_000_000, 0.625),
}


@pytest.mark.parametrize(
    ("why", "scenario", "told", "lines"),
    [
        ("a small publish is one unit", Scenario(buffer="sns"), {}, {"SNS publishes": (1_000_000, 0.50)}),
        (
            "a publish of 300 KB is five units of 64 KB, and its event two of 256 KB",
            Scenario(buffer="sns", payload_bytes=300 * 1024),
            {},
            {
                "SNS publishes": (5_000_000, 2.50),
                "Lambda requests for events over 256 KB": (1_000_000, 0.20),
            },
        ),
        (
            "a message is sent, received and deleted",
            Scenario(buffer="sqs"),
            {},
            {"SQS sends": (1_000_000, 0.40), "SQS receives": (1_000_000, 0.40), "SQS deletes": (1_000_000, 0.40)},
        ),
        (
            "batches of 25 take three receives of 8 or 9 messages, and three deletes; 9 x 50,000 bytes are seven units",
            Scenario(buffer="sqs", payload_bytes=50_000),
            {"invocations": 40_000},
            {
                "SQS sends": (1_000_000, 0.40),
                "SQS receives": (840_000, 0.336),
                "SQS deletes": (120_000, 0.048),
                "Lambda requests": (40_000, 0.008),
            },
        ),
        (
            "what was received again is paid again, and written again",
            Scenario(buffer="sqs-fifo"),
            {"received": 1_200_000, "invocations": 1_200_000, "duplicates": 100_000},
            {
                "SQS sends": (1_000_000, 0.50),
                "SQS receives": (1_200_000, 0.60),
                "SQS deletes": (1_200_000, 0.60),
                "Lambda requests": (1_200_000, 0.24),
                "DynamoDB writes": (1_100_000, 0.6875),
            },
        ),
        (
            "two idle pollers ask three times a minute each",
            Scenario(buffer="sqs"),
            {"series": tuple(Second(t, 0, 0, 0, 3, 5) for t in range(3_600))},
            {
                "SQS sends": (1_000_000, 0.40),
                "SQS receives": (1_000_000, 0.40),
                "SQS deletes": (1_000_000, 0.40),
                "SQS empty receives": (360, 0.000144),
            },
        ),
        (
            "a provisioned poller is paid by the hour and holds ten batches: 11 invocations keep two of three busy",
            Scenario(buffer="sqs", mapping=MappingSettings(provisioned=Provisioned(3, 3))),
            {"series": tuple(Second(t, 0, 0, 0, 11, 3) for t in range(7_200))},
            {
                "SQS sends": (1_000_000, 0.40),
                "SQS receives": (1_000_000, 0.40),
                "SQS deletes": (1_000_000, 0.40),
                "SQS empty receives": (360, 0.000144),
                "provisioned pollers": (6.0, 0.0555),
            },
        ),
        (
            "a record of 26 KB is two PUT units; what was refused is none",
            Scenario(buffer="kinesis", payload_bytes=26 * 1024, mapping=MappingSettings(shards=4)),
            {"rejected": 200_000, "completed": 800_000, "received": 800_000, "invocations": 8_000},
            {
                "Kinesis shards": (4.0, 0.06),
                "Kinesis PUT units": (1_600_000, 0.0224),
                "Lambda requests": (8_000, 0.0016),
                "DynamoDB writes": (800_000, 0.50),
            },
        ),
        (
            "enhanced fan-out is paid by shard and by GB",
            Scenario(buffer="kinesis-efo", payload_bytes=1 << 10, mapping=MappingSettings(shards=4)),
            {},
            {
                "Kinesis shards": (4.0, 0.06),
                "Kinesis PUT units": (1_000_000, 0.014),
                "enhanced fan-out, shards": (4.0, 0.06),
                "enhanced fan-out, data": (1e6 / (1 << 20), 0.0123977661),
            },
        ),
        (
            "on demand a record counts whole KB in, and its bytes out",
            Scenario(buffer="kinesis", payload_bytes=1_536, mapping=MappingSettings(shards=None)),
            {},
            {
                "Kinesis stream, on demand": (1.0, 0.04),
                "Kinesis data in": (2e6 / (1 << 20), 0.152587891),
                "Kinesis data out": (1.5e6 / (1 << 20), 0.0572204590),
            },
        ),
        (
            "on demand with enhanced fan-out the data out costs more",
            Scenario(buffer="kinesis-efo", payload_bytes=1_024, mapping=MappingSettings(shards=None)),
            {},
            {
                "Kinesis stream, on demand": (1.0, 0.04),
                "Kinesis data in": (1e6 / (1 << 20), 0.0762939453),
                "Kinesis data out": (1e6 / (1 << 20), 0.0476837158),
            },
        ),
        (
            "the API's own throttles are free, the buffer's refusals are not",
            Scenario(buffer="sns", api=True),
            {
                "offered": 1_300_000,
                "rejected": 300_000,
                "rejected_because": {"Too Many Requests": 100_000, "Throttled": 200_000},
            },
            {"API Gateway requests": (1_200_000, 4.20), "SNS publishes": (1_000_000, 0.50)},
        ),
        (
            "throttled calls of the downstream are free; above a million images the price falls",
            Scenario(buffer="sns", downstream=Downstream(rate_per_s=50)),
            {"downstream_calls": 1_700_000, "downstream_throttles": 500_000},
            {"SNS publishes": (1_000_000, 0.50), "Rekognition images": (1_200_000, 1_160.0)},
        ),
        (
            "half the memory is half the price of time",
            Scenario(buffer="sns", function=Function(memory_mb=512)),
            {},
            {"SNS publishes": (1_000_000, 0.50), "Lambda time": (50_000.0, 0.66667)},
        ),
    ],
)  # fmt: skip
def test_a_bill_is_the_one_reckoned_by_hand(why, scenario, told, lines):
    wanted = FUNCTION | lines
    got = bill(ran(scenario, **told))

    assert set(got) == set(wanted)
    for item, (quantity, usd) in wanted.items():
        assert got[item][0] == pytest.approx(quantity, rel=1e-9), f"{item}: {why}"
        assert got[item][1] == pytest.approx(usd, rel=1e-8), f"{item}: {why}"


def test_the_total_is_the_sum_of_its_lines_and_is_given_a_million():
    found = cost(ran(Scenario(buffer="sns"), completed=500_000))

    assert found.total == pytest.approx(0.50 + 0.20 + 1.33334 + 0.3125)
    assert found.per_million_completed == pytest.approx(2 * found.total)


def test_nothing_completed_has_no_price_a_million():
    idle = ran(Scenario(buffer="sqs"), offered=0, completed=0, received=0, invocations=0, busy_s=0.0)

    assert cost(idle) == Cost((), 0)
    assert cost(idle).per_million_completed is None


@pytest.mark.parametrize(
    ("requests", "usd"),
    [
        (333e6, 1_165.50),
        (334e6, 1_168.30),
        (1e9, 3_033.10),
        (1.001e9, 3_035.48),
        (20e9, 48_253.10),
        (20.1e9, 48_404.10),
    ],
)
def test_a_tier_is_paid_for_what_falls_into_it(requests, usd):
    assert Line("API Gateway requests", "api_request", requests).usd == pytest.approx(usd)


def test_every_price_names_its_source_and_unit_and_ends_without_end():
    for name, price in PRICES.items():
        assert price.source.startswith("aws.amazon.com/"), name
        assert price.unit, name
        assert price.tiers[-1][0] == inf, name
        assert [up_to for up_to, _ in price.tiers] == sorted(up_to for up_to, _ in price.tiers), name


def test_the_bill_changes_with_nothing_but_what_was_used():
    once = ran(Scenario(buffer="sqs"))

    assert cost(once) == cost(replace(once, peak_concurrency=7, events=9, drain_s=None))
