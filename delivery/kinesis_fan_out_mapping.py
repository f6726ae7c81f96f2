"""A Kinesis event source mapping on a registered consumer: enhanced fan-out."""

from collections.abc import Mapping
from random import Random

from delivery.backlog import Run
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

    Before the function sees an aggregate, Lambda takes it apart and drops the user records whose hash keys lie outside
    the shard's range, without an error or a destination (Lambda developer guide, with-kinesis; kinesis-aggregation,
    potential_data_loss.md; confidence M). They are counted when the aggregate comes (`Facts.dropped`).

    Raises:
        ValueError: a setting AWS refuses too, or the stream has as many consumers as it may.
    """

    def _feed_of(self, stream: KinesisStream, random: Random, quotas: Quotas) -> ShardFeed:
        stream.register_consumer()
        self._misplaced: dict[int, int] = {}
        return PushedShards(stream.shards, random, quotas)

    def misplace(self, counts: Mapping[int, int]) -> None:
        """Learn which aggregates hold user records of other shards, and how many."""
        self._misplaced.update(counts)

    def _received(self, run: Run) -> None:
        super()._received(run)
        if self._misplaced:
            self._ledger.facts.dropped += sum(self._misplaced.pop(record, 0) for record in run.ids)
