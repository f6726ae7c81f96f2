from collections import Counter

import pytest

from loadtest._groups import Groups
from loadtest._schedule import draw
from pipeline.rate import Knot, Rate

RATE = Rate([Knot(0, 200), Knot(100, 200)])


@pytest.mark.parametrize(
    ("groups", "shares"),
    [
        (Groups(4), {0: 0.25, 3: 0.25}),
        (Groups(3, "zipf", exponent=1), {0: 6 / 11, 1: 3 / 11, 2: 2 / 11}),
        (Groups(3, "zipf", exponent=2), {0: 36 / 49, 1: 9 / 49, 2: 4 / 49}),
        (Groups(5, "hot", share=0.8), {0: 0.8, 1: 0.05, 4: 0.05}),
        (Groups(1), {0: 1}),
    ],
)
def test_groups_are_named_as_often_as_their_skew_says(groups, shares):
    schedule = draw(RATE, 3, [1], groups.weights)

    named = Counter(schedule.groups)
    assert set(named) == set(range(groups.number))
    # 20,000 draws: four standard deviations are 1.5 % at the most.
    for group, share in shares.items():
        assert named[group] / len(schedule) == pytest.approx(share, abs=0.015)


def test_groups_change_neither_times_nor_images_and_are_the_same_for_the_same_seed():
    without, with_groups = draw(RATE, 3, [1, 2]), draw(RATE, 3, [1, 2], Groups(9).weights)

    assert (with_groups.times, with_groups.images) == (without.times, without.images)
    assert without.groups is None
    assert draw(RATE, 3, [1, 2], Groups(9).weights) == with_groups
    assert draw(RATE, 4, [1, 2], Groups(9).weights).groups != with_groups.groups


def test_a_workers_share_keeps_the_groups():
    schedule = draw(RATE, 3, [1], Groups(9).weights)

    shares = [schedule.share(worker, 3) for worker in range(3)]

    rebuilt = {
        sequence: group for share in shares for sequence, group in zip(share.sequences, share.groups, strict=True)
    }
    assert [rebuilt[sequence] for sequence in schedule.sequences] == list(schedule.groups)
