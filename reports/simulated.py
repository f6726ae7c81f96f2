"""Which parts of a run's target were not AWS, by name, with the settings that stood for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.description import Description

_LOCAL = "local"


def simulated(run: "Description") -> dict[str, Any] | None:
    """The options of the embedded AWS, by name; None if the target was AWS itself."""
    return dict(run.options) if run.target == _LOCAL else None
