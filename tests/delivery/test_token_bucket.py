import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.token_bucket import TokenBucket


def test_it_starts_full_and_gives_no_more_than_it_holds():
    bucket = TokenBucket(rate=10, burst=5)
    assert bucket.take_upto(100.0, 8) == 5
    assert bucket.take_upto(100.0, 1) == 0


def test_it_gains_its_rate_and_saves_no_more_than_its_burst():
    bucket = TokenBucket(rate=10, burst=5)
    bucket.take_upto(0.0, 5)
    assert bucket.take_upto(0.3, 9) == 3
    assert bucket.take_upto(1_000.0, 9) == 5


def test_take_is_all_or_nothing():
    bucket = TokenBucket(rate=1, burst=5)
    assert not bucket.take(0.0, 6)
    assert bucket.take(0.0, 5)
    assert not bucket.take(0.5, 1)


@pytest.mark.parametrize(
    ("rate", "wanted", "ready_at", "why"),
    [
        (2, 1, 0.5, "one token at two a second"),
        (2, 5, 2.5, "the whole burst again"),
        (2, 6, math.inf, "more than it ever holds"),
        (0, 1, math.inf, "nothing is gained"),
        (2, 0, 0.0, "nothing is wanted"),
    ],
)
def test_it_says_when_tokens_will_be_there(rate, wanted, ready_at, why):
    bucket = TokenBucket(rate=rate, burst=5)
    assert bucket.take(0.0, 5)
    assert bucket.ready_at(wanted) == ready_at, why


def test_a_negative_rate_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        TokenBucket(-1, 1)


@given(
    start=st.floats(0, 2e9),
    rate=st.floats(0.01, 2e6),
    burst=st.integers(1, 1_000_000),
    wants=st.lists(st.integers(1, 1_000_000), min_size=1, max_size=20),
)
def test_waiting_until_it_is_ready_is_always_enough(start, rate, burst, wants):
    """A wait that ends a rounding error early would be asked for again and again."""
    bucket = TokenBucket(rate, burst)
    now = start
    for wanted in (min(want, burst) for want in wants):
        now = max(now, bucket.ready_at(wanted))
        assert bucket.take(now, wanted)


@given(
    takes=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=50),
    rate=st.floats(0, 100),
    burst=st.integers(0, 100),
)
def test_over_any_time_it_gives_no_more_than_burst_and_rate(takes, rate, burst):
    bucket = TokenBucket(rate, burst)
    now, given_out = 0.0, 0
    for wait, wanted in takes:
        now += wait
        given_out += bucket.take_upto(now, wanted)
        assert given_out <= burst + rate * (now + 1e-5)


@given(
    waits=st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.37, 20.0]), max_size=60),
    rate=st.floats(0, 30),
    burst=st.integers(0, 10),
)
def test_taking_one_at_each_time_is_the_same_as_taking_them_one_after_the_other(waits, rate, burst):
    times = list(accumulate(waits, initial=3.0))
    one_by_one, in_bulk = TokenBucket(rate, burst), TokenBucket(rate, burst)
    assert in_bulk.take_each(times, len(times)) == [one_by_one.take(time, 1) for time in times]
    assert in_bulk.ready_at(1) == one_by_one.ready_at(1)


def test_taken_all_at_one_time_the_first_get_what_there_is():
    assert TokenBucket(1, 3).take_each(5.0, 5) == [True, True, True, False, False]
