"""The comparison's statistics against processes whose truth is known: like called unlike, and a shift seen.

Bounds are four standard errors of the number of tries away from what the method promises: a seed can be changed.
"""

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import comparison_evidence
from reports.comparison_between import between
from reports.comparison_evidence import Evidence, NoEvidence, holm
from reports.comparison_within import SLOTS, Requests, correlation_time, within_count, within_quantile
from reports.key_figures import Kind

MEDIAN, P99 = Fraction(1, 2), Fraction(99, 100)


def at_most(rate: float, tries: int) -> float:
    return rate + 4 * math.sqrt(rate * (1 - rate) / tries)


def evidence(found: Evidence | NoEvidence) -> Evidence:
    assert isinstance(found, Evidence)
    return found


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(comparison_evidence).failed == 0


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_raises_each_p_keeps_their_order_and_leaves_a_single_one_alone(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(p <= held <= min(1.0, len(ps) * p) for p, held in zip(ps, adjusted, strict=True))
    by_p = [held for _, held in sorted(zip(ps, adjusted, strict=True))]
    assert by_p == sorted(by_p)
    if ps:
        assert min(adjusted) == min(1.0, len(ps) * min(ps))


# What runs come to: about 500 ms or 60 events, and how far one is from the next.
RUNS = {
    "durations": (Kind.DURATION, lambda random, shape: 500 * np.exp(0.05 * random.standard_normal(shape))),
    "durations with heavy tails": (
        Kind.DURATION,
        lambda random, shape: 500 * np.exp(0.05 * random.standard_t(4, shape)),
    ),
    "independent events": (Kind.COUNT, lambda random, shape: random.poisson(60, shape)),
    "events that come in bursts": (Kind.COUNT, lambda random, shape: random.negative_binomial(4, 4 / 64, shape)),
    "hardly any events": (Kind.COUNT, lambda random, shape: random.poisson(0.3, shape)),
}


@pytest.mark.parametrize("process", RUNS)
@pytest.mark.parametrize("runs", [(2, 2), (3, 3), (5, 5), (1, 6)])
def test_repeats_of_one_process_are_called_different_in_one_comparison_of_twenty(
    process: str, runs: tuple[int, int]
) -> None:
    kind, draw = RUNS[process]
    comparisons, figures = 100, 12
    random = np.random.default_rng([len(process), *runs])
    drawn = draw(random, (comparisons, figures, sum(runs)))
    alarms = 0
    for compared in drawn:
        ps = [evidence(between(values[: runs[0]], values[runs[0] :], kind)).p for values in compared.tolist()]
        alarms += min(holm(ps)) <= 0.05
    assert alarms / comparisons <= at_most(0.05, comparisons)


@pytest.mark.parametrize(
    ("runs", "shift", "why"),
    [
        (5, 1.25, "five repeats a side see four times the spread among twelve figures"),
        (10, 1.12, "ten a bit more than twice the spread"),
    ],
)
def test_a_shift_of_some_times_the_spread_is_found(runs: int, shift: float, why: str) -> None:
    random = np.random.default_rng(runs)
    found = 0
    for _ in range(100):
        a, b = (500 * np.exp(0.05 * random.standard_normal(runs)) for _ in range(2))
        p = evidence(between(a.tolist(), (b * shift).tolist(), Kind.DURATION)).p
        found += holm([p, *[1.0] * 11])[0] <= 0.05
    assert found >= 85, why


def test_intervals_of_the_change_cover_it_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    covered = dict.fromkeys((Kind.DURATION, Kind.COUNT), 0)
    for _ in range(400):
        a, b = 500 * np.exp(0.05 * random.standard_normal((2, 4)))
        found = evidence(between(a.tolist(), (1.3 * b).tolist(), Kind.DURATION))
        covered[Kind.DURATION] += found.low <= 0.3 <= found.high
        counts = evidence(between(random.poisson(40, 4).tolist(), random.poisson(60, 4).tolist(), Kind.COUNT))
        covered[Kind.COUNT] += counts.low <= 20 <= counts.high
    for kind, times in covered.items():
        assert times / 400 >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 400), kind


@pytest.mark.parametrize(
    ("a", "b", "kind", "different", "why"),
    [
        ([5, 5, 5], [6, 6, 6], Kind.DURATION, True, "a simulation repeats itself exactly: any change is one"),
        ([0, 0, 0], [0, 0, 1], Kind.COUNT, False, "one event in three runs is chance"),
        ([0, 0, 0], [90, 80, 110], Kind.COUNT, True, "a hundred in each are not"),
        ([0.0, 0.0, 0.1], [2.0, 2.1, 1.9], Kind.DURATION, True, "a drain of 0 s has no logarithm, and is compared"),
        ([100, 101, 99, 100, 100], [102], Kind.DURATION, False, "one new run beside five, within their spread"),
        ([100, 101, 99, 100, 100], [120], Kind.DURATION, True, "and far beyond it"),
    ],
)
def test_calls_at_the_edges(a: list[float], b: list[float], kind: Kind, different: bool, why: str) -> None:
    found = evidence(between(a, b, kind))
    assert (found.p <= 0.05) == different, why
    assert found.low <= found.change <= found.high


@pytest.mark.parametrize("sides", [([1.0], [2.0]), ([1.0, 2.0], [3.0]), ([], [1.0, 2.0, 3.0])])
def test_too_few_runs_give_no_call_and_say_what_is_needed(sides: tuple[list[float], list[float]]) -> None:
    found = between(*sides, Kind.DURATION)
    assert isinstance(found, NoEvidence)
    assert "three" in found.why


def test_a_margin_is_what_may_be_more_without_being_a_difference() -> None:
    a, b = [100.0, 101.0, 99.0, 100.0], [108.0, 109.0, 107.0, 108.0]
    assert evidence(between(a, b, Kind.DURATION)).p < 0.001
    assert evidence(between(a, b, Kind.DURATION, margin=0.05)).p < 0.05
    assert evidence(between(a, b, Kind.DURATION, margin=0.10)).p > 0.5
    # Less is a difference, too, and the margin is as wide there.
    assert evidence(between(b, a, Kind.DURATION, margin=0.10)).p > 0.5
    assert evidence(between(b, a, Kind.DURATION, margin=0.05)).p < 0.05


def queue(random: np.random.Generator, at: "np.ndarray", load: float, tries: int) -> "np.ndarray":
    """Waiting and service times, in ms, of `tries` queues with one server that share their arrivals `at` seconds."""
    gaps = np.diff(at, prepend=0.0)
    service = random.exponential(load * at[-1] / len(at), (len(at), tries))
    waited, result = np.zeros(tries), np.empty((len(at), tries))
    for step, gap in enumerate(gaps):
        waited = np.maximum(waited - gap, 0.0)
        waited = waited + service[step]
        result[step] = waited
    return 1_000 * result


def arrivals(random: np.random.Generator, n: int, seconds: float) -> "np.ndarray":
    return np.sort(random.uniform(0, seconds, n))


@pytest.mark.parametrize("load", [0.3, 0.7, 0.95])
def test_two_queues_of_one_kind_are_rarely_called_different_however_long_their_requests_wait_together(
    load: float,
) -> None:
    random = np.random.default_rng(int(100 * load))
    tries = 40
    at = arrivals(random, 4_000, 100)
    a, b = queue(random, at, load, tries), queue(random, at, load, tries)
    calls = [within_quantile(Requests(at, a[:, k]), Requests(at, b[:, k]), MEDIAN) for k in range(tries)]
    made = [found for found in calls if isinstance(found, Evidence)]
    assert sum(found.p <= 0.05 for found in made) / tries <= at_most(0.05, tries)
    if load < 0.5:
        assert len(made) > 0.9 * tries
        assert all(found.block_s is not None and found.block_s < 5 for found in made)
    # Of what waits for minutes a turn of minutes shows one stretch or two.
    if load > 0.9:
        assert len(made) < 0.5 * tries


def test_what_takes_such_requests_for_independent_calls_like_unlike_most_of_the_time() -> None:
    """Why there are blocks: the intervals that the report gives for one run, laid side by side."""
    from reports.quantiles import measure

    random = np.random.default_rng(7)
    at = arrivals(random, 4_000, 100)
    a, b = queue(random, at, 0.9, 40), queue(random, at, 0.9, 40)
    apart = 0
    for k in range(40):
        one, other = measure(a[:, k]).p50, measure(b[:, k]).p50
        assert one is not None
        assert other is not None
        apart += one.high < other.low or other.high < one.low  # type: ignore[operator]
    assert apart > 20


@pytest.mark.parametrize(("p", "slower"), [(MEDIAN, 1.2), (P99, 1.6)])
def test_a_slower_service_is_found_within_a_run(p: Fraction, slower: float) -> None:
    random = np.random.default_rng(11)
    at = arrivals(random, 4_000, 100)
    found = 0
    for _ in range(20):
        a, b = (random.lognormal(math.log(20), 0.5, len(at)) for _ in range(2))
        call = evidence(within_quantile(Requests(at, a), Requests(at, b * slower), p))
        found += holm([call.p, *[1.0] * 19])[0] <= 0.05
        assert call.low <= slower - 1 <= call.high or call.change == pytest.approx(slower - 1, rel=0.5)
    assert found >= 18


@pytest.mark.parametrize("p", [MEDIAN, Fraction(9, 10), P99])
def test_a_spike_behind_which_all_wait_is_one_event_and_like_spikes_are_rarely_called_different(p: Fraction) -> None:
    random = np.random.default_rng(3)
    tries = 40
    # Twice what one server can do for a fifth of the turn, and half of it before and after.
    at = np.concatenate((arrivals(random, 500, 20), 20 + arrivals(random, 2_000, 20), 40 + arrivals(random, 1_500, 60)))
    a, b = (queue(random, at, 4_000 / 50 / 100, tries) for _ in range(2))
    calls = [within_quantile(Requests(at, a[:, k]), Requests(at, b[:, k]), p) for k in range(tries)]
    made = [found for found in calls if isinstance(found, Evidence)]
    assert sum(found.p <= 0.05 for found in made) / tries <= at_most(0.05, tries)
    assert len(made) < 0.5 * tries
    assert all("one event more than many" in found.why for found in calls if isinstance(found, NoEvidence))


def test_events_by_chance_are_no_difference_and_more_of_them_all_along_are() -> None:
    random = np.random.default_rng(4)
    at = arrivals(random, 4_000, 100)

    def events(rate: float) -> Requests:
        return Requests(at, (random.random(len(at)) < rate).astype(np.float64))

    alarms = sum(evidence(within_count(events(0.02), events(0.02))).p <= 0.05 for _ in range(200))
    assert alarms / 200 <= at_most(0.05, 200)
    assert evidence(within_count(events(0.02), events(0.06))).p < 0.001
    assert evidence(within_count(events(0.02), events(0.025), margin=1.0)).p > 0.5


def test_a_burst_is_one_event_however_many_requests_it_met() -> None:
    at = np.linspace(0, 100, 4_000)
    nothing, burst = np.zeros(4_000), ((at > 40) & (at < 40.9)).astype(np.float64)
    found = within_count(Requests(at, nothing), Requests(at, burst))
    assert isinstance(found, NoEvidence) or found.p > 0.05


def test_what_never_ended_ranks_above_all_and_a_quantile_among_it_is_not_called() -> None:
    random = np.random.default_rng(6)
    at = arrivals(random, 4_000, 100)
    a, b = (random.lognormal(3, 0.4, len(at)) for _ in range(2))
    some, many = b.copy(), b.copy()
    some[random.random(len(at)) < 0.002] = math.inf
    many[random.random(len(at)) < 0.03] = math.inf
    assert isinstance(within_quantile(Requests(at, a), Requests(at, some), P99), Evidence)
    assert isinstance(within_quantile(Requests(at, a), Requests(at, many), P99), NoEvidence)


def test_times_of_a_coarse_clock_are_compared_too() -> None:
    random = np.random.default_rng(8)
    at = arrivals(random, 4_000, 100)
    a, b = (np.ceil(random.lognormal(math.log(5), 0.1, len(at)) / 4) * 4 for _ in range(2))
    assert evidence(within_quantile(Requests(at, a), Requests(at, b + 4), MEDIAN)).p < 0.01
    assert evidence(within_quantile(Requests(at, a), Requests(at, b), MEDIAN)).p > 0.05


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_the_correlation_time_is_that_of_the_process(memory: float) -> None:
    random = np.random.default_rng(9)
    series = np.empty((200, SLOTS))
    last = random.standard_normal(200)
    for step in range(SLOTS):
        last = memory * last + math.sqrt(1 - memory**2) * random.standard_normal(200)
        series[:, step] = last
    known = (1 + memory) / (1 - memory)
    assert np.mean([correlation_time(each) for each in series]) == pytest.approx(known, rel=0.2)


def test_a_series_that_never_changes_has_to_do_with_nothing() -> None:
    assert correlation_time(np.zeros(SLOTS)) == 1.0
