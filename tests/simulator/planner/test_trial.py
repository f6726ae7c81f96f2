"""What a result says of an objective, and what a month of it costs, by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.planner.candidate import Candidate
from simulator.planner.monthly import month
from simulator.planner.question import LatencyObjective, ShareObjective
from simulator.planner.trial import LEAD_S, judge, spike_scenario, worst
from simulator.result import Result, Second
from simulator.scenario import MappingSettings, Rate, Scenario

NEVER = math.nan
QUEUE = Scenario(buffer="sqs")
NONE_REFUSED = {"rejected": ShareObjective("rejected", 0.0)}
SQS = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=20))


def result(rows, *, seconds=100, scenario=QUEUE, **told):
    """A result of (sent, accepted, stored, given up) rows that were sent in so many seconds."""
    scenario = replace(scenario, arrivals=Rate(((0.0, 1.0), (seconds, 1.0))))
    sent, accepted, stored, ended = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    completed = int((~np.isnan(stored)).sum())
    counts = {
        "rejected_because": {}, "given_up_because": {}, "offered": len(rows), "completed": completed,
        "rejected": int(np.isnan(accepted).sum()), "failed": 0, "dead_lettered": int((~np.isnan(ended)).sum()),
        "expired": 0, "unfinished": 0, "lost": 0, "duplicates": 0, "drain_s": 1.0, "cold_starts": 0, "throttles": 0,
        "received": completed, "invocations": completed, "busy_s": 0.0, "downstream_calls": 0,
        "downstream_throttles": 0, "peak_concurrency": 7, "events": 0,
    } | told  # fmt: skip
    series = tuple(Second(t, 0, 0, t, 0, None) for t in range(seconds))
    return Result(
        scenario=scenario, series=series, arrived_at=sent, accepted_at=accepted, started_at=stored, stored_at=stored,
        ended_at=ended, **counts,
    )  # fmt: skip


def took(seconds, sent=40.0):
    return (sent, sent, sent + seconds, NEVER)


REFUSED = (40.0, NEVER, NEVER, NEVER)
GIVEN_UP = (40.0, 40.0, NEVER, 90.0)
UNFINISHED = (40.0, 40.0, NEVER, NEVER)


@pytest.mark.parametrize(
    ("why", "rows", "told", "latency_s", "missed"),
    [
        ("the value of rank 99 of 100", [took(s) for s in range(100)], {}, 98.0, ("late",)),
        ("all in time", [took(5.0)] * 100, {}, 5.0, ()),
        ("p99 allows one of a hundred to be refused", [took(5.0)] * 99 + [REFUSED], {}, 5.0, ()),
        ("and no more", [took(5.0)] * 98 + [REFUSED] * 2, {}, math.inf, ("rejected", "late")),
        ("an objective may allow fewer", [took(5.0)] * 99 + [REFUSED], NONE_REFUSED, 5.0, ("rejected",)),
        ("one lost is one too many", [took(5.0)] * 99 + [GIVEN_UP], {}, 5.0, ("lost",)),
        ("unless it is allowed", [took(5.0)] * 99 + [GIVEN_UP], {"lost": ShareObjective("lost", 0.01)}, 5.0, ()),
        ("what has not ended is late, not lost", [took(5.0)] * 98 + [UNFINISHED] * 2, {}, math.inf, ("late",)),
        ("before and after is not the spike", [took(900.0, sent=20.0), took(900.0, sent=90.0), took(1.0)], {}, 1.0, ()),
    ],
)  # fmt: skip
def test_the_objective_is_judged_over_the_requests_of_the_spike(question, why, rows, told, latency_s, missed):
    outcome = judge(question(**told), result(rows), LEAD_S, 1.0, None)
    assert outcome.latency_s == pytest.approx(latency_s)
    assert outcome.missed == missed


def test_a_smaller_run_is_told_in_the_size_of_the_whole(question):
    outcome = judge(question(), result([took(5.0)] * 100, throttles=3), LEAD_S, 10.0, None)
    assert (outcome.concurrency, outcome.backlog, outcome.throttles) == (70, 990, 30)


def test_the_spike_starts_after_the_baseline_and_is_followed_by_it(question):
    scenario, starts_at = spike_scenario(question(), SQS, seed=1, by=10.0)
    assert starts_at == LEAD_S
    assert scenario.arrivals.knots[:5] == ((0.0, 10.0), (30.0, 10.0), (30.0, 110.0), (90.0, 110.0), (90.0, 10.0))
    end_s, per_s = scenario.arrivals.knots[5]
    assert (end_s >= 150.0, per_s) == (True, 10.0)


def test_without_a_baseline_the_spike_is_all(question):
    scenario, starts_at = spike_scenario(question(baseline_per_s=0.0), SQS, seed=1, by=1.0)
    assert starts_at == 0.0
    assert scenario.arrivals.knots[0] == (0.0, 1_000.0)


def test_several_seeds_miss_what_any_of_them_misses(outcome):
    of_all = worst([outcome(20.0), outcome(30.0, missed=("lost",)), outcome(70.0, missed=("late",))])
    assert of_all.latency_s == 70.0
    assert set(of_all.missed) == {"lost", "late"}


def test_a_month_is_the_baseline_all_the_time_and_what_spikes_take_beyond_it(question):
    # 100 s of baseline, 10 requests/s; a run with a spike of 5,000 more in 200 s. Each is sent, received, deleted.
    alone = result([took(1.0)] * 1_000, seconds=100)
    with_spike = result([took(1.0)] * 7_000, seconds=200)
    bill = month(question(spikes_per_month=4), with_spike=with_spike, alone=alone, scale=1.0)
    requests = 10 * 730 * 3_600 + 4 * 5_000
    assert bill.delivered == pytest.approx(requests)
    assert {line.item: line.quantity for line in bill.lines}["SQS sends"] == pytest.approx(requests)
    # 3 x 0.40 of SQS, 0.20 of Lambda, 0.625 of DynamoDB a million; the function took no time.
    assert bill.usd == pytest.approx(requests * 2.025e-6)
    assert bill.usd_per_million == pytest.approx(2.025)


def test_a_shard_is_paid_for_each_hour_of_the_month_in_a_smaller_run_too(question):
    one_of_five = Scenario(buffer="kinesis", mapping=MappingSettings(shards=1))
    alone = result([took(1.0)] * 100, seconds=100, scenario=one_of_five)
    with_spike = result([took(1.0)] * 700, seconds=200, scenario=one_of_five)
    bill = month(question(), with_spike=with_spike, alone=alone, scale=5.0)
    assert {line.item: line.quantity for line in bill.lines}["Kinesis shards"] == pytest.approx(5 * 730)


def test_what_comes_after_the_last_arrival_lengthens_shard_hours_and_nothing_else(question):
    stream = Scenario(buffer="kinesis", mapping=MappingSettings(shards=1))
    alone = result([took(1.0)] * 1_000, seconds=100, scenario=stream)
    longer = replace(alone, series=tuple(Second(t, 0, 0, 0, 0, None) for t in range(110)))
    bills = [month(question(spikes_per_month=0), with_spike=one, alone=one, scale=1.0) for one in (alone, longer)]
    assert bills[0].delivered == bills[1].delivered == 10 * 730 * 3_600
    assert {line.item: line.quantity for line in bills[1].lines}["Kinesis shards"] == pytest.approx(730)


def test_a_price_over_the_budget_is_missed(question):
    alone, with_spike = result([took(1.0)] * 1_000), result([took(1.0)] * 2_000)
    asked = question(budget_usd=10.0, latency=LatencyObjective(99.0, 60.0))
    bill = month(asked, with_spike=with_spike, alone=alone, scale=1.0)
    assert judge(asked, with_spike, LEAD_S, 1.0, bill).missed == ("budget",)
