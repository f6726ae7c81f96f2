import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.kinesis_gate import ShardGate
from delivery.quotas import Quotas


def gate(**numbers):
    return ShardGate(Quotas.with_overrides(numbers))


def one_by_one(shard, times, sizes):
    return [shard.admits(at, size) for at, size in zip(times, sizes, strict=True)]


def all_at_once(shard, times, sizes):
    return shard.admits_each(np.array(times, dtype=float), np.array(sizes, dtype=np.int64)).tolist()


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.0, 1e-4, 1e-3, 0.002, 0.7, 30.0]), st.integers(1, 400)), min_size=1),
    st.sampled_from([0.0, 1.8e9]),
    st.sampled_from([[10], [0, 10, 5_000], [1 << 20, 100], [300_000]]),
    st.sampled_from([1, 20, 1_000]),
    st.integers(0, 10_000),
)
@settings(max_examples=300)
def test_many_at_once_are_judged_as_they_are_one_by_one(waves, start, sizes, rate, seed):
    """Through a quiet stretch, a burst at one instant, a crowd for longer than the limit allows, and after a rest."""
    at, times = start, []
    for wait, count in waves:
        for _ in range(count):
            at += wait
            times.append(at)
    drawn = np.random.default_rng(seed).choice(sizes, len(times)).tolist()
    singles, bulk = gate(kinesis_shard_records_per_s=rate), gate(kinesis_shard_records_per_s=rate)
    half = len(times) // 2
    assert one_by_one(singles, times[:half], drawn[:half]) == all_at_once(bulk, times[:half], drawn[:half])
    assert one_by_one(singles, times[half:], drawn[half:]) == all_at_once(bulk, times[half:], drawn[half:])


@pytest.mark.parametrize("per_s", [999.0, 1_000.0, 1_001.0, 5_000.0])
def test_a_long_stream_at_about_the_limit_is_judged_alike(per_s):
    """Where the level stays at the edge for minutes, a wrong sum would show."""
    times = [n / per_s for n in range(60_000)]
    sizes = [1_000] * len(times)
    assert one_by_one(gate(), times, sizes) == all_at_once(gate(), times, sizes)


def test_a_bucket_regains_no_more_than_it_holds_while_many_are_summed_up():
    """A quiet hour saves up one second's records, not 3,600."""
    times = [0.0] + [3_600.0] * 3_000
    taken = all_at_once(gate(), times, [10] * len(times))
    assert sum(taken) == 1 + 1_000


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1e-4, 0.0371, 0.7, 30.0]), st.integers(1, 1_500)), max_size=6),
    st.sampled_from([0.0, 1.8e9]),
    st.sampled_from([0, 1, 10, 5_000, 300_000, 1 << 20]),
    st.sampled_from([1, 20.7, 1_000]),
)
@settings(max_examples=60)
def test_records_alike_at_one_time_are_judged_as_they_are_one_by_one(waves, start, size, rate):
    singles, alike = gate(kinesis_shard_records_per_s=rate), gate(kinesis_shard_records_per_s=rate)
    at = start
    for wait, count in waves:
        at += wait
        assert alike.admits_alike(at, size, count) == sum(one_by_one(singles, [at] * count, [size] * count))
