import math
from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.pollers import Pollers
from delivery.protocol import Error, Offer
from delivery.quotas import Quotas
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_provisioned import PollerThroughput, ProvisionedPollers
from delivery.sqs_queue import SqsQueue


def mapping(minimum, maximum, *, quotas=None, concurrency=10_000, **settings):
    numbers = Quotas.with_overrides(
        {"account_concurrency": concurrency, "environments_per_10_s": 10_000} | (quotas or {})
    )
    return SqsMapping(
        SqsQueue(quotas=numbers, visibility_timeout_s=180.0),
        capacity=Environments(Account(numbers), numbers),
        random=Random(1),
        quotas=numbers,
        provisioned=ProvisionedPollers(minimum, maximum),
        **settings,
    )


def spike(count, size=100):
    return [(0.0, Offer(range(count), size))]


def started_by(run, time):
    return sum(invocation.start <= time for invocation in run.started)


def test_the_minimum_is_ready_at_once_with_10_invocations_a_poller():
    run = drive(mapping(20, 20), spike(100_000), always(10.0), until=0.0)
    assert len(run.started) == 200


@pytest.mark.parametrize(
    ("seconds", "invocations", "why"),
    [
        (0.0, 20, "two pollers"),
        (0.59, 20, "not yet one more"),
        (0.6, 30, "1,000 invocations a minute are a poller of 10 every 0.6 s"),
        (60.0, 1_020, "three times what comes without provisioned mode"),
        (120.0, 2_000, "the maximum"),
    ],
)
def test_they_grow_by_1000_invocations_a_minute_up_to_the_maximum(seconds, invocations, why):
    pollers = Pollers(Quotas(), provisioned=ProvisionedPollers(2, 200))
    pollers.observe(0.0, saturated=True, idle=False)
    assert pollers.count(seconds + 1e-9) == invocations, why
    assert pollers.pollers == invocations / 10


def test_they_never_fall_below_the_minimum():
    pollers = Pollers(Quotas(), provisioned=ProvisionedPollers(3, 200))
    for _ in range(100):
        pollers.fail(0.0)
    assert pollers.count(0.0) == 30
    pollers.observe(0.0, saturated=False, idle=True)
    assert pollers.count(10_000.0) == 30


def test_a_failure_costs_one_invocation_of_those_beyond_the_minimum():
    machine = mapping(2, 200)
    run = drive(machine, spike(4_000), always(1.0), until=0.7)
    assert machine.running() == 30
    for invocation in run.started[:5]:
        machine.settle(0.8, invocation, Error())
    assert machine.poll(0.8) == [], "25 are still running, and no more are to be held"
    assert machine.pollers() == 3, "which takes three pollers"


def test_ten_receives_a_second_and_poller_are_the_most():
    """Short invocations: what limits is how often a poller calls ReceiveMessage."""
    run = drive(mapping(2, 2), spike(100_000), always(0.01), until=10.0)
    first, later = started_by(run, 0.99), started_by(run, 9.99) - started_by(run, 0.99)
    assert first == pytest.approx(20 + 20, abs=1), "a second's worth was saved up"
    assert later == pytest.approx(9 * 20, abs=1)


def test_one_mb_a_second_and_poller_is_the_most():
    """AWS: up to 1 MB/s a poller; 10 messages of 64 KB are 0.64 of it."""
    size = (64 << 10) - Quotas().sqs_event_overhead_bytes
    run = drive(mapping(2, 2), spike(10_000, size), always(0.01), until=20.0)
    messages = sum(len(invocation.ids) for invocation in run.started if 5 < invocation.start <= 15)
    assert messages * (64 << 10) == pytest.approx(10 * 2 * (1 << 20), rel=0.05)


def test_pollers_held_up_by_their_rates_grow():
    run = drive(mapping(2, 20), spike(100_000), always(0.01), until=30.0)
    per_second = [started_by(run, at + 1) - started_by(run, at) for at in (5, 28)]
    assert per_second[0] > 60
    assert per_second[1] == pytest.approx(20 * 10, abs=2), "the maximum, 10 receives a second each"


def test_a_message_that_finds_the_rates_used_up_waits_for_them_and_no_longer():
    machine = mapping(2, 2)
    run = drive(
        machine, [(0.0, Offer(range(200), 100)), (0.5, Offer([200], 100)), (0.5, Offer([201], 100))], always(0.01)
    )
    assert len([i for i in run.started if i.start == 0.0]) == 20
    assert run.started_at(200) == run.started_at(201) == [0.5]
    burst = drive(mapping(2, 2), [(0.0, Offer(range(200), 100)), (0.01, Offer([200], 100))], always(0.001))
    assert burst.started_at(200) == [pytest.approx(0.05, abs=1e-5)], "one of 20 calls a second"


def test_the_pollers_are_told():
    machine = mapping(7, 50)
    assert machine.pollers() == 7


def test_a_large_batch_costs_a_call_for_each_ten_of_its_messages():
    rates = PollerThroughput(Quotas())
    rates.spend(0.0, 1, 95, 100)
    rates.spend(0.0, 1, 5, 100)
    assert rates.ready_at(1) == pytest.approx(0.2, abs=1e-5), "11 of 10 a second, and the next one"


def test_a_rate_of_none_lets_nothing_through():
    rates = PollerThroughput(Quotas.with_overrides({"sqs_provisioned_receives_per_s": 0}))
    rates.spend(0.0, 1, 10, 100)
    assert rates.ready_at(1) == math.inf


@pytest.mark.parametrize(
    ("minimum", "maximum", "why"),
    [
        (2, 2, "the least"),
        (200, 10_000, "the most, since August 2026"),
    ],
)
def test_what_aws_takes_is_taken(minimum, maximum, why):
    ProvisionedPollers(minimum, maximum).check(Quotas())


@pytest.mark.parametrize(
    ("minimum", "maximum", "complaint"),
    [
        (1, 200, "minimum pollers are 1"),
        (201, 400, "minimum pollers are 201"),
        (5, 4, "maximum pollers are 4"),
        (2, 10_001, "maximum pollers are 10001"),
    ],
)
def test_what_aws_refuses_is_refused(minimum, maximum, complaint):
    with pytest.raises(ValueError, match=complaint):
        mapping(minimum, maximum)


def test_provisioned_mode_excludes_a_maximum_concurrency():
    with pytest.raises(ValueError, match="not both"):
        mapping(2, 200, maximum_concurrency=10)
