from itertools import pairwise
from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Throttled
from delivery.quotas import Quotas
from delivery.sqs_fifo_mapping import SqsFifoMapping
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_provisioned import ProvisionedPollers


def mapping(
    *, quotas=None, concurrency=1_000, visibility_timeout_s=180.0, max_receive_count=None, sent_per_call=10, **settings
):
    numbers = Quotas.with_overrides({"account_concurrency": concurrency, **(quotas or {})})
    queue = SqsFifoQueue(
        quotas=numbers,
        visibility_timeout_s=visibility_timeout_s,
        max_receive_count=max_receive_count,
        sent_per_call=sent_per_call,
    )
    return SqsFifoMapping(
        queue, capacity=Environments(Account(numbers), numbers), random=Random(1), quotas=numbers, **settings
    )


def messages(count, groups, first=0, size=100):
    """Messages that go through the groups in turn."""
    ids = range(first, first + count)
    return Offer(ids, size, groups=[number % groups for number in ids])


def spans(run, groups):
    """For each group, when its batches started and ended."""
    return [
        sorted((i.start, at) for at, i, _ in run.ended if any(number % groups == group for number in i.ids))
        for group in range(groups)
    ]


# Concurrency


@pytest.mark.parametrize(
    ("groups", "settings", "at_once", "why"),
    [
        (1, {}, 1, "one group, one batch at a time"),
        (6, {"maximum_concurrency": 10}, 6, "AWS's own example: the groups are fewer"),
        (6, {"maximum_concurrency": 4}, 4, "the maximum concurrency is less"),
        (300, {}, 300, "there is no ramp of pollers"),
        (300, {"quotas": {"sqs_pollers_max": 100}}, 100, "a mapping's most"),
    ],
)
def test_as_many_batches_as_active_groups_up_to_the_maximum_concurrency(groups, settings, at_once, why):
    machine = mapping(**settings)
    run = drive(machine, [(0.0, messages(3_000, groups))], always(5.0), until=4.0)
    assert machine.running() == run.peak_running == machine.pollers() == at_once, why


def test_at_most_one_batch_of_a_group_is_in_flight():
    run = drive(mapping(), [(0.0, messages(400, 7)), (0.5, messages(400, 7, first=400))], always(0.3))
    assert len(run.done_at) == 800
    for group in spans(run, 7):
        assert all(end <= start for (_, end), (start, _) in pairwise(group))


def test_a_batch_may_hold_several_groups_each_in_its_order():
    run = drive(mapping(), [(0.0, messages(10, 5))], always(0.3))
    assert run.batches() == [[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]]


def test_provisioned_pollers_ramp_for_a_fifo_queue_too():
    machine = mapping(provisioned=ProvisionedPollers(2, 4))
    run = drive(machine, [(0.0, messages(3_000, 300))], always(50.0), until=10.0)
    assert sum(invocation.start == 0.0 for invocation in run.started) == 20
    assert machine.running() == 40
    assert machine.pollers() == 4


def test_receives_beyond_300_a_second_wait():
    """Batches of one: 300 messages a second, whatever the concurrency."""
    machine = mapping(batch_size=1, quotas={"sqs_fifo_calls_burst_s": 0.1})
    offers = [(second / 10, messages(100, 1_000, first=second * 100)) for second in range(30)]
    run = drive(machine, offers, always(0.01))
    by_2_s = sum(invocation.start <= 2.0 for invocation in run.started)
    assert by_2_s == pytest.approx(30 + 2 * 300, abs=2)
    assert len(run.done_at) == 3_000


# Failures


def test_a_failing_group_is_not_read_further_and_the_others_go_on():
    failing = {0, 3}
    run = drive(
        mapping(visibility_timeout_s=60.0, batch_size=2, max_receive_count=2),
        [(0.0, messages(12, 3))],
        lambda invocation: (1.0, Error() if failing & set(invocation.ids) else Ok()),
    )
    assert run.started_at(6) == run.started_at(9) == [pytest.approx(120.0)], "after all attempts at 0 and 3"
    assert run.started_at(0) == [0.0, 60.0]
    assert max(run.done_at[number] for number in (1, 2, 4, 5, 7, 8, 10, 11)) == 2.0
    assert run.facts.dead == [(0, End.RECEIVE_COUNT), (3, End.RECEIVE_COUNT)]


def test_failed_messages_come_back_before_the_others_of_their_group():
    outcomes = iter([PartialFailure(frozenset({1, 2}))])
    machine = mapping(report_batch_item_failures=True, visibility_timeout_s=60.0, batch_size=3)
    run = drive(machine, [(0.0, messages(6, 1))], lambda _: (1.0, next(outcomes, Ok())))
    assert run.batches() == [[0, 1, 2], [1, 2, 3], [4, 5]]
    assert run.started[1].start == 60.0
    assert run.started[1].attempt == 2


def test_a_failure_takes_no_concurrency_from_the_other_groups():
    machine = mapping(visibility_timeout_s=1_000.0)
    drive(machine, [(0.0, messages(10, 1))], always(0.1, Error()), until=1.0)
    run = drive(machine, [(1.0, messages(2_000, 100, first=10))], always(5.0), until=2.0)
    assert run.peak_running == 99, "all but the one that failed"


def test_a_throttled_batch_is_held_and_its_groups_with_it():
    outcomes = iter([Throttled(), Ok()])
    run = drive(mapping(batch_size=2), [(0.0, messages(4, 1))], lambda _: (0.1, next(outcomes, Ok())))
    assert run.batches() == [[0, 1], [0, 1], [2, 3]]
    assert [invocation.attempt for invocation in run.started] == [1, 1, 1]


def test_throttles_alone_walk_messages_to_the_dead_letter_queue():
    machine = mapping(concurrency=0, visibility_timeout_s=30.0, max_receive_count=2)
    run = drive(machine, [(0.0, messages(1, 1))], always(0.1))
    assert run.started == []
    assert run.facts.dead == [(0, End.RECEIVE_COUNT)]


# The rest


def test_a_backlog_of_one_group_keeps_the_others_from_being_found():
    machine = mapping(quotas={"sqs_fifo_window_messages": 50})
    backlog = Offer(range(100), 100, groups=[0] * 100)
    other = Offer([100], 100, groups=[1])
    run = drive(machine, [(0.0, backlog), (0.0, other)], always(1.0))
    assert run.started_at(100) == [6.0], "when 51 messages, five batches and the sixth, are done"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": 11}, "batch size"),
        ({"maximum_concurrency": 1}, "maximum concurrency"),
        ({"visibility_timeout_s": 30, "function_timeout_s": 31}, "visibility timeout"),
        ({"maximum_concurrency": 10, "provisioned": ProvisionedPollers()}, "not both"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        mapping(**settings)


def test_there_is_no_batching_window():
    with pytest.raises(TypeError, match="batching_window_s"):
        mapping(batching_window_s=1.0)
