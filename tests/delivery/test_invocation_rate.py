from hypothesis import given
from hypothesis import strategies as st

from delivery.invocation_rate import InvocationRate
from delivery.quotas import Quotas


def rate(concurrency, **overrides):
    return InvocationRate(concurrency, Quotas.with_overrides(overrides))


def let_in(limit, now, wanted):
    count = limit.room(now, wanted)
    limit.take(now, count)
    return count


def test_ten_requests_a_second_for_each_of_its_concurrency():
    limit = rate(7)
    assert let_in(limit, 0.0, 100) == 70
    assert let_in(limit, 0.9, 100) == 0
    assert let_in(limit, 1.0, 100) == 70


def test_what_was_let_in_a_second_ago_makes_room():
    limit = rate(1)
    assert [let_in(limit, tick / 4, 4) for tick in range(8)] == [4, 4, 2, 0, 4, 4, 2, 0]


def test_a_function_grows_by_10000_requests_a_second_every_ten_seconds():
    limit = rate(10_000)
    assert let_in(limit, 0.0, 100_000) == 10_000
    assert let_in(limit, 1.0, 100_000) == 11_000
    assert let_in(limit, 2.0, 100_000) == 12_000
    assert let_in(limit, 12.0, 100_000) == 22_000


def test_growth_is_kept_until_the_function_was_idle():
    limit = rate(10_000, environment_idle_s=300)
    let_in(limit, 0.0, 10_000)
    let_in(limit, 10.0, 20_000)
    assert let_in(limit, 309.0, 100_000) == 30_000
    assert let_in(limit, 609.0, 100_000) == 10_000


def test_a_request_refused_for_another_reason_does_not_count():
    limit = rate(1)
    assert limit.room(0.0, 100) == 10
    limit.take(0.0, 3)
    assert limit.room(0.5, 100) == 7


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 60)), max_size=40))
def test_no_second_has_more_than_the_limit(requests):
    limit = rate(3)
    now, passed = 0.0, []
    for wait, wanted in requests:
        now += wait
        passed.append((now, let_in(limit, now, wanted)))
        assert sum(count for at, count in passed if at + 1.0 > now) <= 30
