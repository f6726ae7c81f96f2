"""Pace: how long to wait before the next call, so that each shard's limits of records and bytes a second are kept."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Pace:
    """Books records on shards. A shard takes what one second allows, then has to recover, continuously."""

    records_per_s: float
    bytes_per_s: float
    _free_at: dict[int, float] = field(default_factory=dict)

    def book(self, now: float, records: "Iterable[tuple[int, int]]") -> float:
        """Book records, each a shard and its bytes, and say how many seconds to wait before sending them together.

        Waiting cannot make room for more than one second's worth for a single shard.
        """
        wait = 0.0
        for shard, size in records:
            cost = max(1 / self.records_per_s, size / self.bytes_per_s)
            free_at = max(now, self._free_at.get(shard, now)) + cost
            self._free_at[shard] = free_at
            wait = max(wait, free_at - now - 1.0)
        return wait
