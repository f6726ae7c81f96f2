"""Equal steps of time, and what falls into each."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


class Steps:
    """`number` steps of so many seconds, from `start` on (ms; NaN where no arrival is known: all is in the first)."""

    def __init__(self, start: float, step: int, number: int) -> None:
        self._start, self._width_ms, self.number = start, step * 1e3, number

    def of(self, moments: "Floats") -> "Floats":
        """The step of each moment, which may be before the first one or behind the last."""
        return np.floor((moments - self._start) / self._width_ms)

    def count(self, moments: "Floats") -> "npt.NDArray[np.int64]":
        """How many of the moments that are known are in each step; what came before the first one is in it."""
        steps = np.fmax(self.of(moments[np.isfinite(moments)]), 0.0)
        return np.bincount(steps[steps < self.number].astype(np.int64), minlength=self.number)
