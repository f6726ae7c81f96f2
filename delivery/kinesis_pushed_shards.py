"""Shards whose records are pushed: one consumer's subscriptions (enhanced fan-out)."""

from collections.abc import Iterable
from random import Random

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run
from delivery.kinesis_polled_shards import GOLDEN
from delivery.quotas import Quotas

# The square root of 2 less 1. Were shards as far apart as pushes are, a shard's next push would fall on the same
# moment as its neighbour's, and which of two comes first would hang on how they were told.
_SHARD_STEP = 0.41421356237309515


class PushedShards:
    """Hands on each record a little after it has arrived, and no more bytes a second than the consumer's pipe holds.

    The delay varies evenly between the least and the most in the quota table. It follows from the number of the push
    and the shard's phase rather than from a draw for each: so it is the same whether arrivals are told in advance or
    one by one.

    Args:
        shards: how many.
        random: draws each shard's phase.
        quotas: delays, the pipe's bytes per second and the size of one push (Kinesis API, SubscribeToShard).
    """

    def __init__(self, shards: int, random: Random, quotas: Quotas) -> None:
        self._least_s = min(quotas.kinesis_fan_out_push_min_s, quotas.kinesis_fan_out_push_max_s)
        self._spread_s = quotas.kinesis_fan_out_push_max_s - self._least_s
        self._bytes_per_s = quotas.kinesis_fan_out_bytes_per_s
        self._push_bytes = quotas.kinesis_fan_out_push_bytes
        self._phases = [random.random() for _ in range(shards)]
        self._waiting = [Backlog() for _ in range(shards)]
        self._pushed = [0] * shards
        self._free_at = [0.0] * shards
        self._held: set[int] = set()
        self._pushes = Agenda()

    def append(self, shard: int, run: Run) -> None:
        """Learn of records the shard has taken."""
        first = not len(self._waiting[shard])
        self._waiting[shard].append(run)
        if first and shard not in self._held:
            self._plan(shard)

    def due(self, now: float) -> Iterable[tuple[int, Run]]:
        """What is pushed now."""
        for shard in self._pushes.due(now):
            yield shard, self._push(now, shard)

    def invocation_ended(self, now: float, shard: int) -> None:
        """A push waits for nobody."""

    def open(self, shard: int) -> None:
        """A new shard, nothing of which is pushed before it is released. Its phase follows from its number."""
        self._phases.append((self._phases[0] + shard * _SHARD_STEP) % 1.0)
        self._waiting.append(Backlog())
        self._pushed.append(0)
        self._free_at.append(0.0)
        self._held.add(shard)

    def release(self, shard: int) -> None:
        """Push what the shard has."""
        self._held.remove(shard)
        if len(self._waiting[shard]):
            self._plan(shard)

    def drained(self, shard: int) -> bool:
        """Whether it was released, and all that it has taken was pushed."""
        return shard not in self._held and not len(self._waiting[shard])

    def next_at(self) -> float:
        """When something is pushed next."""
        return self._pushes.next_at()

    def _plan(self, shard: int) -> None:
        """The first record that waits decides when its push comes."""
        share = (self._phases[shard] + self._pushed[shard] * GOLDEN) % 1.0
        at = self._waiting[shard].head_at + self._least_s + self._spread_s * share
        self._pushes.set(shard, max(at, self._free_at[shard]))

    def _push(self, now: float, shard: int) -> Run:
        """One event of the subscription; what arrived less than the least delay ago comes with the next."""
        waiting = self._waiting[shard]
        until = max(now - self._least_s, waiting.head_at)
        # A record that is larger than a push is one on its own.
        run = waiting.take(until, most_bytes=self._push_bytes) or waiting.take(until, 1)
        assert run is not None
        self._pushed[shard] += 1
        self._free_at[shard] = now + run.bytes() / self._bytes_per_s
        if len(waiting):
            self._plan(shard)
        return run
