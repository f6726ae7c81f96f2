"""Waits that double: the exponential back-off of every retry here."""

from random import Random

import numpy as np
import numpy.typing as npt

# The longest wait is reached long before; a larger exponent would only overflow.
MOST_DOUBLINGS = 60
# The share of a wait that is drawn at random, unless it is told: AWS publishes none.
JITTER = 0.5


class Backoff:
    """The wait before the n-th retry.

    Args:
        first_s: the first wait, seconds.
        max_s: the longest wait, seconds.
        random: draws the jitter.
        jitter: the share of each wait, 0 to 1, that is drawn at random.
    """

    def __init__(self, first_s: float, max_s: float, random: Random, jitter: float = JITTER) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self._jitter = jitter

    @property
    def least_s(self) -> float:
        """The shortest wait there can be."""
        return min(self._first_s, self._max_s) * (1 - self._jitter)

    def wait_s(self, retry: int) -> float:
        """How long to wait before this retry, counted from 1."""
        whole = min(self._max_s, self._first_s * 2.0 ** min(retry - 1, MOST_DOUBLINGS))
        return whole * (1 - self._jitter * self._random.random())

    def waits_s(self, retries: npt.NDArray[np.int64], chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The same for many: how long before each of these retries, with the jitter that chance (0 to 1) has drawn."""
        whole = np.minimum(self._max_s, np.ldexp(self._first_s, np.minimum(retries - 1, MOST_DOUBLINGS)))
        return whole * (1 - self._jitter * chance)
