"""The times of arrivals, drawn from a rate before the first: a load test sends at them, a simulation takes them."""

from array import array
from random import Random
from typing import TYPE_CHECKING

from pipeline.recorded import Recorded

if TYPE_CHECKING:
    from pipeline.rate import Rate


def times_of(load: "Rate | Recorded", seed: int) -> "array[float]":
    """The times of a load: those recorded, or Poisson arrivals drawn from its rate."""
    return load.times if isinstance(load, Recorded) else poisson(load, seed)


def poisson(rate: "Rate", seed: int) -> "array[float]":
    """Draw Poisson arrivals of that rate, in seconds since the start, ascending. The same arguments, the same times.

    The gaps of a unit Poisson process are laid through the inverted expectation, which is exact for any rate.
    """
    gaps = Random(f"arrivals {seed}")
    times = array("d")
    expected = gaps.expovariate(1.0)
    while expected < rate.total:
        times.append(rate.second_of(expected))
        expected += gaps.expovariate(1.0)
    return times
