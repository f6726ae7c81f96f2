import math
from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Throttled, Timeout
from delivery.quotas import Quotas
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_queue import SqsQueue


def mapping(*, quotas=None, concurrency=1_000, visibility_timeout_s=180.0, max_receive_count=None, seed=1, **settings):
    numbers = Quotas.with_overrides({"account_concurrency": concurrency, **(quotas or {})})
    queue = SqsQueue(quotas=numbers, visibility_timeout_s=visibility_timeout_s, max_receive_count=max_receive_count)
    return SqsMapping(
        queue,
        capacity=Environments(Account(numbers), numbers),
        random=Random(seed),
        quotas=numbers,
        **settings,
    )


def messages(ids, size=100):
    return Offer(ids, size)


def running_at(run, time):
    """Invocations under way at a time."""
    ended = {invocation.number: at for at, invocation, _ in run.ended}
    return sum(i.start <= time < ended.get(i.number, math.inf) for i in run.started)


# Pollers


def test_a_message_is_delivered_as_soon_as_it_is_sent():
    """Long polls wait for it; how long the network takes is the driver's to add."""
    run = drive(mapping(), [(5.0, messages([1]))], always(0.1))
    assert run.started_at(1) == [5.0]


def test_a_spike_starts_with_five_invocations():
    run = drive(mapping(), [(0.0, messages(range(1_000)))], always(10.0), until=0.1)
    assert run.batches() == [list(range(first, first + 10)) for first in range(0, 50, 10)]


@pytest.mark.parametrize(("second", "expected"), [(10, 55), (30, 155), (60, 305)])
def test_a_deep_queue_gains_300_concurrent_invocations_a_minute(second, expected):
    run = drive(mapping(), [(0.0, messages(range(200_000)))], always(1.0), until=61.0)
    assert running_at(run, second + 0.01) == pytest.approx(expected, abs=1)


def test_pollers_that_are_never_all_busy_do_not_grow():
    machine = mapping()
    drive(machine, [(n / 2, messages([n])) for n in range(200)], always(1.0))
    assert machine.pollers() == 5


def test_maximum_concurrency_is_never_exceeded_and_costs_no_receive():
    machine = mapping(maximum_concurrency=3, max_receive_count=1)
    run = drive(machine, [(0.0, messages(range(300)))], always(1.0))
    assert run.peak_running == 3
    assert run.facts.throttled == 0
    assert {invocation.attempt for invocation in run.started} == {1}
    assert len(run.facts.done) == 300


def test_a_maximum_concurrency_above_the_reserved_one_is_throttled():
    """AWS advises against it: the pollers go on fetching, and each throttled batch spends a receive."""
    numbers = Quotas()
    machine = SqsMapping(
        SqsQueue(quotas=numbers, visibility_timeout_s=30.0),
        capacity=Environments(Account(numbers), numbers, reserved=2),
        random=Random(1),
        quotas=numbers,
        maximum_concurrency=5,
    )
    run = drive(machine, [(0.0, messages(range(50)))], always(1.0))
    assert run.peak_running == 2
    assert run.facts.throttled > 0
    assert len(run.facts.done) == 50


# Batches


def test_without_a_window_a_batch_is_what_one_receive_brings():
    run = drive(mapping(), [(0.0, messages(range(3))), (1.0, messages(range(3, 28)))], always(0.1))
    assert [len(batch) for batch in run.batches()] == [3, 10, 10, 5]


def test_a_window_gathers_more_than_one_receive():
    arrivals = [(n / 10, messages([n])) for n in range(100)]
    without = drive(mapping(), arrivals, always(0.1))
    gathered = drive(mapping(batching_window_s=2.0), arrivals, always(0.1))
    assert len(without.started) == 100
    assert len(gathered.started) < 40
    assert all(len(batch) <= 10 for batch in gathered.batches())


def test_a_message_goes_to_any_poller_that_waits():
    """Five pollers gather side by side, so that none of their batches fills."""
    arrivals = [(n / 10, messages([n])) for n in range(10)]
    run = drive(mapping(batching_window_s=1.0), arrivals, always(0.1))
    assert len(run.started) > 1
    assert all(len(batch) < 10 for batch in run.batches())


def test_a_full_batch_does_not_wait_for_its_window():
    run = drive(mapping(batching_window_s=300.0), [(0.0, messages(range(10)))], always(0.1))
    assert run.started[0].start == 0.0


def test_under_low_traffic_a_short_window_may_take_20_seconds():
    """LQS: the poller sits in a long poll, and looks at its window when that returns."""
    run = drive(mapping(batching_window_s=1.0), [(0.0, messages([1]))], always(0.1))
    assert run.started_at(1) == [20.0]


def test_a_window_longer_than_the_long_poll_is_kept():
    run = drive(mapping(batching_window_s=60.0), [(0.0, messages([1]))], always(0.1))
    assert run.started_at(1) == [60.0]


def test_a_window_longer_than_the_visibility_timeout_delivers_twice_but_never_in_one_batch():
    machine = mapping(batching_window_s=60.0, visibility_timeout_s=10.0, maximum_concurrency=2)
    run = drive(machine, [(0.0, messages([1]))], always(0.1), until=15.0)
    assert [(invocation.start, list(invocation.ids)) for invocation in run.started] == [(10.0, [1])]
    assert run.facts.received == 2


def test_the_long_poll_ends_with_the_next_message():
    machine = mapping(batching_window_s=1.0, maximum_concurrency=2, quotas={"sqs_pollers_start": 1})
    run = drive(machine, [(0.0, messages([1])), (7.0, messages([2]))], always(0.1))
    assert run.batches() == [[1, 2]]
    assert run.started_at(2) == [7.0]


def test_a_large_batch_is_filled_by_several_receives():
    run = drive(mapping(batch_size=5_000, batching_window_s=1.0), [(0.0, messages(range(12_500)))], always(0.1))
    assert [len(batch) for batch in run.batches()] == [5_000, 5_000, 2_500]


def test_an_event_holds_no_more_than_6_mb():
    size = 1 << 20
    run = drive(mapping(), [(0.0, messages(range(12), size=size))], always(0.1))
    assert [len(batch) for batch in run.batches()] == [5, 5, 2]
    assert 5 * (size + 768) <= Quotas().event_bytes < 6 * (size + 768)


def test_a_gathered_batch_that_cannot_take_the_next_message_goes_out():
    machine = mapping(batching_window_s=10.0, maximum_concurrency=2, quotas={"sqs_pollers_start": 1})
    arrivals = [(n / 10, messages([n], size=1 << 20)) for n in range(6)]
    run = drive(machine, arrivals, always(0.1))
    assert run.batches()[0] == [0, 1, 2, 3, 4]
    assert run.started[0].start == 0.5


# Failures


def test_an_error_returns_the_messages_when_their_visibility_timeout_is_over():
    outcomes = iter([Error(), Ok()])
    run = drive(mapping(visibility_timeout_s=60.0), [(0.0, messages(range(3)))], lambda _: (2.0, next(outcomes)))
    assert [(invocation.start, invocation.attempt) for invocation in run.started] == [(0.0, 1), (60.0, 2)]
    assert sorted(run.facts.done) == [0, 1, 2]


def test_only_the_failed_messages_of_a_batch_come_back():
    """No checkpoint, unlike a stream: what succeeded after a failed one is deleted."""
    outcomes = iter([PartialFailure(frozenset({1})), Ok()])
    machine = mapping(report_batch_item_failures=True)
    run = drive(machine, [(0.0, messages(range(3)))], lambda _: (2.0, next(outcomes)))
    assert run.batches() == [[0, 1, 2], [1]]
    assert run.started[1].start == 180.0


@pytest.mark.parametrize(
    ("settings", "outcome", "comes_back", "why"),
    [
        ({"report_batch_item_failures": True}, PartialFailure(frozenset()), False, "an empty list is success"),
        ({"report_batch_item_failures": True}, PartialFailure(frozenset({99})), True, "an id that was not sent"),
        ({}, PartialFailure(frozenset({0})), False, "without ReportBatchItemFailures nobody reads the list"),
        ({}, Error(), True, "the function raised"),
        ({}, Timeout(), True, "the function was stopped"),
    ],
)
def test_what_an_answer_means_for_the_whole_batch(settings, outcome, comes_back, why):
    outcomes = iter([outcome, Ok()])
    run = drive(mapping(**settings), [(0.0, messages(range(3)))], lambda _: (0.1, next(outcomes)))
    assert run.batches() == [[0, 1, 2]] * (1 + comes_back), why


@pytest.mark.parametrize(
    ("timeout_s", "outcome", "back_at", "why"),
    [
        (5, PartialFailure(frozenset({2})), 6.0, "sooner than the queue would have had it"),
        (300, PartialFailure(frozenset({2})), 301.0, "later"),
        (0, PartialFailure(frozenset({2})), 1.0, "at once, even while the function still runs"),
        (5, Error(), 6.0, "the others come back with the queue's own timeout"),
        (5, Ok(), math.inf, "it is done after all"),
    ],
)
def test_a_failed_message_comes_back_when_the_function_said(timeout_s, outcome, back_at, why):
    numbers = Quotas()
    queue = SqsQueue(quotas=numbers, visibility_timeout_s=180.0)
    capacity = Environments(Account(numbers), numbers)
    machine = SqsMapping(queue, capacity=capacity, random=Random(1), quotas=numbers, report_batch_item_failures=True)
    machine.offer(0.0, messages([1, 2, 3]))
    (invocation,) = machine.poll(0.0)
    assert queue.change_visibility(1.0, machine.lease(invocation, 2).number, 2, timeout_s)
    machine.settle(1.0, invocation, outcome)
    assert machine.wake_at() <= back_at, why
    if back_at == math.inf:
        assert machine.pending() == 0, why
        return
    assert timeout_s == 0 or machine.poll(back_at - 0.1) == [], why
    (again,) = machine.poll(back_at)
    assert (list(again.ids), again.attempt) == ([2], 2), why


def test_a_poison_message_goes_to_the_dead_letter_queue_alone():
    machine = mapping(max_receive_count=3, report_batch_item_failures=True)
    run = drive(
        machine,
        [(0.0, messages(range(10)))],
        lambda invocation: (0.1, PartialFailure(frozenset({4} & set(invocation.ids)))),
    )
    assert run.facts.dead == [(4, End.RECEIVE_COUNT)]
    assert [invocation.attempt for invocation in run.started] == [1, 2, 3]
    assert len(run.facts.done) == 9


def test_an_error_costs_the_mapping_a_poller():
    machine = mapping()
    drive(machine, [(0.0, messages([1]))], always(0.1, Error()), until=0.2)
    assert machine.pollers() == 4


def test_a_partial_failure_costs_no_poller():
    machine = mapping(report_batch_item_failures=True)
    drive(machine, [(0.0, messages([1]))], always(0.1, PartialFailure(frozenset({1}))), until=0.2)
    assert machine.pollers() == 5


def test_a_throttled_batch_is_tried_again_until_its_visibility_runs_out_and_has_then_spent_a_receive():
    machine = mapping(concurrency=0, visibility_timeout_s=30.0, max_receive_count=2)
    run = drive(machine, [(0.0, messages([1]))], always(0.1))
    assert run.started == []
    assert run.facts.received == 2
    assert run.facts.throttled > 4
    assert run.facts.dead == [(1, End.RECEIVE_COUNT)], "throttles alone walked it to the dead-letter queue"


def test_a_throttled_batch_goes_out_when_concurrency_comes_free():
    machine = mapping(concurrency=1)
    run = drive(machine, [(0.0, messages([1])), (0.5, messages([2]))], always(1.0))
    assert run.facts.throttled >= 1
    assert run.started_at(2) == [pytest.approx(1.2, abs=0.5)]
    assert run.started[1].attempt == 1


def test_throttles_cost_pollers_down_to_two():
    machine = mapping(concurrency=0)
    drive(machine, [(0.0, messages(range(100)))], always(0.1), until=10.0)
    assert machine.pollers() == 2


def test_a_remote_throttle_holds_the_batch_too():
    outcomes = iter([Throttled(), Throttled(), Ok()])
    run = drive(mapping(max_receive_count=1), [(0.0, messages([1]))], lambda _: (0.0, next(outcomes)))
    assert run.facts.done == [1]
    assert run.facts.throttled == 2


def test_a_function_slower_than_the_visibility_left_runs_twice_and_ends_once():
    """The batch gathered for 20 s of its 30: when the function is done, its messages are in other hands."""
    machine = mapping(batching_window_s=1.0, visibility_timeout_s=30.0, function_timeout_s=30.0)
    run = drive(machine, [(0.0, messages([1]))], lambda invocation: (12.0 if invocation.attempt == 1 else 1.0, Ok()))
    assert [invocation.start for invocation in run.started] == [20.0, 50.0]
    assert run.done_at == {1: 51.0}


def test_no_more_than_the_in_flight_limit_is_received():
    machine = mapping(quotas={"sqs_in_flight_max": 25, "sqs_pollers_start": 10})
    run = drive(machine, [(0.0, messages(range(100)))], always(5.0))
    assert running_at(run, 1.0) == 3
    assert len(run.facts.done) == 100


def test_a_full_queue_does_not_send_gathering_batches_off():
    machine = mapping(
        batching_window_s=10.0,
        maximum_concurrency=2,
        quotas={"sqs_pollers_start": 1, "sqs_in_flight_max": 3, "sqs_low_traffic_wait_s": 0},
    )
    run = drive(machine, [(0.0, messages(range(3))), (1.0, messages([3]))], always(0.1))
    assert run.started[0].start == 10.0


def test_growth_counts_from_the_moment_a_message_has_to_wait():
    """Also when nobody happens to poll then: the mapping asks to be woken."""
    offer = Offer(range(7), 100, times=[0.0] * 5 + [10.0, 30.0])
    machine = mapping(batch_size=1, function_timeout_s=180.0, quotas={"sqs_pollers_per_minute": 30})
    run = drive(machine, [(0.0, offer)], always(100.0), until=50.0)
    assert run.started_at(5) == [12.0]
    assert run.started_at(6) == [32.0]


# The rest


def test_the_receipt_of_a_message_is_that_of_its_receive():
    machine = mapping(batching_window_s=1.0, maximum_concurrency=2, quotas={"sqs_pollers_start": 1})
    machine.offer(0.0, messages([1]))
    machine.poll(0.0)
    machine.offer(1.0, messages([2]))
    [invocation] = machine.poll(1.0)
    first, second = machine.lease(invocation, 1), machine.lease(invocation, 2)
    assert (list(first.ids), list(second.ids)) == ([1], [2])
    assert first.number != second.number
    assert machine.receive_count(invocation, 2) == 1


def test_an_idle_mapping_sleeps():
    machine = mapping()
    assert machine.wake_at() == math.inf
    drive(machine, [(0.0, messages([1]))], always(0.1))
    assert machine.wake_at() == math.inf


def test_what_is_inside_is_told():
    machine = mapping()
    machine.offer(0.0, messages(range(60)))
    machine.poll(0.0)
    assert (machine.pending(), machine.in_flight(), machine.running()) == (60, 50, 5)
    assert machine.oldest_age_s(10.0) == 10.0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": 10_001, "batching_window_s": 1}, "batch size"),
        ({"batch_size": 11}, "needs a batching window"),
        ({"batching_window_s": 301}, "batching window"),
        ({"maximum_concurrency": 1}, "maximum concurrency"),
        ({"maximum_concurrency": 1_001}, "maximum concurrency"),
        ({"visibility_timeout_s": 30, "function_timeout_s": 31}, "visibility timeout"),
        ({"quotas": {"event_bytes": 1_000}}, "event_bytes"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        mapping(**settings)
