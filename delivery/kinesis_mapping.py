"""A polled Kinesis event source mapping."""

from random import Random

from delivery.kinesis_polled_shards import PolledShards
from delivery.kinesis_stream import KinesisStream
from delivery.kinesis_stream_mapping import ShardFeed, StreamMapping
from delivery.quotas import Quotas


class KinesisMapping(StreamMapping):
    """Reads a stream's shards by GetRecords and invokes the function; keeps `delivery.protocol.Delivery`.

    An idle shard is looked at once a second, at a phase of its own. A shard that has more to give than one read holds
    is read on at once, and so is one whose invocation has just ended.
    """

    def _feed_of(self, stream: KinesisStream, random: Random, quotas: Quotas) -> ShardFeed:
        return PolledShards(stream.shards, random, quotas)
