from collections import Counter

import numpy as np
import pytest

from delivery.kinesis_on_demand_stream import OnDemandStream
from delivery.kinesis_stream import HASH_KEYS
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas

MINUTE = 60
MB = 1_000_000


class Reader:
    def __init__(self):
        self.taken = []
        self.splits = []

    def append(self, shard, run):
        self.taken += [(shard, run.ids[i], run.time(i)) for i in range(len(run))]

    def split(self, shard, children):
        self.splits.append((shard, tuple(children)))

    def misplace(self, counts):
        raise AssertionError(counts)


def stream(**numbers):
    machine, reader = OnDemandStream(Quotas.with_overrides(numbers)), Reader()
    machine.attach(reader)
    return machine, reader


def traffic(per_s, seconds, size, *, start=0, key=None, first=0):
    """So many records a second of that size, their keys spread evenly by the golden ratio unless there is one key."""
    count = per_s * seconds
    keys = [key if key is not None else int(n * 0.6180339887498949 % 1 * 2**53) << 75 for n in range(count)]
    return Offer(range(first, first + count), size, keys, [start + n / per_s for n in range(count)])


def megabytes_by_quarter(reader, size):
    """Taken in each quarter of an hour, MB/s."""
    counts = Counter(int(at // (15 * MINUTE)) for _, _, at in reader.taken)
    return [counts[quarter] * size / MB / (15 * MINUTE) for quarter in sorted(counts)]


def test_it_starts_with_4_shards():
    machine, _ = stream()
    assert machine.open_shards == (0, 1, 2, 3)


def test_a_new_stream_takes_4_mb_a_second_and_each_quarter_of_an_hour_doubles_that():
    machine, reader = stream()
    size = 400_000
    machine.offer(0.0, traffic(50, 60 * MINUTE, size))
    assert megabytes_by_quarter(reader, size) == pytest.approx([4.2, 8.4, 16.7, 20], rel=0.03)


def test_it_absorbs_twice_the_peak_so_far_and_more_only_after_15_minutes():
    machine, _ = stream()
    size, hour = 100_000, 60 * MINUTE
    grown = machine.offer(0.0, traffic(38, 16 * MINUTE, size))
    doubled = machine.offer(hour, traffic(76, 10 * MINUTE, size, start=hour, first=10**6))
    tenfold = machine.offer(2 * hour, traffic(380, 10 * MINUTE, size, start=2 * hour, first=10**7))
    assert not grown
    assert not doubled
    assert len(tenfold) > 100_000


def test_a_new_stream_takes_4000_records_a_second():
    machine, reader = stream()
    refused = machine.offer(0.0, traffic(6_000, 10, 10))
    assert len(reader.taken) == pytest.approx(44_000, rel=0.002)
    assert set(refused.values()) == {Refusal.THROUGHPUT_EXCEEDED}


@pytest.mark.parametrize(
    ("per_s", "size", "splits", "why"),
    [
        (40, 49_000, 0, "490 KB/s a shard: twice that is there already"),
        (40, 51_000, 4, "over 500 KB/s a shard"),
        (1_960, 10, 0, "490 records/s a shard"),
        (2_040, 10, 4, "over half of its records"),
    ],
)
def test_a_shard_is_split_once_it_takes_more_than_half_of_what_it_may(per_s, size, splits, why):
    machine, reader = stream()
    machine.offer(0.0, traffic(per_s, 2 * MINUTE, size))
    machine.offer(15.5 * MINUTE, traffic(4, 1, 10, start=15.5 * MINUTE, first=10**7))
    assert len(reader.splits) == splits, why


def test_the_split_comes_15_minutes_after_the_minute_it_is_for_began():
    machine, reader = stream()
    machine.offer(0.0, traffic(4, MINUTE, 800_000, start=5 * MINUTE))
    machine.offer(19.9 * MINUTE, Offer([10**6], 10, [0]))
    assert reader.splits == []
    machine.offer(20 * MINUTE, Offer([10**6 + 1], 10, [0]))
    assert reader.splits == [(0, (4, 5)), (1, (6, 7)), (2, (8, 9)), (3, (10, 11))]
    assert machine.open_shards == (4, 5, 6, 7, 8, 9, 10, 11)


def test_a_hot_key_gets_no_more_than_a_shard_however_often_its_shard_is_split():
    machine, reader = stream()
    size = 100_000
    machine.offer(0.0, traffic(30, 60 * MINUTE, size, key=HASH_KEYS // 8))
    assert len(reader.splits) >= 3
    assert megabytes_by_quarter(reader, size) == pytest.approx([1.05] * 4, rel=0.01)


def test_it_grows_to_the_regions_limit_and_no_further():
    machine, _ = stream(kinesis_on_demand_bytes_per_s=6 * 2**20)
    machine.offer(0.0, traffic(50, 40 * MINUTE, 400_000))
    assert len(machine.open_shards) == 6


def test_a_single_hash_key_cannot_be_split():
    machine, reader = stream(kinesis_on_demand_split_s=60, kinesis_on_demand_split_records_per_s=0)
    for minute in range(140):
        machine.offer(minute * MINUTE, Offer([minute], 10, [5]))
    assert len(reader.splits) == 126, "2**126 keys a shard at the start, halved until one is left"
    with pytest.raises(ValueError, match="single hash key"):
        machine.split(machine.shard_of(5))


def test_told_in_advance_or_one_by_one_it_splits_and_refuses_alike():
    numbers = {"kinesis_on_demand_split_s": 30, "kinesis_on_demand_window_s": 7}
    offer = traffic(9, 200, 600_000)
    (at_once, whole), (singly, single) = stream(**numbers), stream(**numbers)
    refused = {}
    for index, at in enumerate(offer.times):
        refused.update(singly.offer(at, Offer([index], 600_000, [offer.hash_keys[index]])))
    assert at_once.offer(0.0, offer) == refused
    assert whole.splits == single.splits
    assert len(whole.splits) > 8
    assert sorted(whole.taken) == sorted(single.taken)


def test_hash_keys_said_by_their_upper_bits_go_to_the_same_shards_after_splits_too():
    numbers = {"kinesis_on_demand_split_s": 60}
    offer = traffic(50, 10 * MINUTE, 400_000)
    bits = np.array([key >> 64 for key in offer.hash_keys], np.uint64)
    (by_keys, one), (by_bits, other) = stream(**numbers), stream(**numbers)
    assert by_keys.offer(0.0, offer) == by_bits.offer(0.0, Offer(offer.ids, 400_000, times=offer.times, key_bits=bits))
    assert one.taken == other.taken
    assert len(one.splits) > 8
