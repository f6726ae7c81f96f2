import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.backlog import Backlog, Run
from delivery.protocol import Offer


def run(ids, at=0.0, size=10):
    return Run(ids, size, at)


def test_a_range_of_ids_stays_a_range():
    backlog = Backlog()
    backlog.append(run(range(1_000_000)))
    assert backlog.take(0.0, 10).ids == range(10)
    assert backlog.take(0.0, 10).ids == range(10, 20)
    assert len(backlog) == 999_980


def test_what_has_not_arrived_is_not_taken():
    backlog = Backlog()
    backlog.append(Run(range(4), 10, [1.0, 2.0, 2.0, 3.0]))
    assert backlog.head_at == 1.0
    assert backlog.take(0.5) is None
    assert list(backlog.take(2.0).ids) == [0, 1, 2]
    assert backlog.head_at == 3.0


def test_a_take_that_spans_offers_keeps_their_order_and_times():
    backlog = Backlog()
    backlog.append(run(range(2), at=1.0, size=10))
    backlog.append(Run([5, 7], [1, 2], [3.0, 4.0]))
    taken = backlog.take(5.0, 3)
    assert list(taken.ids) == [0, 1, 5]
    assert list(taken.times) == [1.0, 1.0, 3.0]
    assert taken.bytes() == 21


def test_a_record_too_large_for_the_room_left_ends_the_take():
    backlog = Backlog()
    backlog.append(Run(range(4), [5, 5, 6, 1], 0.0))
    assert list(backlog.take(0.0, 10, most_bytes=10).ids) == [0, 1]
    assert backlog.take(0.0, 10, most_bytes=5) is None
    assert list(backlog.take(0.0, 10, most_bytes=6).ids) == [2]


def test_records_that_arrive_before_those_already_there_are_refused():
    backlog = Backlog()
    backlog.append(run([1], at=5.0))
    with pytest.raises(ValueError, match="come after"):
        backlog.append(run([2], at=4.0))


def test_an_offer_whose_lists_differ_in_length_is_refused():
    with pytest.raises(ValueError, match="3 ids"):
        Run.of(0.0, Offer(range(3), [1, 2]))


def test_nothing_appended_is_nothing_there():
    backlog = Backlog()
    backlog.append(run([]))
    assert backlog.head_at == math.inf
    assert backlog.take(math.inf) is None


@st.composite
def histories(draw):
    """Offers with ascending times, some of them uniform, and takes in between."""
    at, next_id, steps = 0.0, 0, []
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            steps.append(
                (draw(st.floats(0, 40)), draw(st.integers(0, 8)), draw(st.one_of(st.just(math.inf), st.floats(0, 50))))
            )
            continue
        count = draw(st.integers(0, 6))
        waits = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        times = [at := at + wait for wait in waits]
        sizes = draw(st.one_of(st.integers(0, 20), st.lists(st.integers(0, 20), min_size=count, max_size=count)))
        uniform = draw(st.booleans())
        steps.append(Run(range(next_id, next_id + count), sizes, at if uniform else times))
        next_id += count
    return steps


@given(histories())
def test_it_gives_what_a_plain_list_would(steps):
    backlog, plain = Backlog(), []
    for step in steps:
        if isinstance(step, Run):
            backlog.append(step)
            plain += [(step.ids[i], step.time(i), step.size(i)) for i in range(len(step))]
        else:
            until, most, most_bytes = step
            expected = []
            for record in plain:
                room = most_bytes - sum(size for _, _, size in expected)
                if record[1] > until or len(expected) == most or record[2] > room:
                    break
                expected.append(record)
            plain = plain[len(expected) :]
            taken = backlog.take(until, most, most_bytes)
            got = [] if taken is None else [(taken.ids[i], taken.time(i), taken.size(i)) for i in range(len(taken))]
            assert got == expected
        assert len(backlog) == len(plain)
        assert backlog.bytes == sum(size for _, _, size in plain)
        assert backlog.head_at == (plain[0][1] if plain else math.inf)
        for now in (0.0, 3.0, 7.5):
            assert backlog.arrived(now) == sum(at <= now for _, at, _ in plain)
