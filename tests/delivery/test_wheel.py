import math
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.wheel import Wheel


def put(wheel, at, numbers):
    wheel.put(np.array(at, float), np.array(numbers, np.int64))


def due(wheel, now):
    return wheel.due(now).tolist()


def test_a_sleeper_wakes_at_the_end_of_its_slot():
    wheel = Wheel(0.5)
    put(wheel, [1.1], [7])
    assert wheel.next_at == 1.5
    assert due(wheel, 1.4) == []
    assert due(wheel, 1.5) == [7]
    assert wheel.next_at == math.inf


def test_sleepers_of_a_slot_wake_in_the_order_of_their_numbers():
    wheel = Wheel(0.5)
    put(wheel, [1.2, 1.1, 0.7], [3, 9, 12])
    wheel.put_one(1.4, 5)
    assert due(wheel, 1.0) == [12]
    assert due(wheel, 9.0) == [3, 5, 9]


def test_one_put_in_while_others_wait_wakes_among_them():
    wheel = Wheel(0.05)
    put(wheel, [1.0, 1.2, 500.0], [1, 2, 3])
    assert due(wheel, 1.0) == [1]
    put(wheel, [1.1, 1.3, 499.0], [4, 5, 6])
    wheel.put_one(1.15, 7)
    assert [number for at in (1.15, 1.25, 1.35, 499.5, 600.0) for number in due(wheel, at)] == [4, 7, 2, 5, 6, 3]


def test_sleepers_months_apart_are_refused():
    wheel = Wheel(0.05)
    put(wheel, [0.0], [1])
    with pytest.raises(ValueError, match="slots apart"):
        put(wheel, [1e8], [2])


@given(
    sleeps=st.lists(
        st.tuples(st.booleans(), st.lists(st.floats(0, 3_000), min_size=1, max_size=30), st.floats(0, 100)), max_size=8
    ),
    start=st.sampled_from([0.0, 17.3, 1.8e9]),
    slot_s=st.sampled_from([0.05, 0.1, 1.0]),
)
def test_nobody_wakes_early_nor_more_than_a_slot_late(sleeps, start, slot_s):
    wheel = Wheel(slot_s)
    numbers, until, now = count(), {}, start

    def wake(to):
        while (at := wheel.next_at) <= to:
            slot = due(wheel, at)
            assert slot == sorted(slot)
            for number in slot:
                assert until[number] - 1e-6 <= at <= until[number] + slot_s + 1e-6
                del until[number]

    for one_by_one, seconds, then in sleeps:
        these = {next(numbers): now + each for each in seconds}
        until.update(these)
        if one_by_one:
            for number, at in these.items():
                wheel.put_one(at, number)
        else:
            put(wheel, list(these.values()), list(these))
        now += then
        wake(now)
    wake(1e10)
    assert not until
