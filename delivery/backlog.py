"""Records that wait in the order they arrive, kept as runs rather than one by one."""

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TypeVar

from delivery.protocol import Offer

Number = TypeVar("Number", int, float)
# One tuple for all: a union would be made anew for each question.
_NUMBER = (float, int)


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class Run:
    """Records in the order of their arrival. What is one number instead of a list holds for all of them.

    `times` are when they arrive (seconds), `sizes` their bytes, `keys` what they keep their order by: where they
    lie in a stream, or their message group. A range of
    ids stays a range however often it is sliced.
    """

    ids: Sequence[int]
    sizes: int | Sequence[int]
    times: float | Sequence[float]
    keys: Sequence[int] | None = None

    @classmethod
    def of(cls, now: float, offer: Offer) -> "Run":
        """What an offer brings, arriving now if it does not say when.

        Raises:
            ValueError: its lists differ in length.
        """
        keys = offer.hash_keys if offer.groups is None else offer.groups
        count = len(offer.ids)
        for given in (offer.sizes, keys, offer.times, offer.key_bits, offer.user_keys):
            if given is not None and not isinstance(given, int) and len(given) != count:
                raise ValueError(f"an offer of {count} ids has a list of {len(given)} beside them")
        return cls(offer.ids, offer.sizes, now if offer.times is None else offer.times, keys)

    def __len__(self) -> int:
        return len(self.ids)

    def time(self, index: int) -> float:
        """When one record arrives."""
        return self.times if isinstance(self.times, _NUMBER) else self.times[index]

    def size(self, index: int) -> int:
        """The bytes of one record."""
        return self.sizes if isinstance(self.sizes, int) else self.sizes[index]

    def bytes(self) -> int:
        """The bytes of all records."""
        return self.sizes * len(self.ids) if isinstance(self.sizes, int) else sum(self.sizes)

    def part(self, start: int, stop: int) -> "Run":
        """The records from index `start` up to `stop`."""
        if start == 0 and stop == len(self.ids):
            return self
        return Run(
            self.ids[start:stop],
            self.sizes if isinstance(self.sizes, int) else self.sizes[start:stop],
            self.times if isinstance(self.times, _NUMBER) else self.times[start:stop],
            None if self.keys is None else self.keys[start:stop],
        )

    def pick(self, indices: Sequence[int]) -> "Run":
        """The records at these indices, which ascend."""
        if len(indices) == len(self.ids):
            return self
        return Run(
            [self.ids[index] for index in indices],
            self.sizes if isinstance(self.sizes, int) else [self.sizes[index] for index in indices],
            self.times if isinstance(self.times, _NUMBER) else [self.times[index] for index in indices],
            None if self.keys is None else [self.keys[index] for index in indices],
        )

    def split_by_size(self, most_bytes: int) -> "tuple[Run, Sequence[int]]":
        """The records of at most that many bytes, and the ids of the others."""
        if isinstance(self.sizes, int):
            return (self, ()) if self.sizes <= most_bytes else (self.part(0, 0), self.ids)
        fitting = self.pick([index for index, size in enumerate(self.sizes) if size <= most_bytes])
        return fitting, [record for record, size in zip(self.ids, self.sizes, strict=True) if size > most_bytes]

    def weighed(self, weigh: Callable[[int], int]) -> "Run":
        """The same records with other sizes."""
        sizes = weigh(self.sizes) if isinstance(self.sizes, int) else [weigh(size) for size in self.sizes]
        return Run(self.ids, sizes, self.times, self.keys)

    def arrived(self, until: float, start: int = 0) -> int:
        """How many records, from index `start` on, arrive no later than `until`."""
        if isinstance(self.times, _NUMBER):
            return len(self.ids) - start if self.times <= until else 0
        return bisect_right(self.times, until, lo=start) - start

    def fitting(self, start: int, most: int, most_bytes: float) -> int:
        """How many records, from index `start` on and `most` at most, have no more than `most_bytes` together."""
        if most_bytes == math.inf or most <= 0:
            return most
        if isinstance(self.sizes, int):
            return min(most, math.floor(most_bytes / self.sizes)) if self.sizes > 0 else most
        return bisect_right(list(accumulate(self.sizes[start : start + most])), most_bytes)


def joined(runs: Sequence[Run]) -> Run:
    """Several runs as one, in their order."""
    if len(runs) == 1:
        return runs[0]
    ids = _column([run.ids for run in runs])
    times = _column([_each(run.times, len(run)) for run in runs])
    sizes: int | Sequence[int] = runs[0].sizes
    if not isinstance(sizes, int) or any(run.sizes != sizes for run in runs):
        sizes = _column([_each(run.sizes, len(run)) for run in runs])
    keyed = [run.keys for run in runs if run.keys is not None]
    return Run(ids, sizes, times, _column(keyed) if len(keyed) == len(runs) else None)


def _each(values: Number | Sequence[Number], count: int) -> Sequence[Number]:
    return [values] * count if isinstance(values, (float, int)) else values


def _column(parts: Sequence[Sequence[Number]]) -> Sequence[Number]:
    """Sequences as one: an array if all are arrays, else a list."""
    first = parts[0]
    if isinstance(first, array) and all(isinstance(part, array) for part in parts):
        column = first[:]
        for part in parts[1:]:
            column.extend(part)
        return column
    return list(chain.from_iterable(parts))


class Backlog:
    """A queue of runs, first in, first out."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self._head = 0
        self.head_at = math.inf
        """When the first record arrives, or did; infinity if there is none."""
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        """The bytes of all records in it."""
        return self._bytes

    def append(self, run: Run) -> None:
        """Put records at the end.

        Raises:
            ValueError: they arrive before those already here.
        """
        if len(run):
            if self._runs and run.time(0) < self._runs[-1].time(-1):
                raise ValueError(
                    f"records arriving at {run.time(0)} come after some arriving at {self._runs[-1].time(-1)}"
                )
            if not self._runs:
                self.head_at = run.time(0)
            self._runs.append(run)
            self._count += len(run)
            self._bytes += run.bytes()

    def arrived(self, now: float) -> int:
        """How many records have arrived."""
        future = 0
        for run in reversed(self._runs):
            if run.time(-1) <= now:
                break
            start = self._head if run is self._runs[0] else 0
            future += len(run) - start - run.arrived(now, start)
        return self._count - future

    def take(self, until: float, most: float = math.inf, most_bytes: float = math.inf) -> Run | None:
        """Take the first records: those arrived by `until`, `most` of them and `most_bytes` together at most.

        None if there is none such, or the first alone has more bytes.
        """
        parts: list[Run] = []
        while (span := self.take_span(until, most, most_bytes)) is not None:
            run, start, stop = span
            part = run.part(start, stop)
            most -= stop - start
            if most <= 0 or self.head_at > until:
                if not parts:
                    return part
                parts.append(part)
                break
            parts.append(part)
            most_bytes -= part.bytes() if most_bytes < math.inf else 0
        return joined(parts) if parts else None

    def head_size(self) -> int | None:
        """The bytes of each record of the first run, if all have as many."""
        sizes = self._runs[0].sizes if self._runs else None
        return sizes if isinstance(sizes, int) else None

    def take_span(
        self, until: float, most: float = math.inf, most_bytes: float = math.inf, multiple_of: int = 1
    ) -> tuple[Run, int, int] | None:
        """What `take` takes of the first run alone: the run, and from and up to which index its records are taken.

        Only a multiple of so many, if that is asked for.
        """
        if self.head_at > until or most <= 0 or not self._runs:
            return None
        run, head = self._runs[0], self._head
        times, sizes, total = run.times, run.sizes, len(run.ids)
        stop = total if most >= total - head else head + int(most)
        if not isinstance(times, _NUMBER):
            stop = bisect_right(times, until, head, stop)
        if multiple_of > 1:
            stop -= (stop - head) % multiple_of
            if stop == head:
                return None
        if isinstance(sizes, int) and sizes * (stop - head) <= most_bytes:
            self._bytes -= sizes * (stop - head)
        else:
            stop = head + run.fitting(head, stop - head, most_bytes)
            if stop <= head:
                return None
            self._bytes -= run.part(head, stop).bytes()
        self._count -= stop - head
        if stop < total:
            self._head = stop
            if not isinstance(times, _NUMBER):
                self.head_at = times[stop]
        else:
            self._runs.popleft()
            self._head = 0
            self.head_at = self._runs[0].time(0) if self._runs else math.inf
        return run, head, stop
