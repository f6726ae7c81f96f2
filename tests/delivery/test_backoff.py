from random import Random

import numpy as np
import pytest

from delivery.backoff import Backoff


def test_waits_double_up_to_the_longest():
    backoff = Backoff(1.0, 300.0, Random(1), jitter=0.0)
    assert [backoff.wait_s(retry) for retry in range(1, 12)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize("retry", [1_000, 1_000_000])
def test_the_thousandth_retry_does_not_overflow(retry):
    assert Backoff(1.0, 300.0, Random(1), jitter=0.0).wait_s(retry) == 300.0


def test_jitter_takes_off_up_to_its_share():
    backoff = Backoff(8.0, 300.0, Random(1), jitter=0.5)
    waits = [backoff.wait_s(1) for _ in range(1_000)]
    assert 4.0 < min(waits) < 4.1
    assert 7.9 < max(waits) <= 8.0


def test_many_waits_at_once_are_what_each_would_be():
    backoff = Backoff(1.0, 300.0, Random(1), jitter=0.5)
    retries = np.array([1, 2, 5, 9, 10, 5_000])
    assert backoff.waits_s(retries, np.zeros(6)).tolist() == [1, 2, 16, 256, 300, 300]
    assert backoff.waits_s(retries, np.full(6, 0.5)).tolist() == [0.75, 1.5, 12, 192, 225, 225]


def test_no_wait_is_shorter_than_the_least():
    backoff = Backoff(8.0, 300.0, Random(1), jitter=0.3)
    assert backoff.least_s == pytest.approx(5.6)
    assert min(backoff.wait_s(1) for _ in range(1_000)) >= backoff.least_s
