import math

from hypothesis import given
from hypothesis import strategies as st

from delivery.wheel import Wheel


def test_a_sleeper_wakes_at_the_end_of_its_slot():
    wheel = Wheel(0.5)
    wheel.put(1.1, "a")
    assert wheel.next_at() == 1.5
    assert wheel.due(1.4) == []
    assert wheel.due(1.5) == ["a"]
    assert wheel.next_at() == math.inf


@given(
    sleeps=st.lists(st.floats(0, 2e9), max_size=30),
    slot_s=st.sampled_from([0.05, 0.1, 1.0]),
)
def test_nobody_wakes_early_nor_more_than_a_slot_late(sleeps, slot_s):
    wheel = Wheel(slot_s)
    for number, at in enumerate(sleeps):
        wheel.put(at, number)
    woken = 0
    while (now := wheel.next_at()) < math.inf:
        for number in wheel.due(now):
            assert sleeps[number] - 1e-6 <= now <= sleeps[number] + slot_s + 1e-6
            woken += 1
    assert woken == len(sleeps)
