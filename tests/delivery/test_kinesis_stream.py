from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.kinesis_stream import HASH_KEYS, KinesisStream, hash_key_of
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas


class Reader:
    def __init__(self):
        self.taken = []

    def append(self, shard, run):
        self.taken += [(shard, run.ids[i], run.time(i)) for i in range(len(run))]


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


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (Offer([1], 1), "hash_keys"),
        (Offer([1], 1, [HASH_KEYS]), "outside"),
        (Offer([1], 1, [-1]), "outside"),
        (Offer([1, 2], 1, [0]), "list of 1"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(bad, complaint):
    with pytest.raises(ValueError, match=complaint):
        KinesisStream(1, Quotas()).offer(0.0, bad)


def test_a_stream_without_shards_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        KinesisStream(0, Quotas())
