"""What a shard gives to all that poll it, together."""

from delivery.quotas import Quotas
from delivery.token_bucket import GRACE_S, TokenBucket


class ReadLimit:
    """A shard's GetRecords limits: 5 calls and 2 MiB a second, shared by its readers (Kinesis API, GetRecords).

    Bytes are known only when they have been read: a large answer is paid for afterwards, by calls that fail until its
    bytes have passed at the shard's rate (10 MiB: 5 s). Whoever was refused goes before those who were not, so that
    none starves; AWS says nothing of such an order.

    Args:
        quotas: calls and bytes per second.
    """

    def __init__(self, quotas: Quotas) -> None:
        self._calls = TokenBucket(quotas.kinesis_shard_reads_per_s, max(1.0, quotas.kinesis_shard_reads_per_s))
        self._spacing_s = 1 / quotas.kinesis_shard_reads_per_s
        self._bytes_per_s = quotas.kinesis_shard_read_bytes_per_s
        self._bytes = self._bytes_per_s
        self._at = 0.0
        self._refused: dict[int, float] = {}

    def call(self, now: float, reader: int) -> float:
        """Ask to read: `now` if the call is let in, else when to call again."""
        ready_at = max(now, self._calls.ready_at(1), self._bytes_at())
        first = self._first_in_turn(now)
        if ready_at > now + GRACE_S or first not in {None, reader}:
            again_at = ready_at if first in {None, reader} else ready_at + self._spacing_s
            self._refused[reader] = again_at
            return again_at
        self._refused.pop(reader, None)
        self._calls.take(now, 1)
        return now

    def charge(self, now: float, size: int) -> None:
        """Count what a call that was let in has read, bytes."""
        level = min(self._bytes_per_s, self._bytes + self._bytes_per_s * (now - self._at))
        self._bytes = (level if size <= self._bytes_per_s else 0.0) - size
        self._at = now

    def _bytes_at(self) -> float:
        return self._at - min(0.0, self._bytes) / self._bytes_per_s

    def _first_in_turn(self, now: float) -> int | None:
        """Who has waited longest, of those who still come when they were told to."""
        for reader in [reader for reader, at in self._refused.items() if at + self._spacing_s < now]:
            del self._refused[reader]
        return next(iter(self._refused), None)
