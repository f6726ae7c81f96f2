import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.rate import Knot, Rate


@st.composite
def rates(draw):
    steps = draw(st.lists(st.just(0.0) | st.floats(1e-3, 100), min_size=1, max_size=8))
    height = st.just(0.0) | st.floats(1e-3, 1_000)
    heights = draw(st.lists(height, min_size=len(steps) + 1, max_size=len(steps) + 1))
    seconds = [0.0]
    for step in steps:
        seconds.append(seconds[-1] + step)
    return Rate([Knot(second, height) for second, height in zip(seconds, heights, strict=True)])


@given(rates(), st.floats(0, 1, exclude_max=True))
def test_the_second_of_an_expectation_is_the_one_until_which_so_many_are_expected(rate, part):
    assume(rate.total > 1e-6)
    expected = part * rate.total
    assume(expected < rate.total)

    assert rate.expected_until(rate.second_of(expected)) == pytest.approx(expected, rel=1e-6, abs=1e-6 * rate.total)


@given(rates(), st.lists(st.just(0.0) | st.floats(1e-12, 1, exclude_max=True), min_size=2, max_size=20))
def test_more_expected_is_never_earlier_and_all_lie_within_the_load(rate, parts):
    assume(rate.total > 1e-6)
    wanted = [part * rate.total for part in sorted(parts) if part * rate.total < rate.total]
    seconds = [rate.second_of(expected) for expected in wanted]

    assert seconds == sorted(seconds)
    assert all(0 <= second <= rate.duration for second in seconds)


def test_a_step_has_the_later_rate_at_its_second():
    rate = Rate([Knot(0, 10), Knot(5, 10), Knot(5, 120), Knot(15, 120)])

    assert rate.at(4.999) == 10
    assert rate.at(5) == 120
    assert rate.at(15) == 0
    assert rate.at(-1) == 0
    assert rate.total == 10 * 5 + 120 * 10


def test_nothing_is_expected_in_a_stretch_of_rate_zero():
    rate = Rate([Knot(0, 10), Knot(1, 10), Knot(1, 0), Knot(9, 0), Knot(9, 10), Knot(10, 10)])

    assert rate.second_of(10.0) == 9.0
    assert rate.expected_until(5) == 10


def test_a_ramp_from_nothing_is_inverted_exactly():
    rate = Rate([Knot(0, 0), Knot(10, 20)])

    assert rate.second_of(25.0) == pytest.approx(5.0)
    assert rate.second_of(0.0) == 0.0


@pytest.mark.parametrize(
    ("knots", "fault"),
    [
        ([Knot(0, 1)], "two knots"),  # no duration
        ([Knot(1, 1), Knot(2, 1)], "second 0"),  # what holds before is not said
        ([Knot(0, 1), Knot(2, 1), Knot(1, 1)], "order"),  # time runs one way
        ([Knot(0, -1), Knot(1, 1)], "negative"),
        ([Knot(0, math.inf), Knot(1, 1)], "finite"),
        ([Knot(0, 1), Knot(math.nan, 1)], "finite"),
    ],
)
def test_knots_that_make_no_rate_are_refused(knots, fault):
    with pytest.raises(ValueError, match=fault):
        Rate(knots)


@pytest.mark.parametrize("expected", [-1.0, 10.0, 11.0])
def test_an_expectation_outside_the_load_is_refused(expected):
    with pytest.raises(ValueError, match="not expected"):
        Rate([Knot(0, 1), Knot(10, 1)]).second_of(expected)
