"""The schedule of a load: when each request is meant to leave, and which image it carries, decided before the first."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from pipeline.arrivals import times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.rate import Rate
    from pipeline.recorded import Recorded


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals in the order of their times. `times` are seconds since the start; `images` index the image mix.

    `groups` are the numbers of the groups that requests name, None where they name none.

    `sequences` are the arrivals' numbers in the whole load, so that a worker's share keeps them.
    """

    sequences: range
    times: "array[float]"
    images: "array[int]"
    groups: "array[int] | None" = None

    def __len__(self) -> int:
        return len(self.times)

    def group(self, index: int) -> str | None:
        """The group that an arrival's request names, if it names one."""
        return None if self.groups is None else f"g{self.groups[index]}"

    def share(self, worker: int, workers: int) -> "Schedule":
        """What one of so many workers sends: every `workers`-th arrival, from its own number on."""
        if not 0 <= worker < workers:
            raise ValueError(f"there is no worker {worker} among {workers}")
        return Schedule(
            self.sequences[worker::workers],
            self.times[worker::workers],
            self.images[worker::workers],
            None if self.groups is None else self.groups[worker::workers],
        )


def draw(
    load: "Rate | Recorded", seed: int, weights: "Sequence[float]", groups: "Sequence[float] | None" = None
) -> Schedule:
    """Draw the arrivals of a load, each with an image of that weight, and a group of those weights, if there are any.

    The same arguments, the same schedule. Times, images and groups come from streams of their own, so that another mix
    of images leaves the times as they are.
    """
    times = times_of(load, seed)
    return Schedule(
        range(len(times)),
        times,
        _picks(f"images {seed}", weights, len(times)),
        None if groups is None else _picks(f"groups {seed}", groups, len(times)),
    )


def _picks(stream: str, weights: "Sequence[float]", number: int) -> "array[int]":
    random = Random(stream)
    bounds = list(accumulate(weights))
    last = len(bounds) - 1
    return array("I", (min(bisect_right(bounds, random.random() * bounds[-1]), last) for _ in range(number)))
