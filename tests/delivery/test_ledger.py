from array import array

import pytest
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


def test_what_is_done_is_a_sequence_of_numbers_in_whatever_pieces_it_was_told():
    ledger = Ledger()
    ledger.accept(Run(range(8), 1, 0.0))
    for piece in (range(2, 4), [0], array("q", [5, 6])):
        ledger.done(piece)
    done = ledger.drain().done
    assert (len(done), list(done), done[1], done[-2:]) == (5, [2, 3, 0, 5, 6], 3, [5, 6])
    assert done == [2, 3, 0, 5, 6]
    assert done != [2, 3, 0, 5]
    ledger.done([1])
    assert len(done) == 5


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


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([[4, 5], [2, 3]], id="the second run has the lowest number"),
        pytest.param([range(4, 6), range(2, 4)], id="as ranges"),
        pytest.param([list(range(1, 90, 2)), list(range(0, 90, 2))], id="many, interleaved"),
    ],
)
def test_the_runs_of_one_offer_may_come_in_any_order(runs):
    ledger = Ledger()
    for run in runs:
        ledger.accept(Run(run, 1, [float(record) for record in run]))
        assert ledger.oldest_age_s(100.0) == 100.0 - min(
            record for seen in runs[: runs.index(run) + 1] for record in seen
        )
    ledger.done(runs[1])
    assert ledger.oldest_age_s(100.0) == 100.0 - min(runs[0])
    ledger.done(runs[0])
    assert (ledger.pending, ledger.oldest_age_s(100.0)) == (0, 0.0)


def test_what_ended_long_ago_takes_no_memory():
    ledger = Ledger()
    for first in range(0, 2_000_000, 1_000):
        ledger.accept(Run(range(first, first + 1_000), 1, float(first)))
        ledger.done(range(first, first + 999))
        ledger.done([first + 999])
    ledger.accept(Run([2_000_000], 1, 2_000_000.0))
    assert ledger.oldest_age_s(2_000_001.0) == 1.0
    assert len(ledger._open) < 200_000


@given(st.lists(st.sampled_from(range(8)), unique=True), st.integers(0, 7))
def test_pieces_of_every_shape_end_alike(order, asked_after):
    pieces = [
        range(40),
        range(40, 41),
        [41, 42],
        (43,),
        range(44, 100, 2),
        list(range(45, 100, 2)),
        array("q", range(100, 200)),
        [200],
    ]
    ledger = Ledger()
    ledger.accept(Run(range(201), 1, [float(n) for n in range(201)]))
    left = set(range(201))
    for piece in order:
        ledger.done(pieces[piece])
        left -= set(pieces[piece])
        assert ledger.pending == len(left)
        if piece == asked_after:
            assert ledger.oldest_age_s(300.0) == (300.0 - min(left) if left else 0.0)
    assert ledger.oldest_age_s(300.0) == (300.0 - min(left) if left else 0.0)
    assert ledger.drain().done == [record for piece in order for record in pieces[piece]]
