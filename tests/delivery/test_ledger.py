from hypothesis import given
from hypothesis import strategies as st

from delivery.backlog import Run
from delivery.ledger import Ledger
from delivery.protocol import End


def test_the_oldest_is_the_oldest_not_yet_ended():
    ledger = Ledger()
    ledger.accept(Run(range(2), 1, 10.0))
    ledger.accept(Run([2, 3], 1, [20.0, 30.0]))
    assert ledger.oldest_age_s(100.0) == 90.0
    ledger.done([1, 2])
    assert ledger.oldest_age_s(100.0) == 90.0
    ledger.give_up([0], End.RETENTION)
    assert ledger.oldest_age_s(100.0) == 70.0
    ledger.done([3])
    assert ledger.oldest_age_s(100.0) == 0.0


def test_a_record_still_to_come_has_no_age():
    ledger = Ledger()
    ledger.accept(Run([1], 1, 50.0))
    assert ledger.oldest_age_s(10.0) == 0.0


def test_without_a_destination_what_is_given_up_is_lost():
    ledger = Ledger(on_failure=False)
    ledger.accept(Run([1], 1, 0.0))
    ledger.give_up([1], End.RETRIES_EXHAUSTED)
    facts = ledger.drain()
    assert facts.dead == []
    assert facts.expired == [(1, End.RETRIES_EXHAUSTED)]


def test_facts_are_told_once():
    ledger = Ledger()
    ledger.accept(Run([1], 1, 0.0))
    ledger.done([1])
    assert ledger.drain().done == [1]
    assert ledger.drain().done == []


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_the_sums_hold_in_whatever_order_records_end(order, asked_after):
    ledger = Ledger()
    ledger.accept(Run(range(5), 1, 0.0))
    ledger.accept(Run(range(5, 12), 1, [float(n) for n in range(5, 12)]))
    left = set(range(12))
    for record in order:
        ledger.done([record])
        left.remove(record)
        assert ledger.pending == len(left)
        if record in asked_after:
            oldest = min((0.0 if number < 5 else float(number) for number in left), default=100.0)
            assert ledger.oldest_age_s(100.0) == 100.0 - oldest
