"""A Kinesis stream in on-demand mode: its shards are split as the traffic grows."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from delivery.backlog import Run
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas


class OnDemandStream(KinesisStream):
    """Starts with four shards, and splits each that has taken more than half of what it may for a while.

    A shard over 500 KB/s is split within 15 minutes (Kinesis developer guide, how-do-i-size-a-stream), here after the
    whole of them. So twice the peak so far is always absorbed if keys are spread, traffic beyond that is refused
    until the splits have caught up, and each quarter of an hour doubles what there is. A hot key gets no more than a
    shard's limits, however often its shard is split. Shards are not merged: a peak counts for 30 days, longer than
    any spike. Other accounts' ways to be scaled in advance (warm throughput) are a larger `kinesis_on_demand_shards`.

    A shard's rate is what it took in over fixed windows of a minute. Splits follow from the times of arrivals alone, so
    that they are the same whether arrivals are told in advance or one by one.

    Args:
        quotas: shards at the start and at most, what a shard is split at and when, and all that a stream is limited by.
    """

    def __init__(self, quotas: Quotas) -> None:
        super().__init__(quotas.kinesis_on_demand_shards, quotas)
        self._window_s = quotas.kinesis_on_demand_window_s
        self._delay_s = quotas.kinesis_on_demand_split_s
        self._most_shards = math.floor(quotas.kinesis_on_demand_bytes_per_s / quotas.kinesis_shard_bytes_per_s)
        self._window = 0
        self._traffic = _Traffic()
        self._planned: deque[tuple[float, int]] = deque()
        self.attach(self._traffic)

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take records in as any stream does, splitting shards on the way as the records' times come to it."""
        refused: dict[int, Refusal] = {}
        for window, part in self._by_window(now, offer):
            if window > self._window:
                self._plan_splits((self._window + 1) * self._window_s)
                self._window = window
            self._split_until(window * self._window_s)
            refused.update(super().offer(now, part))
        return refused

    def _by_window(self, now: float, offer: Offer) -> Iterator[tuple[int, Offer]]:
        if offer.times is None:
            yield math.floor(now / self._window_s), offer
        elif len(offer.ids):
            windows = np.floor(np.asarray(offer.times, np.float64) / self._window_s)
            cuts = [0, *(np.flatnonzero(np.diff(windows)) + 1).tolist(), len(windows)]
            for start, stop in pairwise(cuts):
                yield int(windows[start]), _part(offer, start, stop)

    def _plan_splits(self, window_end: float) -> None:
        """Look at what each shard took in the window that is over. What it is split for began with the window."""
        most_bytes = self._quotas.kinesis_on_demand_split_bytes_per_s * self._window_s
        most_records = self._quotas.kinesis_on_demand_split_records_per_s * self._window_s
        waiting = {shard for _, shard in self._planned}
        for shard in sorted(self._traffic.bytes):
            over = self._traffic.bytes[shard] > most_bytes or self._traffic.records[shard] > most_records
            if over and shard not in waiting:
                self._planned.append((window_end - self._window_s + max(self._delay_s, self._window_s), shard))
        self._traffic.clear()

    def _split_until(self, at: float) -> None:
        while self._planned and self._planned[0][0] <= at:
            _, shard = self._planned.popleft()
            first, last = self.hash_key_range(shard)
            if len(self.open_shards) < self._most_shards and first < last:
                self.split(shard)


class _Traffic:
    """What each shard took in; told by the stream as any reader is."""

    def __init__(self) -> None:
        self.bytes: dict[int, int] = {}
        self.records: dict[int, int] = {}

    def append(self, shard: int, run: Run) -> None:
        self.bytes[shard] = self.bytes.get(shard, 0) + run.bytes()
        self.records[shard] = self.records.get(shard, 0) + len(run)

    def split(self, shard: int, children: Sequence[int]) -> None:
        """A new shard starts from nothing."""

    def misplace(self, counts: Mapping[int, int]) -> None:
        """Bytes are bytes, wherever they belong."""

    def clear(self) -> None:
        self.bytes.clear()
        self.records.clear()


def _part(offer: Offer, start: int, stop: int) -> Offer:
    def cut(values: Any) -> Any:
        return values if values is None or isinstance(values, int) else values[start:stop]

    return replace(
        offer,
        ids=cut(offer.ids),
        sizes=cut(offer.sizes),
        hash_keys=cut(offer.hash_keys),
        times=cut(offer.times),
        key_bits=cut(offer.key_bits),
        user_keys=cut(offer.user_keys),
    )
