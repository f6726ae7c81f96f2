"""A shard's write limits: records and bytes a second, whichever is used up first."""

from typing import Final

import numpy as np
import numpy.typing as npt

from delivery.quotas import Quotas
from delivery.token_bucket import GRACE_S

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Sums that come closer to a limit than half the grace might be decided by rounding: there each record is looked at.
_SURE: Final = 0.5
# How many records are summed up at once, and how many are looked at one by one after a limit was met.
_AT_ONCE: Final = 8_192
_ONE_BY_ONE: Final = 256
_COUNTED: Final = np.arange(1.0, _AT_ONCE + 1)


class ShardGate:
    """Two token buckets that are taken from together: a record that is refused costs neither of them anything.

    Args:
        quotas: records and bytes per second, what of them can be saved up, and the record size: the bytes saved up
            always suffice for the largest record.
    """

    def __init__(self, quotas: Quotas) -> None:
        saved_s = quotas.kinesis_shard_burst_s
        self._records_per_s = quotas.kinesis_shard_records_per_s
        self._bytes_per_s = quotas.kinesis_shard_bytes_per_s
        self._most_records = max(1.0, self._records_per_s * saved_s)
        self._most_bytes = max(float(quotas.kinesis_record_bytes), self._bytes_per_s * saved_s)
        self._records_grace = self._records_per_s * GRACE_S
        self._bytes_grace = self._bytes_per_s * GRACE_S
        self._records = self._most_records
        self._bytes = self._most_bytes
        self._at = 0.0

    def admits(self, at: float, size: int) -> bool:
        """Take one record of that many bytes, or refuse it."""
        passed = at - self._at
        records = self._records + self._records_per_s * passed
        if records > self._most_records:
            records = self._most_records
        room = self._bytes + self._bytes_per_s * passed
        if room > self._most_bytes:
            room = self._most_bytes
        if records + self._records_grace < 1 or room + self._bytes_grace < size:
            return False
        self._records = records - 1
        self._bytes = room - size
        self._at = at
        return True

    def admits_alike(self, at: float, size: int, count: int) -> int:
        """Take records of as many bytes at the same time; how many of them: once one is refused, so are the others.

        Exactly as `admits` would for each.
        """
        passed = at - self._at
        records = min(self._records + self._records_per_s * passed, self._most_records)
        room = min(self._bytes + self._bytes_per_s * passed, self._most_bytes)
        taken = _takes(records, self._records_grace, 1, _takes(room, self._bytes_grace, size, count))
        if taken:
            # One after the other comes to the same: what is subtracted from a number leaves no more digits than it had.
            self._records, self._bytes, self._at = records - taken, room - taken * size, at
        return taken

    def admits_each(self, times: Floats, sizes: int | Whole) -> Mask:
        """Take many records one after the other, their times ascending; says of each whether it was taken.

        Exactly as `admits` would for each. Where they stay clear of both limits they are taken by their sums.
        """
        admitted = np.ones(len(times), dtype=np.bool_)
        start = 0
        while start < len(times):
            chunk = slice(start, start + _AT_ONCE)
            sure = self._take_sure(times[chunk], sizes if isinstance(sizes, int) else sizes[chunk])
            start += sure
            if sure < _AT_ONCE:
                stop = min(start + _ONE_BY_ONE, len(times))
                for index in range(start, stop):
                    size = sizes if isinstance(sizes, int) else int(sizes[index])
                    admitted[index] = self.admits(float(times[index]), size)
                start = stop
        return admitted

    def _take_sure(self, times: Floats, sizes: int | Whole) -> int:
        """Take the records up to the first that could meet a limit; says how many."""
        passed = times - self._at
        counted = _COUNTED[: len(times)]
        records = _used(self._most_records - self._records, counted, 1, self._records_per_s * passed)
        size_sums = counted * sizes if isinstance(sizes, int) else np.cumsum(sizes, dtype=np.float64)
        room = _used(self._most_bytes - self._bytes, size_sums, sizes, self._bytes_per_s * passed)
        unsure = records > self._most_records + self._records_grace * _SURE
        unsure |= room > self._most_bytes + self._bytes_grace * _SURE
        first = int(unsure.argmax())
        sure = first if unsure[first] else len(times)
        if sure:
            self._records = self._most_records - float(records[sure - 1])
            self._bytes = self._most_bytes - float(room[sure - 1])
            self._at = float(times[sure - 1])
        return sure


def _takes(level: float, grace: float, each: int, most: int) -> int:
    """How many times, `most` at most, a bucket gives `each` before it holds too little."""
    if each == 0:
        return most if level + grace >= 0 else 0
    taken = max(0, min(most, int((level + grace) / each)))
    # The division rounds; what counts is what is left each time.
    while taken < most and level - taken * each + grace >= each:
        taken += 1
    while taken > 0 and level - (taken - 1) * each + grace < each:
        taken -= 1
    return taken


def _used(used: float, taken: Floats, each: int | Whole, regained: Floats) -> Floats:
    """What a bucket lacks after each record if all are taken (Lindley's recursion, unrolled).

    `used` is what it lacks at the start; `taken` and `regained` are running sums, `each` what each record takes. A
    bucket regains no more than it lacks: the maximum so far stands for the last time it was full.
    """
    full: Floats = np.maximum.accumulate(regained - (taken - each))
    return taken - regained + np.maximum(used, full)
