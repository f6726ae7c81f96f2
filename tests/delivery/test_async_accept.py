"""Lambda accepts an event before it looks at any concurrency."""

from random import Random

from virtual_driver import always, drive

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.protocol import End, Offer
from delivery.quotas import Quotas


def queue(reserved, **settings):
    quotas = Quotas()
    capacity = Environments(Account(quotas), quotas, reserved)
    return AsyncInvoke(capacity=capacity, random=Random(1), quotas=quotas, **settings)


def test_with_a_reserved_concurrency_of_0_every_event_is_accepted_and_given_up_at_its_age():
    run = drive(queue(0, maximum_event_age_s=600.0), [(5.0, Offer(range(100), 100))], always(0.1))
    assert run.refused == {}
    assert run.started == []
    assert sorted(run.facts.dead) == [(event, End.EVENT_AGE) for event in range(100)]
    # One refused just before may have its wait drawn, and so end, by the least back-off later.
    assert 605.0 <= min(run.ended_at.values()) <= max(run.ended_at.values()) <= 605.6


def test_events_are_held_to_the_concurrency_and_to_no_rate():
    """A client that waits for the answer would get ten a second of one environment."""
    arrivals = [(n / 200, Offer([n], 100)) for n in range(1_000)]
    run = drive(queue(1), arrivals, always(0.001))
    assert run.facts.throttled == 0
    assert [run.started_at(n) for n in range(1_000)] == [[at] for at, _ in arrivals]
