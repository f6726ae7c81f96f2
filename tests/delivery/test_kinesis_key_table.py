import numpy as np
import pytest

from delivery.kinesis_key_table import KeyTable
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Offer
from delivery.quotas import Quotas

EVERY = (1 << 64) - 1


def evenly(shards):
    return [shard * (1 << 64) // shards for shard in range(shards)]


@pytest.mark.parametrize(
    ("edges", "why"),
    [
        ([0], "a single shard"),
        (evenly(3), "edges between two places of the table"),
        (evenly(4), "edges at places of the table"),
        (evenly(1_112), "as many as a large stream has"),
        (evenly(200_000), "more than the table has places"),
        ([0, *(1 << bit for bit in range(40, 64))], "split again and again at the lower end"),
        ([0, 1, 2, 3, EVERY - 1, EVERY], "many beside one place, and at the very end"),
    ],
)
def test_keys_lie_where_a_search_finds_them(edges, why):
    near = [min(max(edge + step, 0), EVERY) for edge in edges[:2_000] for step in (-1, 0, 1)]
    keys = np.concatenate(
        [
            np.array([*near, 0, EVERY], np.uint64),
            np.random.default_rng(1).integers(0, 1 << 64, 5_000, dtype=np.uint64),
        ]
    )
    ascending = np.array(edges, np.uint64)
    assert KeyTable(ascending).upto(keys).tolist() == np.searchsorted(ascending, keys, side="right").tolist(), why


def test_a_stream_that_was_split_finds_its_shards_anew():
    """The table is made of the edges as they were: many keys before a split and many after it."""

    class Reader:
        def __init__(self):
            self.shards = {}

        def append(self, shard, run):
            self.shards.update(dict.fromkeys(run.ids, shard))

        def split(self, shard, children): ...

        def misplace(self, counts): ...

    stream, reader = KinesisStream(3, Quotas.with_overrides({"kinesis_shard_records_per_s": 1e9})), Reader()
    stream.attach(reader)
    count = 1 << 17
    bits = np.random.default_rng(2).integers(0, 1 << 64, count, dtype=np.uint64)
    for round_ in range(2):
        first = round_ * count
        stream.offer(float(round_), Offer(range(first, first + count), 1, key_bits=bits))
        looked_at = range(0, count, 97)
        assert [reader.shards[first + n] for n in looked_at] == [stream.shard_of(int(bits[n]) << 64) for n in looked_at]
        stream.split(stream.open_shards[1])
