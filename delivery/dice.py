"""Chance that depends on what it is for, not on when it is asked."""

from random import Random

import numpy as np
import numpy.typing as npt

# splitmix64 (Steele, Lea, Flood 2014): a counter goes in, 64 well mixed bits come out.
STEP = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
# Keeps the n-th numbers of one thing apart from those of its neighbours.
NTH_STEP = np.uint64(0xD1342543DE82EF95)


class Dice:
    """Random numbers for many things at once: the n-th of each is always the same, in whatever order they are drawn.

    So a machine may draw them late and in bulk, and still decide what it would have decided one by one.

    Args:
        random: gives the seed; drawn on once.
    """

    def __init__(self, random: Random) -> None:
        self.seed = np.uint64(random.getrandbits(64))

    def roll(self, numbers: npt.NDArray[np.int64], nth: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The `nth` random number, 0 to 1 (exclusive), of each of the things with these numbers."""
        mixed = numbers.astype(np.uint64) * STEP + nth.astype(np.uint64) * NTH_STEP + self.seed
        mixed ^= mixed >> np.uint64(30)
        mixed *= MIX_1
        mixed ^= mixed >> np.uint64(27)
        mixed *= MIX_2
        mixed ^= mixed >> np.uint64(31)
        return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
