import math
from itertools import pairwise
from random import Random

import pytest
from virtual_driver import always, drive

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Refusal, Throttled, Timeout
from delivery.quotas import Quotas


def queue(*, quotas=None, concurrency=1_000, seed=1, **settings):
    numbers = Quotas.with_overrides({"account_concurrency": concurrency, **(quotas or {})})
    return AsyncInvoke(
        capacity=Environments(Account(numbers), numbers), random=Random(seed), quotas=numbers, **settings
    )


def events(ids, size=100):
    return Offer(ids, size)


NO_JITTER = {"async_throttle_jitter": 0}


def test_every_event_is_an_invocation_of_its_own_started_at_once():
    run = drive(queue(), [(5.0, events(range(100)))], always(0.1))
    assert run.batches() == [[record] for record in range(100)]
    assert {invocation.start for invocation in run.started} == {5.0}


def test_what_does_not_find_concurrency_sleeps_and_is_not_refused():
    run = drive(queue(concurrency=10), [(0.0, events(range(100)))], always(0.1))
    assert run.refused == {}
    assert run.peak_running == 10
    assert len(run.facts.done) == 100
    assert run.facts.throttled >= 90


def test_throttle_waits_double_from_a_second_to_five_minutes():
    outcomes = iter([Throttled()] * 12 + [Ok()])
    run = drive(queue(quotas=NO_JITTER), [(0.0, events([1]))], lambda _: (0.0, next(outcomes)))
    waits = [after.start - before.start for before, after in pairwise(run.started)]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], abs=0.06)


def test_throttle_waits_are_spread_by_jitter():
    run = drive(queue(concurrency=1), [(0.0, events(range(50)))], always(0.001))
    second_try = {invocation.start for invocation in run.started if 0.4 < invocation.start <= 1.05}
    assert len(second_try) > 3


def test_throttles_do_not_use_up_retries():
    outcomes = iter([Throttled()] * 5 + [Error()] + [Throttled()] * 5 + [Error(), Ok()])
    run = drive(queue(), [(0.0, events([1]))], lambda _: (0.0, next(outcomes)))
    assert run.facts.done == [1]
    assert run.started[-1].attempt == 3


def test_capacity_stands_idle_while_the_throttled_sleep():
    """After a spike: what comes free is not given to who waits, but to who is awake. Hence push's long tail."""
    run = drive(queue(concurrency=1, quotas=NO_JITTER), [(0.0, events(range(4)))], always(0.1))
    assert [invocation.start for invocation in run.started] == pytest.approx([0.0, 1.0, 3.0, 7.0], abs=0.06)


def test_a_new_event_overtakes_a_sleeping_one():
    run = drive(queue(concurrency=1, quotas=NO_JITTER), [(0.0, events([1, 2])), (0.5, events([3]))], always(0.1))
    assert [list(invocation.ids) for invocation in run.started] == [[1], [3], [2]]


def test_an_error_is_retried_after_one_minute_and_then_after_two():
    run = drive(queue(), [(0.0, events([1]))], always(1.0, Error()))
    assert [invocation.start for invocation in run.started] == pytest.approx([0.0, 61.0, 182.0], abs=0.06)
    assert [invocation.attempt for invocation in run.started] == [1, 2, 3]
    assert run.facts.dead == [(1, End.RETRIES_EXHAUSTED)]


def test_the_waits_of_retries_can_be_shortened():
    quotas = {"async_first_retry_s": 1, "async_second_retry_s": 2}
    run = drive(queue(quotas=quotas), [(0.0, events([1]))], always(0.0, Error()))
    assert [invocation.start for invocation in run.started] == pytest.approx([0.0, 1.0, 3.0], abs=0.06)


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_no_more_retries_than_allowed(retries):
    run = drive(queue(maximum_retry_attempts=retries), [(0.0, events([1]))], always(0.1, Error()))
    assert len(run.started) == 1 + retries


@pytest.mark.parametrize(
    ("outcome", "invocations", "why"),
    [
        (Ok(), 1, "it returned"),
        (PartialFailure(frozenset({1})), 1, "nobody reads what an asynchronous invocation returns"),
        (Error(), 3, "it raised"),
        (Error(lost=True), 3, "its process died"),
        (Timeout(), 3, "a timeout is an error"),
    ],
)
def test_what_an_answer_means(outcome, invocations, why):
    run = drive(queue(), [(0.0, events([1]))], always(0.1, outcome))
    assert len(run.started) == invocations, why


def test_an_event_that_grows_too_old_is_given_up_when_it_does():
    run = drive(queue(concurrency=0, maximum_event_age_s=100.0), [(0.0, events([1]))], always(0.1))
    assert run.facts.dead == [(1, End.EVENT_AGE)]
    assert run.facts.throttled > 5


def test_a_retry_beyond_the_event_age_is_never_made():
    run = drive(queue(maximum_event_age_s=100.0), [(0.0, events([1]))], always(0.1, Error()))
    assert len(run.started) == 2
    assert run.facts.dead == [(1, End.EVENT_AGE)]


def test_without_a_destination_an_event_given_up_is_lost_silently():
    run = drive(queue(maximum_retry_attempts=0, on_failure=False), [(0.0, events([1]))], always(0.1, Error()))
    assert run.facts.dead == []
    assert run.facts.expired == [(1, End.RETRIES_EXHAUSTED)]


def test_an_event_above_the_size_limit_is_refused():
    limit = Quotas().async_event_bytes
    assert queue().offer(0.0, Offer([1, 2], [limit, limit + 1])) == {2: Refusal.TOO_LARGE}


def test_arrivals_to_come_are_started_when_they_have_come():
    offer = Offer([1, 2], 100, times=[3.0, 4.0])
    run = drive(queue(), [(0.0, offer)], always(0.1))
    assert [invocation.start for invocation in run.started] == [3.0, 4.0]


def test_an_idle_queue_sleeps():
    machine = queue()
    assert machine.wake_at() == math.inf
    drive(machine, [(0.0, events([1]))], always(0.1))
    assert machine.wake_at() == math.inf


def test_what_is_inside_is_told():
    machine = queue(concurrency=2)
    machine.offer(0.0, events(range(5)))
    machine.poll(0.0)
    assert (machine.pending(), machine.in_flight(), machine.running()) == (5, 2, 2)
    assert machine.oldest_age_s(7.0) == 7.0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"maximum_retry_attempts": 3}, "retry attempts"),
        ({"maximum_retry_attempts": -1}, "retry attempts"),
        ({"maximum_event_age_s": 0}, "event age"),
        ({"maximum_event_age_s": 21_601}, "event age"),
        ({"function_timeout_s": 0}, "timeout"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        queue(**settings)


def test_waits_do_not_depend_on_how_often_the_queue_is_polled():
    def starts(**options):
        run = drive(queue(concurrency=2), [(0.0, events(range(40)))], always(0.3), **options)
        return [(invocation.start, invocation.ids) for invocation in run.started]

    assert starts() == starts(also_poll_every=0.07)


def test_an_event_is_given_up_while_it_waits_for_its_retry():
    run = drive(queue(maximum_event_age_s=30.0), [(0.0, events([1]))], always(0.1, Error()))
    assert run.facts.dead == [(1, End.EVENT_AGE)]
    assert run.ended_at[1] == pytest.approx(30.0, abs=0.06)


@pytest.mark.parametrize(
    ("settings", "service", "end", "why"),
    [
        ({"maximum_retry_attempts": 0}, always(0.1, Error()), End.RETRIES_EXHAUSTED, "it failed too often"),
        ({"concurrency": 0, "maximum_event_age_s": 60.0}, always(0.1), End.EVENT_AGE, "it was never tried"),
    ],
)
def test_what_is_given_up_names_the_destinations_own_condition(settings, service, end, why):
    run = drive(queue(**settings), [(0.0, events([1]))], service)
    assert run.facts.dead == [(1, end)], why
    assert end in {"RetriesExhausted", "EventAgeExceeded"}


def test_a_slowly_read_queue_starts_no_more_than_it_reads():
    run = drive(queue(quotas={"async_reads_per_s": 10}), [(0.0, events(range(50)))], always(0.01))
    assert [sum(i.start <= at + 1e-3 for i in run.started) for at in (0, 1, 2, 3, 4)] == [10, 20, 30, 40, 50]
    assert run.facts.throttled == 0
    assert len(run.facts.done) == 50


def test_what_wakes_in_a_slowly_read_queue_waits_its_turn():
    """So a deep queue lengthens the time between the tries of an event."""
    quotas = NO_JITTER | {"async_reads_per_s": 1}
    run = drive(queue(concurrency=0, quotas=quotas, maximum_event_age_s=60.0), [(0.0, events(range(10)))], always(1))
    assert run.facts.throttled < 62
    quick = drive(
        queue(concurrency=0, quotas=NO_JITTER, maximum_event_age_s=60.0), [(0.0, events(range(10)))], always(1)
    )
    assert quick.facts.throttled == 10 * 6


def test_a_queue_read_as_fast_as_it_fills_is_not_held_up():
    arrivals = [(float(second), events([second])) for second in range(20)]
    run = drive(queue(quotas={"async_reads_per_s": 1}), arrivals, always(0.1))
    assert [invocation.start for invocation in run.started] == [float(second) for second in range(20)]


EVERY_ONE_TWICE = {"async_duplicate_share": 1}


def test_a_doubled_delivery_is_two_invocations_and_one_event_done():
    run = drive(queue(quotas=EVERY_ONE_TWICE), [(0.0, events([1, 2]))], always(0.1))
    assert sorted(run.batches()) == [[1], [1], [2], [2]]
    assert sorted(run.facts.done) == [1, 2]
    assert run.facts.duplicates == 2


def test_the_share_of_doubled_deliveries_is_kept():
    run = drive(queue(quotas={"async_duplicate_share": 0.2}), [(0.0, events(range(500)))], always(0.1))
    assert run.facts.duplicates == pytest.approx(100, abs=30)
    assert sorted(run.facts.done) == list(range(500))


def test_no_delivery_is_doubled_unless_asked_for():
    run = drive(queue(), [(0.0, events(range(1_000)))], always(0.1))
    assert run.facts.duplicates == 0
    assert len(run.started) == 1_000


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Ok(), "the event is done once"),
        (Error(), "only the event's own failures count"),
        (Throttled(), "a double is not tried again"),
        (Timeout(), "only the event's own failures count"),
    ],
)
def test_what_becomes_of_a_double_changes_nothing(outcome, why):
    first = set()

    def service(invocation):
        own = tuple(invocation.ids) not in first
        first.add(tuple(invocation.ids))
        return 0.1, Ok() if own else outcome

    run = drive(queue(quotas=EVERY_ONE_TWICE), [(0.0, events(range(3)))], service)
    assert len(run.started) == 6, why
    assert sorted(run.facts.done) == [0, 1, 2]
    assert run.facts.dead == run.facts.expired == []


def test_an_event_whose_double_succeeded_is_retried_all_the_same():
    outcomes = iter([Error(), Ok(), Ok(), Ok()])
    run = drive(queue(quotas=EVERY_ONE_TWICE), [(0.0, events([1]))], lambda _: (0.1, next(outcomes)))
    assert [invocation.attempt for invocation in run.started] == [1, 1, 2, 2]
    assert run.facts.done == [1]


def test_a_double_that_finds_no_concurrency_is_not_tried_again():
    run = drive(queue(concurrency=1, quotas=EVERY_ONE_TWICE), [(0.0, events([1]))], always(0.1))
    assert len(run.started) == 1
    assert run.facts.duplicates == 0


def test_a_share_of_doubles_over_one_is_refused():
    with pytest.raises(ValueError, match="async_duplicate_share"):
        queue(quotas={"async_duplicate_share": 1.5})


def test_how_long_an_event_sleeps_has_nothing_to_do_with_the_others():
    alone = drive(queue(), [(0.0, events([0]))], always(0.0, Throttled()), until=100.0)
    together = drive(queue(), [(0.0, events(range(9)))], always(0.0, Throttled()), until=100.0)
    assert len(alone.started_at(0)) > 5
    assert alone.started_at(0) == together.started_at(0)
    assert len({together.started_at(record)[1] for record in range(9)}) > 3


@pytest.mark.parametrize("age_s", [0.2, 5.0, 100.0], ids="{} s".format)
def test_an_event_that_is_only_throttled_is_given_up_at_its_age_and_not_later(age_s):
    sent_at = [7 + number / 100 for number in range(200)]
    machine = queue(concurrency=0, maximum_event_age_s=age_s)
    run = drive(machine, [(at, events([number])) for number, at in enumerate(sent_at)], always(0.1))
    late = [run.ended_at[number] - at - age_s for number, at in enumerate(sent_at)]
    assert min(late) > -1e-9
    assert max(late) < 0.06, "one slot of the wheel"


def test_arrivals_told_in_advance_that_find_no_concurrency_need_no_poll_of_their_own():
    machine = queue(concurrency=1)
    machine.offer(0.0, Offer(range(101), 100, times=[0.0, *(1 + n / 1_000 for n in range(100))]))
    [invocation] = machine.poll(0.0)
    assert machine.wake_at() == pytest.approx(1.5), "the least wait after the first of them"
    machine.settle(1.0505, invocation, Ok())
    assert machine.poll(1.0505) == []
    [invocation] = machine.poll(machine.wake_at())
    assert list(invocation.ids) == [52], "the first after the release"
    assert machine.drain().throttled == 51


def test_they_need_one_while_growth_is_all_they_lack():
    machine = queue(quotas={"environments_per_10_s": 1})
    machine.offer(0.0, Offer(range(3), 100, times=[0.0, 5.0, 11.0]))
    assert len(machine.poll(0.0)) == 1
    assert machine.wake_at() == 5.0
    assert machine.poll(5.0) == []
    assert machine.drain().throttled == 1
