"""How long the SDK waits before it calls a throttled service again: botocore's random() * min(most, first * 2**n)."""

import math

import numpy as np
import pytest

from delivery.downstream import Downstream, Service

RECORDS = 20_000


def waited_s(attempts):
    """How long each of many records was at it that were throttled so often, on their own, from second 0."""
    service = Service(rate_per_s=1e-9, burst=1, attempts=attempts, backoff_first_s=1, backoff_max_s=4, median_s=0.0)
    machine = Downstream(service, strands=1, dice=np.random.default_rng(1))
    for _ in range(RECORDS + 1):
        machine.begin(0.0, records=1, deadline=1_000.0)
    ends = []
    while True:
        at, ended = machine.advance(math.inf)
        if not ended:
            break
        ends += [at] * len(ended)
    # The first had the one token there was.
    return np.array(sorted(ends)[1:])


def test_the_wait_before_a_retry_is_evenly_random_up_to_a_longest_that_doubles():
    shares = np.quantile(waited_s(attempts=2), [0.0, 0.1, 0.5, 0.9, 1.0])
    assert shares == pytest.approx([0.0, 0.1, 0.5, 0.9, 1.0], abs=0.02)


@pytest.mark.parametrize(
    ("attempts", "longest", "why"),
    [
        (3, [1, 2], "twice as long the second time"),
        (4, [1, 2, 4], "and the third"),
        (6, [1, 2, 4, 4, 4], "then as long as the longest"),
    ],
)
def test_waits_double_up_to_the_longest(attempts, longest, why):
    waits = waited_s(attempts)
    # A wait even from 0 to l has the mean l/2 and the variance l**2/12.
    assert waits.mean() == pytest.approx(sum(longest) / 2, rel=0.02), why
    assert waits.var() == pytest.approx(sum(each**2 for each in longest) / 12, rel=0.04), why
