import math

import pytest

from delivery.pollers import Pollers
from delivery.quotas import Quotas


def pollers(maximum_concurrency=None, **quotas):
    return Pollers(Quotas.with_overrides(quotas), maximum_concurrency)


def saturated_from(at, **settings):
    p = pollers(**settings)
    p.observe(at, saturated=True, idle=False)
    return p


@pytest.mark.parametrize(
    ("seconds", "count", "why"),
    [
        (0.0, 5, "the first messages: five batches"),
        (0.19, 5, "not yet one more"),
        (0.2, 6, "300 a minute are one every 0.2 s"),
        (60.0, 305, "in the first minute a spike sees no more, whatever its depth"),
        (199.0, 1_000, "5 to 1,000 takes 3.3 minutes"),
        (249.0, 1_250, "5 to 1,250 takes 4.2 minutes"),
        (3_600.0, 1_250, "and there it ends"),
    ],
)
def test_they_grow_by_300_a_minute_while_saturated(seconds, count, why):
    assert saturated_from(0.0).count(seconds) == count, why


def test_growth_is_credited_for_the_time_before_a_poller_came_free():
    """A poll begins with a settle that has just freed a poller: judged then, they would never be saturated."""
    p = pollers()
    for tick in range(1, 11):
        p.observe(tick / 10, saturated=True, idle=False)
        p.count(tick / 10)
    assert p.count(1.1) == 10


def test_they_do_not_grow_while_one_is_free():
    p = pollers()
    p.observe(0.0, saturated=False, idle=False)
    assert p.count(100.0) == 5


def test_saturation_in_pieces_adds_up():
    p = pollers()
    for second in range(3):
        p.observe(float(second), saturated=True, idle=False)
        p.count(second + 0.1)
        p.observe(second + 0.1, saturated=False, idle=False)
    assert p.count(10.0) == 6


def test_they_say_when_there_will_be_one_more():
    p = saturated_from(10.0)
    assert p.grows_at == pytest.approx(10.2)
    p.count(10.2)
    assert p.grows_at == pytest.approx(10.4)
    p.observe(10.3, saturated=False, idle=False)
    assert p.grows_at == math.inf


@pytest.mark.parametrize(
    ("settings", "start", "most", "why"),
    [
        ({}, 5, 1_250, "the defaults"),
        ({"maximum_concurrency": 3}, 3, 3, "fewer than the five it starts with"),
        ({"maximum_concurrency": 50}, 5, 50, "MaximumConcurrency is the cap"),
        ({"maximum_concurrency": 900, "sqs_pollers_max": 100}, 5, 100, "the smaller cap counts"),
        ({"sqs_pollers_per_minute": 0}, 5, 5, "no growth at all"),
    ],
)
def test_they_grow_to_the_smallest_cap(settings, start, most, why):
    p = saturated_from(0.0, **settings)
    assert p.count(0.0) == start, why
    assert p.count(1e6) == most, why
    assert p.grows_at == math.inf, why


def test_a_failure_costs_one_and_never_the_last_two():
    p = pollers()
    for left in (4, 3, 2, 2):
        p.fail(0.0)
        assert p.count(0.0) == left


@pytest.mark.parametrize("interrupted", [False, True])
def test_time_at_the_cap_is_not_saved_up(interrupted):
    p = saturated_from(0.0, maximum_concurrency=10)
    assert p.count(100.0) == 10
    if interrupted:
        p.observe(100.0, saturated=False, idle=False)
        p.observe(100.0, saturated=True, idle=False)
    p.fail(100.0)
    p.fail(100.0)
    assert [p.count(at) for at in (100.1, 100.2, 100.3, 100.4)] == [8, 9, 9, 10]


def test_after_a_minute_of_nothing_to_do_they_start_over():
    p = saturated_from(0.0)
    assert p.count(10.0) == 55
    p.observe(10.0, saturated=False, idle=True)
    p.observe(40.0, saturated=False, idle=True)
    assert p.count(69.9) == 55
    assert p.count(70.0) == 5


def test_they_start_over_from_failures_too():
    p = pollers()
    p.fail(0.0)
    p.observe(0.0, saturated=False, idle=True)
    assert p.count(60.0) == 5


def test_they_start_over_once():
    """A failure in the first poll after the idleness counts."""
    p = pollers()
    p.observe(0.0, saturated=False, idle=True)
    assert p.count(60.0) == 5
    p.fail(60.0)
    assert p.count(60.0) == 4


def test_a_moment_of_work_ends_the_idleness():
    p = saturated_from(0.0)
    p.count(10.0)
    p.observe(10.0, saturated=False, idle=True)
    p.observe(60.0, saturated=False, idle=False)
    p.observe(61.0, saturated=False, idle=True)
    assert p.count(100.0) == 55


def idle_after_work(**settings):
    p = pollers(**settings)
    p.observe(0.0, saturated=False, idle=False)
    p.observe(0.0, saturated=False, idle=True)
    return p


@pytest.mark.parametrize(
    ("settings", "asleep", "why"),
    [
        ({}, 2, "AWS: as few as 2 concurrent batches, to save calls"),
        ({"maximum_concurrency": 50}, 5, "not where a maximum concurrency is set"),
        ({"sqs_pollers_start": 1}, 1, "never more than it starts with"),
    ],
)
def test_idle_ones_fall_asleep_at_two(settings, asleep, why):
    p = idle_after_work(**settings)
    assert p.count(299.9) == min(5, settings.get("sqs_pollers_start", 5)), why
    assert p.count(300.0) == asleep, why


def test_those_asleep_wake_by_growing():
    p = idle_after_work()
    p.count(300.0)
    p.observe(300.0, saturated=True, idle=False)
    assert p.count(300.9) == 6


def test_those_that_never_had_work_do_not_fall_asleep():
    """The first messages find five."""
    p = pollers()
    p.observe(0.0, saturated=False, idle=True)
    assert p.count(10_000.0) == 5
