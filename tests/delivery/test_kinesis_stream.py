from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.kinesis_stream import HASH_KEYS, KinesisStream, hash_key_of
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas


class Reader:
    def __init__(self):
        self.taken = []
        self.splits = []
        self.misplaced = {}

    def append(self, shard, run):
        self.taken += [(shard, run.ids[i], run.time(i)) for i in range(len(run))]

    def split(self, shard, children):
        self.splits.append((shard, children))

    def misplace(self, counts):
        self.misplaced.update(counts)


def offer(ids, size=100, hash_keys=None, times=None):
    return Offer(ids, size, hash_keys if hash_keys is not None else [0] * len(ids), times)


@pytest.mark.parametrize(
    ("key", "hash_key", "why"),
    [
        ("", 0xD41D8CD98F00B204E9800998ECF8427E, "MD5 of nothing"),
        ("a", 0x0CC175B9C0F1B6A831C399E269772661, "MD5, big-endian"),
        ("é", 0x66DDCD97CFDEABB2F6FB8A999B4BC76F, "MD5 of its UTF-8"),
    ],
)
def test_a_partition_key_lies_at_its_md5(key, hash_key, why):
    assert hash_key_of(key) == hash_key, why


@given(st.integers(1, 50), st.data())
def test_ranges_cover_every_hash_key_once(shards, data):
    stream = KinesisStream(shards, Quotas())
    ranges = [stream.hash_key_range(shard) for shard in range(shards)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == HASH_KEYS - 1
    assert all(before[1] + 1 == after[0] for before, after in pairwise(ranges))
    edges = [edge for first_last in ranges for edge in first_last]
    hash_key = data.draw(st.one_of(st.sampled_from(edges), st.integers(0, HASH_KEYS - 1)))
    first, last = ranges[stream.shard_of(hash_key)]
    assert first <= hash_key <= last


def test_a_shard_takes_1000_records_a_second():
    """3,000 a second for ten seconds: the saved-up second and ten more are taken, the rest is refused one by one."""
    stream, reader = KinesisStream(1, Quotas()), Reader()
    stream.attach(reader)
    refused = {}
    for tick in range(1_000):
        refused.update(stream.offer(tick / 100, offer(range(30 * tick, 30 * tick + 30))))
    assert len(reader.taken) == pytest.approx(11_000, abs=20)
    assert len(reader.taken) + len(refused) == 30_000
    assert set(refused.values()) == {Refusal.THROUGHPUT_EXCEEDED}


def test_a_shard_takes_1_mib_a_second():
    stream, reader = KinesisStream(1, Quotas()), Reader()
    stream.attach(reader)
    for tick in range(100):
        stream.offer(tick / 10, offer(range(10 * tick, 10 * tick + 10), size=100 * 1024))
    assert len(reader.taken) * 100 * 1024 <= 11 * 1024 * 1024
    assert len(reader.taken) * 100 * 1024 >= 10.7 * 1024 * 1024


def test_a_refused_record_uses_up_neither_limit():
    stream = KinesisStream(1, Quotas.with_overrides({"kinesis_shard_records_per_s": 2}))
    big = 1024 * 1024
    assert stream.offer(0.0, offer([1], size=big)) == {}
    assert stream.offer(0.0, offer([2], size=big)) == {2: Refusal.THROUGHPUT_EXCEEDED}
    assert stream.offer(0.0, offer([3], size=0)) == {}, "the second record's slot is still there"


def test_shards_have_limits_of_their_own():
    stream = KinesisStream(2, Quotas.with_overrides({"kinesis_shard_records_per_s": 1}))
    high, low = HASH_KEYS - 1, 0
    refused = stream.offer(0.0, offer([1, 2, 3, 4], hash_keys=[low, low, high, high]))
    assert set(refused) == {2, 4}


def test_a_record_above_the_size_limit_is_refused_for_that():
    stream = KinesisStream(1, Quotas())
    limit = Quotas().kinesis_record_bytes
    assert stream.offer(0.0, Offer([1, 2], [limit, limit + 1], [0, 0])) == {2: Refusal.TOO_LARGE}


def test_a_stream_made_for_large_records_takes_one_now_and_then():
    """K10: up to 10 MiB/s for an occasional large record; the average stays 1 MiB/s."""
    stream = KinesisStream(1, Quotas.with_overrides({"kinesis_record_bytes": 10 << 20}))
    assert stream.offer(0.0, offer([1], size=10 << 20)) == {}
    assert stream.offer(1.0, offer([2], size=10 << 20)) == {2: Refusal.THROUGHPUT_EXCEEDED}
    assert stream.offer(10.0, offer([3], size=10 << 20)) == {}


def test_arrivals_to_come_are_admitted_at_their_times():
    stream, reader = KinesisStream(1, Quotas.with_overrides({"kinesis_shard_records_per_s": 1})), Reader()
    stream.attach(reader)
    refused = stream.offer(0.0, offer(range(4), times=[0.0, 0.5, 1.0, 5.0]))
    assert set(refused) == {1}
    assert reader.taken == [(0, 0, 0.0), (0, 2, 1.0), (0, 3, 5.0)]


def test_every_reader_has_every_record():
    stream, readers = KinesisStream(3, Quotas()), [Reader(), Reader()]
    for reader in readers:
        stream.attach(reader)
    stream.offer(0.0, offer(range(10), hash_keys=[hash_key_of(str(n)) for n in range(10)]))
    assert readers[0].taken == readers[1].taken
    assert sorted(record for _, record, _ in readers[0].taken) == list(range(10))


def test_a_split_opens_two_shards_for_the_halves_of_the_range():
    stream, reader = KinesisStream(2, Quotas()), Reader()
    stream.attach(reader)
    assert stream.split(0) == (2, 3)
    assert stream.open_shards == (2, 3, 1)
    quarter = HASH_KEYS // 4
    assert stream.hash_key_range(2) == (0, quarter - 1)
    assert stream.hash_key_range(3) == (quarter, 2 * quarter - 1)
    stream.offer(0.0, offer(range(4), hash_keys=[0, quarter, 2 * quarter, HASH_KEYS - 1]))
    assert reader.splits == [(0, (2, 3))]
    assert reader.taken == [(1, 2, 0.0), (1, 3, 0.0), (2, 0, 0.0), (3, 1, 0.0)]


def test_a_closed_shard_is_not_split_again():
    stream = KinesisStream(1, Quotas())
    stream.split(0)
    with pytest.raises(ValueError, match=r"closed; split one of \[1, 2\]"):
        stream.split(0)


def test_an_explicit_hash_key_decides_the_shard():
    """ExplicitHashKey overrides the partition key's MD5: to the stream, both are a hash key."""
    stream, reader = KinesisStream(4, Quotas()), Reader()
    stream.attach(reader)
    stream.offer(0.0, offer(range(4), hash_keys=[stream.hash_key_range(shard)[0] for shard in (3, 1, 0, 2)]))
    assert [(shard, record) for shard, record, _ in reader.taken] == [(0, 2), (1, 1), (2, 3), (3, 0)]


def test_user_records_outside_their_shard_are_told_to_the_readers():
    stream, reader = KinesisStream(2, Quotas()), Reader()
    stream.attach(reader)
    low, high = 0, HASH_KEYS - 1
    refused = stream.offer(
        0.0, Offer([1, 2, 3, 4], [9, 9, 9, 2 << 20], [low] * 4, user_keys=[[low, high, high], [], [low], [high]])
    )
    assert refused == {4: Refusal.TOO_LARGE}
    assert reader.misplaced == {1: 2}


@given(st.data())
@settings(max_examples=60)
def test_records_offered_together_are_taken_and_refused_as_they_are_one_by_one(data):
    """From some number on an offer is worked off in arrays; nothing may depend on that."""
    shards, count = data.draw(st.integers(1, 5)), data.draw(st.integers(64, 400))
    dice = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    quotas = Quotas.with_overrides({"kinesis_shard_records_per_s": data.draw(st.sampled_from([3, 50, 1_000]))})
    times = np.cumsum(dice.choice(data.draw(st.sampled_from([[0.0], [0.0, 0.001, 0.2]])), count)).tolist()
    size = data.draw(st.sampled_from([100, None]))
    sizes = [size or int(drawn) for drawn in dice.choice([10, 200_000, 2 << 20], count)]
    edges = [key for shard in range(shards) for key in KinesisStream(shards, quotas).hash_key_range(shard)]
    hash_keys = [edges[index] for index in dice.integers(0, len(edges), count)]
    together, singly = KinesisStream(shards, quotas), KinesisStream(shards, quotas)
    readers = Reader(), Reader()
    together.attach(readers[0])
    singly.attach(readers[1])
    if shards > 2:
        for stream in (together, singly):
            stream.split(1)
    if data.draw(st.booleans()):
        bits = np.array([key >> 64 for key in hash_keys], np.uint64)
        hash_keys = [int(upper) << 64 for upper in bits]
        refused = together.offer(0.0, Offer(range(count), size or sizes, times=times, key_bits=bits))
    else:
        refused = together.offer(0.0, Offer(range(count), size or sizes, hash_keys, times))
    expected = {}
    for index in range(count):
        expected.update(singly.offer(times[index], Offer([index], sizes[index], [hash_keys[index]])))
    assert refused == expected
    assert readers[0].taken == sorted(readers[1].taken)


def test_an_offer_in_bulk_with_a_hash_key_out_of_range_is_refused_whole():
    stream = KinesisStream(1, Quotas())
    with pytest.raises(ValueError, match="outside"):
        stream.offer(0.0, offer(range(100), hash_keys=[0] * 99 + [HASH_KEYS]))
    assert stream.offer(0.0, offer(range(1_000))) == {}


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (Offer([1], 1), "hash_keys"),
        (Offer([1], 1, [HASH_KEYS]), "outside"),
        (Offer([1], 1, [-1]), "outside"),
        (Offer([1, 2], 1, [0]), "list of 1"),
        (Offer([1, 2], 1, key_bits=np.zeros(1, np.uint64)), "list of 1"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(bad, complaint):
    with pytest.raises(ValueError, match=complaint):
        KinesisStream(1, Quotas()).offer(0.0, bad)


def test_a_stream_without_shards_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        KinesisStream(0, Quotas())


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from([1, 400_000, Quotas.kinesis_record_bytes + 1]), st.integers(0, 3)),
        max_size=40,
    )
)
@settings(max_examples=40)
def test_a_record_on_its_own_is_judged_as_one_of_many(offers):
    alone, listed = KinesisStream(2, Quotas()), KinesisStream(2, Quotas())
    readers = Reader(), Reader()
    alone.attach(readers[0])
    listed.attach(readers[1])
    now = 0.0
    for record, (wait, size, quarter) in enumerate(offers):
        now += wait / 10
        key = quarter * HASH_KEYS // 4
        verdict = alone.offer(now, Offer([record], size, [key]))
        assert dict(verdict) == dict(listed.offer(now, Offer([record], [size], [key])))
    assert readers[0].taken == readers[1].taken


@pytest.mark.parametrize("key", [-1, HASH_KEYS])
def test_a_record_on_its_own_has_a_hash_key_that_is_one(key):
    with pytest.raises(ValueError, match="outside 0 to"):
        KinesisStream(1, Quotas()).offer(0.0, Offer([1], 1, [key]))
