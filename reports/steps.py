"""Equal steps of time, and what falls into each."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


class Steps:
    """`number` steps of so many seconds, from `start` on (ms; NaN where no arrival is known: all is in the first)."""

    def __init__(self, start: float, step: int, number: int) -> None:
        self._start, self._width_ms = (0.0, np.inf) if np.isnan(start) else (start, step * 1e3)
        self.number = number

    def of(self, moments: "Floats") -> "Floats":
        """The step of each moment, which may be before the first one or behind the last."""
        steps: Floats = np.floor(self._passed(moments))
        return steps

    def count(self, moments: "Floats") -> "npt.NDArray[np.int64]":
        """How many of the moments that are known are in each step; what came before the first one is in it."""
        passed = self._passed(moments)
        # NaN is not less. As whole numbers, those that are not below zero lose their parts of a step.
        passed = np.maximum(passed[passed < self.number], 0.0)
        return np.bincount(passed.astype(np.int64), minlength=self.number)

    def _passed(self, moments: "Floats") -> "Floats":
        return (moments - self._start) / self._width_ms
