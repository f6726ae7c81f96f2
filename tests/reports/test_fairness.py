"""What was the same for all buffers, held against somebody who goes through the requests one by one."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from reports.fairness import Arrivals, Sameness, sameness

# By sequence number: when it was due, if that is known, and which image it carried, if that is.
GIVEN = st.dictionaries(
    st.integers(0, 5) | st.just(2**62), st.tuples(st.none() | st.integers(0, 9), st.integers(-1, 2)), max_size=6
)


def arrivals(given_: dict[int, tuple[int | None, int]]) -> Arrivals:
    numbers = sorted(given_)
    due = np.array([np.nan if given_[number][0] is None else given_[number][0] for number in numbers], np.float64)
    first = np.fmin.reduce(due, initial=np.nan)
    return Arrivals(np.array(numbers, np.int64), due - first, np.array([given_[n][1] for n in numbers], np.int8))


def one_by_one(buffers: list[dict[int, tuple[int | None, int]]]) -> Sameness:
    ran = [given_ for given_ in buffers if given_]
    apart, only_some, other_images = [], 0, 0
    for number in sorted({number for given_ in ran for number in given_}):
        having = [given_ for given_ in ran if number in given_]
        only_some += len(having) < len(ran)
        other_images += len({given_[number][1] for given_ in having} - {-1}) > 1
        offsets = [
            due - min(first for first, _ in given_.values() if first is not None)
            for given_ in having
            if (due := given_[number][0]) is not None
        ]
        if len(having) > 1 and offsets:
            apart.append(max(offsets) - min(offsets))
    return Sameness(max(apart, default=None), only_some, other_images)


@given(st.lists(GIVEN, max_size=4))
@example([{0: (0, 1), 1: (1, 1)}, {0: (0, 2), 1: (1, 1)}, {0: (0, 2), 1: (1, 1)}])
@example([{0: (0, 1), 1: (1, 1), 2: (2, 1)}, {0: (5, 1), 2: (8, 1)}])
def test_it_is_what_somebody_finds_who_looks_at_one_request_after_the_other(
    buffers: list[dict[int, tuple[int | None, int]]],
) -> None:
    assert sameness([arrivals(given_) for given_ in buffers]) == one_by_one(buffers)
