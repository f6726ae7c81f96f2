from random import Random

import numpy as np
import pytest

from delivery.dice import Dice

THINGS = np.arange(100_000)


def nth(number):
    return np.full(len(THINGS), number)


def test_chance_does_not_depend_on_when_or_with_whom_it_is_drawn():
    dice, other = Dice(Random(1)), Dice(Random(1))
    other.roll(THINGS, nth(5))
    together = dice.roll(THINGS, nth(3))
    alone = [other.roll(THINGS[i : i + 1], nth(3)[:1])[0] for i in (7, 0, 99_999)]
    assert alone == together[[7, 0, 99_999]].tolist()


def test_another_seed_gives_other_chances():
    assert not np.array_equal(Dice(Random(1)).roll(THINGS, nth(1)), Dice(Random(2)).roll(THINGS, nth(1)))


@pytest.mark.parametrize("number", [0, 1, 2, 17])
def test_chances_are_even(number):
    chances = Dice(Random(3)).roll(THINGS, nth(number))
    assert 0 <= chances.min() < chances.max() < 1
    assert np.histogram(chances, bins=10, range=(0, 1))[0] == pytest.approx(10_000, rel=0.05)


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ((THINGS[:-1], 1), (THINGS[1:], 1), "neighbours"),
        ((THINGS, 1), (THINGS, 2), "the next time"),
        ((THINGS[1:], 1), (THINGS[:-1], 2), "a neighbour's next time"),
    ],
)
def test_chances_of_different_things_have_nothing_to_do_with_each_other(one, other, why):
    dice = Dice(Random(4))
    first, second = (dice.roll(numbers, np.full(len(numbers), n)) for numbers, n in (one, other))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02, why
