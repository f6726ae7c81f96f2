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


@dataclass(frozen=True, slots=True)
class RecordedTimes:
    """A recording's own times, ms, in their order; what is beyond them is drawn from `like`.

    Raises:
        ValueError: there are none, or one is not above 0.
    """

    times_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if min(self.times_ms, default=0.0) <= 0:
            raise ValueError("recorded times: one at least, and each above 0 ms")

    @property
    def like(self) -> Lognormal:
        """The lognormal distribution that is most likely to have brought these."""
        logs = np.log(self.times_ms)
        mean, deviation = float(logs.mean()), float(logs.std())
        return Lognormal(math.exp(mean), math.exp(mean + _Z99 * deviation))

    @property
    def normals(self) -> tuple[float, ...]:
        """Each of them as a draw of the standard normal distribution, of which `like` makes it."""
        like = self.like
        if like.sigma == 0:
            return ()
        return tuple(((np.log(self.times_ms) - math.log(like.p50_ms)) / like.sigma).tolist())

    @property
    def mean_s(self) -> float:
        """The mean of these, in seconds."""
        return math.fsum(self.times_ms) / len(self.times_ms) / 1_000


@dataclass(frozen=True, slots=True)
class Transit:
    """A way whose stages nobody publishes, as a sum: `base_ms` at least; evenly up to `spread_ms` more; a lognormal
    share of median `tail_ms` whose logarithm deviates by `tail_sigma`; and with chance `rare` another `rare_ms`.
    """

    base_ms: float
    spread_ms: float = 0.0
    tail_ms: float = 0.0
    tail_sigma: float = 0.0
    rare: float = 0.0
    rare_ms: float = 0.0

    def __post_init__(self) -> None:
        if min(self.base_ms, self.spread_ms, self.tail_ms, self.tail_sigma, self.rare_ms) < 0:
            raise ValueError(f"{self}: no time may be negative")
        if not 0 <= self.rare <= 1:
            raise ValueError(f"a chance of {self.rare}; it must be 0 to 1")

    def seconds(self, dice: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
        """So many of them, in seconds."""
        evenly, normal, chance = dice.random(count), dice.standard_normal(count), dice.random(count)
        return self.of(evenly, normal, chance) / 1_000

    def of(
        self, evenly: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], chance: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """The ms that come of numbers from [0, 1), the standard normal distribution, and [0, 1) again."""
        return (
            self.base_ms
            + self.spread_ms * evenly
            + self.tail_ms * np.exp(self.tail_sigma * normal)
            + np.where(chance < self.rare, self.rare_ms, 0.0)
        )

    @property
    def mean_s(self) -> float:
        """The mean, in seconds."""
        tail_ms = self.tail_ms * math.exp(self.tail_sigma**2 / 2)
        return (self.base_ms + self.spread_ms / 2 + tail_ms + self.rare * self.rare_ms) / 1_000


Duration = Fixed | Lognormal | Transit
