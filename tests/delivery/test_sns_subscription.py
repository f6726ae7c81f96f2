from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_driver import always, drive

from delivery.async_invoke import AsyncInvoke
from delivery.delivery_policy import DeliveryPolicy
from delivery.environments import Account, Environments
from delivery.protocol import End, Error, Offer
from delivery.quotas import Quotas
from delivery.sns_subscription import Acceptance, SnsSubscription
from delivery.sns_topic import SnsTopic

NO_JITTER = {"sns_retry_jitter": 0}


def subscription(*, dead_letter_queue=False, on_failure=True, **overrides):
    quotas = Quotas.with_overrides(NO_JITTER | overrides)
    function = AsyncInvoke(
        capacity=Environments(Account(quotas), quotas), random=Random(1), quotas=quotas, on_failure=on_failure
    )
    return SnsSubscription(function, random=Random(2), quotas=quotas, dead_letter_queue=dead_letter_queue)


def failing(kind, *, until, machine, first=range(3)):
    """Runs a machine whose Lambda does not accept anything before `until`."""
    machine.answers(0.0, kind)

    def front(now, offer):
        if now >= until:
            machine.answers(now, Acceptance.ACCEPTED)
        return machine.offer(now, offer)

    return drive(machine, [(0.0, Offer(first, 100)), (until, Offer([1_000], 100))], always(0.1), front=front)


def test_a_message_is_an_invocation_of_its_own_at_once():
    run = drive(subscription(), [(3.0, Offer(range(20), 100))], always(0.1))
    assert run.batches() == [[record] for record in range(20)]
    assert {invocation.start for invocation in run.started} == {3.0}


def test_the_delivery_policy_is_the_documented_one():
    policy = DeliveryPolicy(Random(1), Quotas.with_overrides(NO_JITTER))
    waits = [policy.wait_s(retry) for retry in range(1, 18)]
    assert waits[:5] == [0, 0, 0, 1, 1]
    assert waits[5] == pytest.approx(1)
    assert waits[14:] == pytest.approx([20, 20, 20])
    assert all(before < after for before, after in pairwise(waits[5:15]))
    assert policy.wait_s(100_015) == 20
    assert policy.wait_s(100_016) is None


def test_it_lasts_23_days():
    quotas = Quotas()
    assert 23 < quotas.sns_late_retries * quotas.sns_retry_max_s / 86_400 < 24


def test_retries_are_jittered():
    policy = DeliveryPolicy(Random(1), Quotas())
    waits = {policy.wait_s(50) for _ in range(20)}
    assert len(waits) == 20
    assert all(18 <= wait <= 20 for wait in waits)


def test_while_lambda_fails_messages_are_kept_and_then_delivered():
    machine = subscription()
    run = failing(Acceptance.SERVER_ERROR, until=2.5, machine=machine)
    policy = DeliveryPolicy(Random(1), Quotas.with_overrides(NO_JITTER))
    tries = list(accumulate(policy.wait_s(retry) for retry in range(1, 12)))
    first_after = next(at for at in tries if at >= 2.5)
    assert [run.started_at(record) for record in range(3)] == [[pytest.approx(first_after)]] * 3
    assert sorted(run.facts.done) == [0, 1, 2, 1_000]
    assert machine.pending() == machine.retrying() == 0


def test_a_message_that_lambda_never_accepts_is_given_up_at_the_end_of_the_policy():
    short = {"sns_late_retries": 2}
    for dead_letter_queue in (True, False):
        machine = subscription(dead_letter_queue=dead_letter_queue, **short)
        machine.answers(0.0, Acceptance.SERVER_ERROR)
        run = drive(machine, [(0.0, Offer([1], 100))], always(0.1))
        assert run.started == []
        gone = run.facts.dead if dead_letter_queue else run.facts.expired
        assert gone == [(1, End.DELIVERY_POLICY)]
        assert run.ended_at[1] > 40


def test_a_throttled_consumer_never_triggers_the_policy():
    """Lambda accepts the event; what it lacks to run it is its own affair, for six hours."""
    machine = subscription(account_concurrency=0, dead_letter_queue=True)
    run = drive(machine, [(0.0, Offer(range(100), 100))], always(0.1), until=3_600.0)
    assert machine.retrying() == 0
    assert run.facts.throttled > 1_000
    assert run.facts.dead == run.facts.expired == []
    run = drive(machine, [], always(0.1))
    assert {end for _, end in run.facts.dead} == {End.EVENT_AGE}


def test_a_function_that_fails_does_not_trigger_it_either():
    machine = subscription()
    run = drive(machine, [(0.0, Offer([1], 100))], always(0.1, Error()))
    assert len(run.started) == 3
    assert run.facts.dead == [(1, End.RETRIES_EXHAUSTED)]


@pytest.mark.parametrize("dead_letter_queue", [True, False])
def test_a_client_error_is_not_retried(dead_letter_queue):
    """The function was deleted, or SNS may not call it: the subscription's own queue has the messages, or nobody."""
    machine = subscription(dead_letter_queue=dead_letter_queue)
    run = failing(Acceptance.CLIENT_ERROR, until=1.0, machine=machine)
    ends = [(record, End.CLIENT_ERROR) for record in range(3)]
    assert run.facts.dead == (ends if dead_letter_queue else [])
    assert run.facts.expired == ([] if dead_letter_queue else ends)
    assert run.facts.done == [1_000]


def test_a_function_deleted_while_lambda_fails_ends_the_retries():
    machine = subscription(dead_letter_queue=True)
    machine.answers(0.0, Acceptance.SERVER_ERROR)
    machine.offer(0.0, Offer([1], 100))
    assert machine.poll(0.0) == []
    machine.answers(0.5, Acceptance.CLIENT_ERROR)
    run = drive(machine, [], always(0.1))
    assert run.facts.dead == [(1, End.CLIENT_ERROR)]


def test_a_message_that_is_too_large_an_event_is_given_up_by_sns():
    """SNS takes 1 MiB if told to, and wraps it; the publisher was told it is in."""
    machine = subscription(dead_letter_queue=True, sns_message_bytes=1 << 21)
    topic = SnsTopic([machine], Quotas.with_overrides({"sns_message_bytes": 1 << 21}))
    assert topic.offer(0.0, Offer([1, 2], [Quotas().async_event_bytes + 1, 100])) == {}
    run = drive(machine, [], always(0.1))
    assert run.facts.dead == [(1, End.CLIENT_ERROR)]
    assert run.facts.done == [2]


def test_what_sns_holds_is_told():
    machine = subscription()
    machine.answers(0.0, Acceptance.SERVER_ERROR)
    machine.offer(1.0, Offer([1, 2], 100))
    assert machine.poll(1.0) == []
    assert (machine.pending(), machine.retrying(), machine.running(), machine.in_flight()) == (2, 2, 0, 0)
    assert machine.oldest_age_s(31.0) == 30.0


SCENARIOS = st.tuples(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.4, 3.0, 30.0]), st.integers(1, 9), st.sampled_from(Acceptance)),
        min_size=1,
        max_size=15,
    ),
    st.booleans(),
    st.integers(0, 5),
)


def played(scenario, **options):
    steps, dead_letter_queue, concurrency = scenario
    machine = subscription(
        dead_letter_queue=dead_letter_queue, account_concurrency=concurrency, sns_late_retries=1, sns_retry_jitter=0.3
    )
    offers, answers, now, first = [], {}, 0.0, 0
    for wait, count, answer in steps:
        now += wait
        offers.append((now, Offer(range(first, first + count), 100)))
        answers[now] = answer
        first += count

    def front(at, offer):
        machine.answers(at, answers[at])
        return machine.offer(at, offer)

    return machine, first, drive(machine, offers, always(0.3), front=front, until=40_000.0, **options)


@settings(max_examples=40)
@given(SCENARIOS)
def test_every_message_ends_once_whatever_lambda_answers(scenario):
    machine, offered, run = played(scenario)
    assert machine.pending() == machine.running() == machine.retrying() == 0
    assert set(run.ended_at) == set(range(offered))
    assert all(end in {End.CLIENT_ERROR, End.DELIVERY_POLICY, End.EVENT_AGE} for _, end in run.facts.dead)


@settings(max_examples=40)
@given(SCENARIOS)
def test_polling_when_told_to_is_as_good_as_polling_all_the_time(scenario):
    _, _, told = played(scenario)
    _, _, dense = played(scenario, also_poll_every=7.3)
    assert told.story() == dense.story()
    assert told.facts == dense.facts
