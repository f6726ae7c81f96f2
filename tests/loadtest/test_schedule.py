import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest._schedule import draw
from pipeline.rate import Knot, Rate

SPIKE = Rate([Knot(0, 10), Knot(5, 10), Knot(5, 120), Knot(15, 120), Knot(15, 10), Knot(25, 10)])


def test_the_same_arguments_draw_the_same_schedule():
    assert draw(SPIKE, 7, [3, 1]) == draw(SPIKE, 7, [3, 1])


def test_another_seed_draws_another_schedule():
    assert draw(SPIKE, 7, [1]).times != draw(SPIKE, 8, [1]).times


def test_another_mix_of_images_leaves_the_times_as_they_are():
    assert draw(SPIKE, 7, [1]).times == draw(SPIKE, 7, [3, 1, 1]).times


@given(st.integers(0, 2**64), st.integers(1, 12))
def test_the_shares_of_all_workers_are_the_schedule_each_arrival_once(seed, workers):
    schedule = draw(SPIKE, seed, [2, 1])
    shares = [schedule.share(worker, workers) for worker in range(workers)]
    arrivals = sorted(
        arrival for share in shares for arrival in zip(share.sequences, share.times, share.images, strict=True)
    )

    assert arrivals == list(zip(schedule.sequences, schedule.times, schedule.images, strict=True))


@pytest.mark.parametrize("worker", [-1, 3])
def test_a_worker_that_is_not_among_them_has_no_share(worker):
    with pytest.raises(ValueError, match="no worker"):
        draw(SPIKE, 7, [1]).share(worker, 3)


@given(st.integers(0, 2**32))
def test_times_ascend_within_the_load_and_images_are_of_the_mix(seed):
    schedule = draw(SPIKE, seed, [1, 5, 2])

    assert list(schedule.times) == sorted(schedule.times)
    assert all(0 <= time <= SPIKE.duration for time in schedule.times)
    assert set(schedule.images) <= {0, 1, 2}
    assert list(schedule.sequences) == list(range(len(schedule)))


def test_the_number_of_arrivals_is_poisson_in_the_quiet_and_in_the_spike():
    # Over 400 seeds the mean and the variance of a Poisson count are both its expectation. The bounds are five
    # standard errors wide; the seeds are fixed, so the test cannot flicker.
    schedules = [draw(SPIKE, seed, [1]).times for seed in range(400)]
    for start, end in ((0, 5), (5, 15), (15, 25)):
        counts = [sum(start <= time < end for time in times) for times in schedules]
        expected = SPIKE.expected_until(end) - SPIKE.expected_until(start)
        mean = sum(counts) / len(counts)
        variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
        assert abs(mean - expected) < 5 * math.sqrt(expected / len(counts))
        assert abs(variance - expected) < 5 * expected * math.sqrt(2 / len(counts))


def test_gaps_measured_in_expected_arrivals_are_exponential():
    # Kolmogorov-Smirnov at the 0.1 % level: 1.95 / sqrt(n).
    rate = Rate([Knot(0, 0), Knot(20, 200), Knot(20, 5), Knot(60, 150), Knot(80, 0)])
    expected = [rate.expected_until(time) for time in draw(rate, 11, [1]).times]
    gaps = sorted(later - earlier for earlier, later in zip([0.0, *expected], expected, strict=False))
    n = len(gaps)
    distance = max(
        max(abs((index + 1) / n - (1 - math.exp(-gap))), abs(index / n - (1 - math.exp(-gap))))
        for index, gap in enumerate(gaps)
    )

    assert n > 4_000
    assert distance < 1.95 / math.sqrt(n)


def test_images_come_by_their_weights():
    images = Counter(draw(Rate([Knot(0, 1_000), Knot(20, 1_000)]), 5, [6, 3, 1]).images)
    n = images.total()

    for image, part in enumerate((0.6, 0.3, 0.1)):
        assert abs(images[image] - part * n) < 5 * math.sqrt(n * part * (1 - part))
