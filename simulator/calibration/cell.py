"""A cell of the calibration: one figure that somebody published, and the model's."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

# What a figure may be off, as a share of it. The tail of some thousand samples is known no better.
TOLERANCES: Final[Mapping[str, float]] = {"p10": 0.10, "p50": 0.10, "p90": 0.10, "p95": 0.10, "p99": 0.25}


@dataclass(frozen=True, slots=True)
class Cell:
    """Both in ms. `simulated` is None for what is not modelled; what was `given` to the model is no test of it."""

    published: float
    simulated: float | None
    tolerance: float
    given: bool = False

    @property
    def error(self) -> float | None:
        """How far the model is off, as a share of the published figure."""
        return None if self.simulated is None else self.simulated / self.published - 1

    @property
    def holds(self) -> bool:
        """Whether it is modelled, and within its tolerance."""
        return self.error is not None and abs(self.error) <= self.tolerance


def cells(
    published: Mapping[str, float], simulated: Mapping[str, float] | None, given: Collection[str] = ()
) -> dict[str, Cell]:
    """A row of cells, by quantile. `given` names those that the model was told."""
    return {
        name: Cell(float(figure), None if simulated is None else simulated[name], TOLERANCES[name], name in given)
        for name, figure in published.items()
    }
