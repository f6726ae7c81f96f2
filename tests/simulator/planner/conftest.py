"""A question that every test starts from, and outcomes made by hand."""

from dataclasses import replace

import pytest

from pipeline.bill import Line
from simulator.duration import Fixed
from simulator.planner.monthly import Month
from simulator.planner.question import LatencyObjective, Question
from simulator.planner.trial import Outcome

# 1,000/s over 100/s for a minute: 66,000 requests, of which 99 % within 60 s; 100 ms each, five of a batch at a time.
QUESTION = Question(
    spike_per_s=1_000.0,
    spike_s=60.0,
    baseline_per_s=100.0,
    latency=LatencyObjective(99.0, 60.0),
    per_record=Fixed(100),
    cold_start=Fixed(0),
)


@pytest.fixture
def question():
    """Build the question, some fields told otherwise."""
    return lambda **told: replace(QUESTION, **told)


@pytest.fixture
def outcome():
    """Build an outcome of so many seconds and dollars a month."""

    def build(latency_s=30.0, usd=100.0, missed=(), **told):
        # A price of 1 dollar an hour of one unit does not exist; a hundred million Lambda requests are 20 dollars.
        month = Month((Line("Lambda requests", "lambda_request", usd / 0.20 * 1e6),), 1e6, 0.0)
        plain = Outcome(
            scale=1.0,
            simulated=66_000,
            latency_s=latency_s,
            p50_s=latency_s / 2,
            rejected=0.0,
            lost=0.0,
            duplicates=0.0,
            worked_off_s=latency_s,
            concurrency=100,
            backlog=1_000,
            throttles=0,
            bill=month,
            missed=tuple(missed),
        )
        return replace(plain, **told)

    return build
