import doctest
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from pipeline import units
from reports import quantiles
from reports.quantiles import PERCENTILES, distribution, interval_ranks, measure, samples_needed


@pytest.mark.parametrize("module", [quantiles, units])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "n", "expected"),
    [
        ("p50", 19, None),  # one too few
        ("p50", 20, 10.0),  # rank ceil(20 / 2)
        ("p50", 21, 11.0),  # the middle one
        ("p90", 99, None),
        ("p90", 100, 90.0),
        ("p95", 200, 190.0),
        ("p99", 999, None),
        ("p99", 1_000, 990.0),  # 0.99 * 1000 is 990 exactly, in fractions; in floats it need not be
        ("p99_9", 9_999, None),
        ("p99_9", 10_000, 9_990.0),
    ],
)
def test_a_quantile_is_the_order_statistic_of_its_rank_and_absent_below_its_minimum(
    name: str, n: int, expected: float | None
) -> None:
    shuffled = np.random.default_rng(1).permutation(np.arange(1.0, n + 1))
    assert measure(shuffled).value(name) == expected


def test_without_samples_nothing_is_invented() -> None:
    nothing = measure(np.array([]))
    assert (nothing.n, nothing.mean, nothing.max) == (0, None, None)
    assert all(nothing[name] is None for name in PERCENTILES)
    assert distribution(np.array([]), 0)[1] == []


def test_what_is_no_number_is_no_sample() -> None:
    found = measure(np.array([math.nan, math.inf, -math.inf, *range(20)]))
    assert (found.n, found.value("p50"), found.max) == (20, 9.0, 19.0)


def test_requests_that_never_ended_rank_as_the_slowest() -> None:
    found = measure(np.arange(1.0, 91.0), endless=10)
    assert found.n == 90
    assert found.value("p50") == 50.0
    assert found.value("p90") == 90.0
    assert measure(np.arange(1.0, 90.0), endless=11).value("p90") is None
    assert measure(np.arange(1.0, 91.0)).value("p50") == 45.0


def test_an_interval_that_reaches_into_the_endless_is_open() -> None:
    p90 = measure(np.arange(1.0, 91.0), endless=10).p90
    assert p90 is not None
    assert p90.high is None
    assert p90.low is not None


@given(st.integers(1, 60), st.sampled_from(list(PERCENTILES.values())))
def test_interval_ranks_are_the_tightest_by_the_exact_binomial(n: int, p: Fraction) -> None:
    below = [Fraction(0)]
    for k in range(n + 1):
        below.append(below[-1] + math.comb(n, k) * p**k * (1 - p) ** (n - k))  # P(B < k + 1)
    low, high = interval_ranks(n, p)
    tail = Fraction(25, 1000)
    assert below[low] <= tail
    assert low == n + 1 or below[low + 1] > tail
    assert 1 - below[high] <= tail
    assert high == 0 or 1 - below[high - 1] > tail


@pytest.mark.parametrize("n", [1_000, 100_000, 10_000_000])
def test_interval_ranks_of_many_samples_are_those_of_the_normal_approximation(n: int) -> None:
    low, high = interval_ranks(n, Fraction(1, 2))
    half = 1.959964 * math.sqrt(n / 4)
    assert low == pytest.approx(n / 2 - half, abs=2)
    assert high == pytest.approx(n / 2 + half, abs=2)


@pytest.mark.parametrize(
    ("name", "n"), [("p50", 20), ("p50", 400), ("p90", 100), ("p95", 400), ("p99", 1_000), ("p99_9", 10_000)]
)
@pytest.mark.parametrize("distribution", ["long tail", "pareto", "exponential", "lognormal", "ties"])
def test_intervals_cover_the_true_quantile_as_often_as_they_say(name: str, n: int, distribution: str) -> None:
    p = float(PERCENTILES[name])
    # The ranks depend on n only, so one uniform stream serves: a quantile survives any rising change of scale.
    random = np.random.default_rng([n, len(distribution)])
    change = {
        "exponential": lambda u: -np.log1p(-u),
        "lognormal": lambda u: np.exp(0.8 * special.ndtri(u)),
        # Of six values in all: what a coarse clock makes of a second.
        "ties": lambda u: np.ceil(6 * u),
        "pareto": lambda u: (1 - u) ** (-1 / 1.2),
        "long tail": lambda u: np.exp(u / (1.01 - u)),
    }[distribution]
    runs = 2_000 if n <= 1_000 else 400
    low, high = interval_ranks(n, PERCENTILES[name])
    covered = 0
    for _ in range(runs):
        ordered = np.sort(change(random.random(n)))
        covered += bool(ordered[low - 1] <= change(p) <= ordered[high - 1])
    error = 4 * math.sqrt(0.95 * 0.05 / runs)
    assert covered / runs >= 0.95 - error
    # Whole ranks make them wider than asked, and at twenty samples by the most; ties make a value of each rank alike.
    assert covered / runs <= (1 if distribution == "ties" else 0.975 + error)


@given(st.lists(st.floats(0, 1e7), min_size=20, max_size=300), st.integers(0, 50))
def test_quantiles_rise_and_lie_in_their_intervals(samples: list[float], endless: int) -> None:
    found = measure(np.array(samples), endless)
    known = [quantile for name in PERCENTILES if (quantile := found[name]) is not None]
    assert all(one.value <= other.value for one, other in pairwise(known))
    for quantile in known:
        assert quantile.value in samples
        assert quantile.low is None or quantile.low <= quantile.value
        assert quantile.high is None or quantile.high >= quantile.value


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=500), st.integers(0, 20))
def test_the_curve_rises_from_the_fastest_to_the_slowest(samples: list[float], endless: int) -> None:
    found, points = distribution(np.array(samples), endless)
    assert found == measure(np.array(samples), endless)
    assert points[0] == (1.0, min(samples))
    assert points[-1][1] == max(samples)
    assert all(x < other_x and y <= other_y for (x, y), (other_x, other_y) in pairwise(points))


def test_ten_samples_lie_beyond_each_quantile_that_is_given() -> None:
    for p in PERCENTILES.values():
        n = samples_needed(p)
        assert n - math.ceil(p * n) >= 10
