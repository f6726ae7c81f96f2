"""What arrives: when, and with which partition key, drawn in bulk."""

import math
from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from simulator.scenario import Arrivals, Burst, Hot, PartitionKeys, Rate, RecordedKeys, Uniform, Zipf

Floats = npt.NDArray[np.float64]


def times(arrivals: Arrivals, dice: np.random.Generator) -> Floats:
    """When each record is sent, seconds since the start, ascending.

    Raises:
        ValueError: the knots of a rate do not ascend, or it falls below 0.
    """
    if isinstance(arrivals, Burst):
        return np.zeros(arrivals.count)
    if isinstance(arrivals, Rate):
        return _of_rate(arrivals, dice)
    return np.array(arrivals.times, np.float64)


def keys(partition_keys: PartitionKeys, count: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    """The partition key of each of so many records, as a number from 0.

    Raises:
        ValueError: the recorded ones are not as many.
    """
    if isinstance(partition_keys, RecordedKeys):
        return _numbered(partition_keys.hash_keys, count)
    if isinstance(partition_keys, Uniform):
        return dice.integers(0, partition_keys.keys, count)
    if isinstance(partition_keys, Hot):
        cold = dice.integers(min(1, partition_keys.keys - 1), partition_keys.keys, count)
        return np.where(dice.random(count) < partition_keys.share, 0, cold)
    return _of_zipf(partition_keys, count, dice)


def _numbered(hash_keys: Sequence[int], count: int) -> npt.NDArray[np.int64]:
    if len(hash_keys) != count:
        raise ValueError(f"{len(hash_keys):,} recorded partition keys for {count:,} records; each needs its own")
    numbers = {key: number for number, key in enumerate(dict.fromkeys(hash_keys))}
    return np.array([numbers[key] for key in hash_keys], np.int64)


def _of_zipf(zipf: Zipf, count: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    weights = np.arange(1, zipf.keys + 1, dtype=np.float64) ** -zipf.s
    upto = np.cumsum(weights)
    places: npt.NDArray[np.int64] = np.searchsorted(upto, dice.random(count) * upto[-1], side="right")
    return places


def _of_rate(rate: Rate, dice: np.random.Generator) -> Floats:
    """Expected counts, one apart on average or exactly, laid through the inverted expectation: exact for any rate."""
    at = np.array([second for second, _ in rate.knots], np.float64)
    per_s = np.array([value for _, value in rate.knots], np.float64)
    if len(at) < 2 or (np.diff(at) < 0).any() or at[0] < 0 or (per_s < 0).any():
        raise ValueError("a rate needs two knots or more, at seconds that ascend from 0, none below 0 a second")
    upto = np.concatenate([[0.0], np.cumsum(np.diff(at) * (per_s[1:] + per_s[:-1]) / 2)])
    expected = _unit_arrivals(upto[-1], dice) if rate.poisson else np.arange(0.5, upto[-1])
    part = np.clip(np.searchsorted(upto, expected, side="right") - 1, 0, len(at) - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(np.diff(at) > 0, np.diff(per_s) / np.diff(at), 0.0)[part]
    start = per_s[part]
    rest = expected - upto[part]
    # The root of start * t + slope * t**2 / 2 = rest that is well-behaved as the slope goes to 0.
    root = np.sqrt(np.maximum(start * start + 2 * slope * rest, 0.0))
    since: Floats = np.divide(2 * rest, start + root, out=np.zeros_like(rest), where=start + root > 0)
    return np.asarray(at[part] + since)


def _unit_arrivals(until: float, dice: np.random.Generator) -> Floats:
    """A Poisson process of rate 1 up to `until`."""
    drawn = [np.empty(0)]
    reached = 0.0
    while reached < until:
        gaps = dice.standard_exponential(math.ceil((until - reached) * 1.01) + 100)
        piece = reached + np.cumsum(gaps)
        drawn.append(piece)
        reached = float(piece[-1])
    whole = np.concatenate(drawn)
    return whole[whole < until]


def as_array(values: Floats) -> "array[float]":
    """The same numbers where bisecting and slicing them one by one is quick."""
    copied = array("d")
    copied.frombytes(np.ascontiguousarray(values).tobytes())
    return copied
