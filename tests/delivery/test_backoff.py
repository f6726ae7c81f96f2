from random import Random

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
