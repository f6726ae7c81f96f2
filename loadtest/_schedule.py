"""The schedule of a load: when each request is meant to leave, and which image it carries, decided before the first."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from pipeline.arrivals import poisson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.rate import Rate


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals in the order of their times. `times` are seconds since the start; `images` index the image mix.

    `sequences` are the arrivals' numbers in the whole load, so that a worker's share keeps them.
    """

    sequences: range
    times: "array[float]"
    images: "array[int]"

    def __len__(self) -> int:
        return len(self.times)

    def share(self, worker: int, workers: int) -> "Schedule":
        """What one of so many workers sends: every `workers`-th arrival, from its own number on."""
        if not 0 <= worker < workers:
            raise ValueError(f"there is no worker {worker} among {workers}")
        return Schedule(self.sequences[worker::workers], self.times[worker::workers], self.images[worker::workers])


def draw(rate: "Rate", seed: int, weights: "Sequence[float]") -> Schedule:
    """Draw Poisson arrivals of that rate, each with an image of that weight. The same arguments, the same schedule.

    Times and images come from streams of their own, so that another mix of images leaves the times as they are.
    """
    times = poisson(rate, seed)
    picks = Random(f"images {seed}")
    bounds = list(accumulate(weights))
    images = array("H", (min(bisect_right(bounds, picks.random() * bounds[-1]), len(bounds) - 1) for _ in times))
    return Schedule(range(len(times)), times, images)
