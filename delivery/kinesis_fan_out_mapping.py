"""A Kinesis event source mapping on a registered consumer: enhanced fan-out."""

from random import Random

from delivery.kinesis_pushed_shards import PushedShards
from delivery.kinesis_stream import KinesisStream
from delivery.kinesis_stream_mapping import ShardFeed, StreamMapping
from delivery.quotas import Quotas


class KinesisFanOutMapping(StreamMapping):
    """Has a stream's records pushed to it (SubscribeToShard) and invokes the function; keeps
    `delivery.protocol.Delivery`.

    It takes no share of the shards' read limits: each consumer has 2 MiB/s of every shard to itself. Batches, windows,
    lanes, retries and what is given up are those of a polled mapping. A subscription's renewal every five minutes is
    no event here: it goes on where it stopped.

    Raises:
        ValueError: a setting AWS refuses too, or the stream has as many consumers as it may.
    """

    def _feed_of(self, stream: KinesisStream, random: Random, quotas: Quotas) -> ShardFeed:
        stream.register_consumer()
        return PushedShards(stream.shards, random, quotas)
