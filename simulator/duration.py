"""How long something takes: a number of milliseconds, or a distribution of them."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# The 99th percentile of the standard normal distribution.
_Z99 = 2.3263478740408408


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always as long."""

    ms: float

    def seconds(self, dice: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
        """So many of them, in seconds. Draws nothing."""
        del dice
        return np.full(count, self.ms / 1_000)

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        return self.ms / 1_000


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A lognormal distribution, by its median and its 99th percentile. The usual shape of service times."""

    p50_ms: float
    p99_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p99_ms:
            raise ValueError(f"p50 is {self.p50_ms} and p99 {self.p99_ms} ms; it must be 0 < p50 <= p99")

    @property
    def sigma(self) -> float:
        """The standard deviation of the logarithm."""
        return math.log(self.p99_ms / self.p50_ms) / _Z99

    def seconds(self, dice: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
        """So many of them, in seconds."""
        return np.exp(dice.normal(math.log(self.p50_ms / 1_000), self.sigma, count))

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        return self.p50_ms / 1_000 * math.exp(self.sigma**2 / 2)


Duration = Fixed | Lognormal
