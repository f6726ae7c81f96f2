from random import Random

import pytest

from delivery.backlog import Run
from delivery.kinesis_polled_shards import PolledShards
from delivery.kinesis_stream import KinesisStream
from delivery.quotas import Quotas

MIB = 1 << 20


def feeds(count, quotas=None):
    quotas = quotas or Quotas()
    stream = KinesisStream(1, quotas)
    return [PolledShards(stream, Random(number), quotas) for number in range(count)]


def reads_of(shared, until):
    """What each reads, as (time, bytes)."""
    reads = [[] for _ in shared]
    while (at := min(feed.next_at() for feed in shared)) <= until:
        for feed, own in zip(shared, reads, strict=True):
            own += [(at, run.bytes()) for _, run in feed.due(at)]
    return reads


def test_mappings_of_one_stream_share_what_its_shard_gives():
    shared = feeds(3)
    for feed in shared:
        feed.append(0, Run(range(600), MIB, 0.0))
    totals = [sum(size for _, size in own) for own in reads_of(shared, 120.0)]
    assert sum(totals) == pytest.approx(120 * 2 * MIB, rel=0.1)
    assert min(totals) > 0.8 * max(totals), "none starves"


def test_a_mapping_alone_has_all_of_it():
    [alone] = feeds(1)
    alone.append(0, Run(range(600), MIB, 0.0))
    [reads] = reads_of([alone], 120.0)
    assert sum(size for _, size in reads) == pytest.approx(120 * 2 * MIB, rel=0.1)


def test_four_mappings_that_read_on_and_on_make_five_calls_a_second_together():
    shared = feeds(4, Quotas.with_overrides({"kinesis_read_records": 10}))
    for feed in shared:
        feed.append(0, Run(range(5_000), 1, 0.0))
    reads = reads_of(shared, 100.0)
    assert sum(map(len, reads)) == pytest.approx(5 + 5 * 100, abs=5), "five saved up, and five a second"
    assert min(map(len, reads)) > 0.8 * max(map(len, reads)), "none starves"


def test_ten_mappings_of_a_shard_look_every_other_second():
    shared = feeds(10)
    for feed in shared:
        feed.append(0, Run(range(1_000), 1, [float(n) for n in range(1_000)]))
    reads = reads_of(shared, 100.0)
    assert all(len(own) == pytest.approx(50, abs=1) for own in reads)
