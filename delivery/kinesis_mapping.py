"""A polled Kinesis event source mapping."""

from collections.abc import Mapping
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
        return PolledShards(stream, random, quotas)

    def misplace(self, counts: Mapping[int, int]) -> None:
        """Mixed up in a polled shard, user records lose nothing but their order."""
