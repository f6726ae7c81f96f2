import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Refusal, Throttled, Timeout
from delivery.quotas import Quotas
from delivery.sync_invoke import SyncInvoke


def function(*, reserved=None, timeout_s=3.0, **overrides):
    numbers = Quotas.with_overrides({"account_unreserved_min": 0, **overrides})
    capacity = Environments(Account(numbers), numbers, reserved)
    return SyncInvoke(capacity=capacity, quotas=numbers, function_timeout_s=timeout_s)


def requests(ids, size=100):
    return Offer(ids, size)


def test_a_request_is_an_invocation_started_at_once():
    machine = function(timeout_s=5.0)
    assert machine.offer(2.0, requests([7])) == {}
    assert machine.wake_at() == 2.0
    [invocation] = machine.poll(2.0)
    assert (list(invocation.ids), invocation.start, invocation.deadline) == ([7], 2.0, 7.0)
    assert machine.wake_at() == math.inf


@pytest.mark.parametrize(
    ("settings", "admitted", "refusal", "why"),
    [
        ({"account_concurrency": 5}, 5, Refusal.CONCURRENCY, "the account has no more concurrency"),
        ({"reserved": 5}, 5, Refusal.RESERVED_CONCURRENCY, "the function has no more than its reservation"),
        ({"environments_per_10_s": 5}, 5, Refusal.INVOCATION_RATE, "it may not grow so fast"),
        ({"sync_requests_per_s_per_environment": 0.005}, 5, Refusal.INVOCATION_RATE, "over 10 times concurrency"),
        (
            {"reserved": 50, "sync_requests_per_s_per_environment": 0.1},
            5,
            Refusal.RESERVED_INVOCATION_RATE,
            "over 10 times its reservation",
        ),
        ({"reserved": 0}, 0, Refusal.RESERVED_CONCURRENCY, "a reservation of nothing stops it"),
    ],
)
def test_a_request_that_finds_no_room_is_answered_429_with_the_reason(settings, admitted, refusal, why):
    machine = function(**settings)
    refused = machine.offer(0.0, requests(range(8)))
    assert refused == dict.fromkeys(range(admitted, 8), refusal), why
    assert len(machine.poll(0.0)) == admitted
    assert machine.drain().throttled == 8 - admitted


def test_a_fast_function_meets_its_rate_before_its_concurrency():
    """At 15 ms a request, ten environments could answer 666 a second; 100 is what Lambda lets in."""
    arrivals = [(tick / 500, requests([tick])) for tick in range(500)]
    run = drive(function(account_concurrency=10), arrivals, always(0.015))
    assert len(run.facts.done) == 100
    assert set(run.refused.values()) == {Refusal.INVOCATION_RATE}
    assert run.peak_running <= 10


def test_a_slow_function_meets_its_concurrency_before_its_rate():
    arrivals = [(tick / 50, requests([tick])) for tick in range(50)]
    run = drive(function(account_concurrency=10), arrivals, always(0.5))
    assert len(run.facts.done) == 20
    assert set(run.refused.values()) == {Refusal.CONCURRENCY}


def test_a_payload_over_six_megabytes_is_refused_and_costs_nothing():
    machine = function(account_concurrency=1)
    limit = Quotas().event_bytes
    assert machine.offer(0.0, Offer([1, 2], [limit + 1, limit])) == {1: Refusal.TOO_LARGE}
    assert [list(invocation.ids) for invocation in machine.poll(0.0)] == [[2]]


@pytest.mark.parametrize(
    ("outcome", "done", "expired", "why"),
    [
        (Ok(), [1], [], "it answered"),
        (PartialFailure(frozenset({1})), [1], [], "whatever it returned is its client's to read"),
        (Error(), [], [(1, End.FUNCTION_ERROR)], "the client has the error; nothing is retried"),
        (Error(lost=True), [], [(1, End.FUNCTION_ERROR)], "its process died"),
        (Timeout(), [], [(1, End.FUNCTION_ERROR)], "a timeout is an error"),
        (Throttled(), [], [(1, End.THROTTLED)], "refused after all"),
    ],
)
def test_what_an_answer_means(outcome, done, expired, why):
    run = drive(function(), [(0.0, requests([1]))], always(0.1, outcome))
    assert len(run.started) == 1, why
    assert run.facts.done == done
    assert run.facts.expired == expired


def test_requests_still_to_come_are_refused():
    with pytest.raises(ValueError, match="offer it then"):
        function().offer(0.0, Offer([1], 100, times=[5.0]))


def test_it_shares_an_account_with_whoever_else_draws_on_it():
    numbers = Quotas.with_overrides({"account_concurrency": 10})
    account = Account(numbers)
    other = Environments(account, numbers)
    held = other.acquire_upto(0.0, 8)
    machine = SyncInvoke(capacity=Environments(account, numbers), quotas=numbers)
    assert Counter(machine.offer(0.0, requests(range(5))).values()) == {Refusal.CONCURRENCY: 3}
    other.release(1.0, held[0])
    assert machine.offer(1.0, requests([9])) == {}


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.2, 1.5]), st.integers(1, 30)), max_size=30),
    st.sampled_from([{"account_concurrency": 4}, {"reserved": 3}, {"environments_per_10_s": 2}]),
    st.sampled_from([(0.01, Ok()), (0.7, Ok()), (0.7, Error(lost=True)), (3.0, Timeout())]),
)
def test_every_request_is_refused_or_ends_once_and_no_limit_is_exceeded(arrivals, settings, service):
    machine = function(**settings)
    now, offers, first = 0.0, [], 0
    for wait, count in arrivals:
        now += wait
        offers.append((now, requests(range(first, first + count))))
        first += count
    run = drive(machine, offers, always(*service))
    assert set(run.ended_at) | set(run.refused) == set(range(first))
    assert not set(run.ended_at) & set(run.refused)
    assert len(run.started) == len(run.ended_at)
    assert run.facts.throttled == len(run.refused)
    assert machine.pending() == machine.running() == machine.in_flight() == 0
    assert run.peak_running <= settings.get("account_concurrency", settings.get("reserved", 1_000))


def test_a_request_refused_for_want_of_concurrency_does_not_use_up_the_rate():
    machine = function(account_concurrency=1)
    assert len(machine.offer(0.0, requests(range(8)))) == 7
    [invocation] = machine.poll(0.0)
    machine.settle(0.01, invocation, Ok())
    assert set(machine.offer(0.02, requests(range(8, 16))).values()) == {Refusal.CONCURRENCY}
