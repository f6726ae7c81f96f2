"""A number of the command line that is one: click's own range lets nan and inf pass."""

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click import Context, Parameter


class FiniteRange(click.FloatRange):
    """A float range whose numbers are finite."""

    def convert(self, value: Any, param: "Parameter | None", ctx: "Context | None") -> float:
        """Refuses what is not finite, as it does what is out of the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
