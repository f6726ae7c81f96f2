import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pace import Pace


def test_what_a_second_allows_goes_at_once_and_the_rest_waits() -> None:
    pace = Pace(records_per_s=10, bytes_per_s=1_000)

    assert pace.book(100.0, [(0, 1)] * 10) == 0
    assert pace.book(100.0, [(0, 1)] * 5) == pytest.approx(0.5)
    assert pace.book(100.0, [(1, 1)] * 5) == 0


def test_bytes_count_as_records_do() -> None:
    pace = Pace(records_per_s=10, bytes_per_s=1_000)

    assert pace.book(0.0, [(0, 1_000)]) == 0
    assert pace.book(0.0, [(0, 500)]) == pytest.approx(0.5)


def test_a_shard_left_alone_recovers_but_saves_no_more_than_a_second() -> None:
    pace = Pace(records_per_s=10, bytes_per_s=1_000)
    pace.book(0.0, [(0, 1)] * 10)

    assert pace.book(100.0, [(0, 1)] * 20) == pytest.approx(1.0)


@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.lists(st.tuples(st.integers(0, 1), st.integers(1, 500)), max_size=2)), max_size=20
    ),
)
def test_no_shard_is_sent_more_than_its_rate_and_one_seconds_worth(
    calls: list[tuple[float, list[tuple[int, int]]]],
) -> None:
    pace, now = Pace(records_per_s=10, bytes_per_s=1_000), 0.0
    sent: list[tuple[float, int, int]] = []
    for gap, records in calls:
        now += gap
        now += max(0.0, pace.book(now, records))
        sent += [(now, shard, size) for shard, size in records]

    for shard in range(2):
        of_shard = [(at, size) for at, each, size in sent if each == shard]
        for first, (begin, _) in enumerate(of_shard):
            for last in range(first, len(of_shard)):
                window = of_shard[first : last + 1]
                seconds = window[-1][0] - begin + 1.0
                assert len(window) <= 10 * seconds + 1e-6
                assert sum(size for _, size in window) <= 1_000 * seconds + 1e-6
