"""The noise between runs: what repeats of the same load on each side say of a difference.

The run is the unit. Requests of one run share its machine, its minute and its queue, so that however many there are
they are one sample of what a run comes to. Student's two-sample t test, with the spread of both sides pooled:

- of the logarithms of durations and of money, whose spread grows with them; the change is a ratio;
- of counts x as 2 sqrt(x + 3/8), whose variance for independent events is 1 (Anscombe 1948). Fewer repeats than events
  may by chance be alike, so that the variance is never taken for less than that;
- it needs runs whose figures scatter like a bell on that scale, and alike on both sides. A side of one run is judged by
  the spread of the other.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from reports.comparison_evidence import Evidence, NoEvidence, half_width, proportion, two_sided
from reports.key_figures import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# With one degree of freedom less the spread is known from two runs that may have come out alike by chance.
_LEAST_FREEDOM: Final = 2
_POISSON_VARIANCE: Final = 1.0


def between(a: "Sequence[float]", b: "Sequence[float]", kind: Kind, margin: float = 0.0) -> Evidence | NoEvidence:
    """What the runs of both sides say of the change from A to B: a value a run."""
    freedom = len(a) + len(b) - 2
    if not a or not b or freedom < _LEAST_FREEDOM:
        return NoEvidence("how far runs differ is known from three of the same kind, or two on each side")
    ours, theirs = np.asarray(a, np.float64), np.asarray(b, np.float64)
    counts = kind in (Kind.COUNT, Kind.MUST_BE_ZERO)
    logarithmic = not counts and bool((ours > 0).all() and (theirs > 0).all())

    def scale(values: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
        if counts:
            return 2 * np.sqrt(values + 3 / 8)
        return np.log(values) if logarithmic else values

    def difference(factor: float) -> float:
        return float(scale(theirs).mean() - scale(ours * factor).mean())

    squares = sum(float(((scale(side) - scale(side).mean()) ** 2).sum()) for side in (ours, theirs))
    variance = max(squares / freedom, _POISSON_VARIANCE if counts else 0.0)
    error = float(np.sqrt(variance * (1 / len(a) + 1 / len(b))))
    # What is the same in every run differs in the last digit of its mean.
    if error < 1e-12 * float(np.abs(scale(ours)).max(initial=1e-300)):
        error = 0.0
    half = half_width(error, freedom)
    p = two_sided(difference, error, freedom, margin)
    if logarithmic:
        log_ratio = difference(1.0)
        return Evidence(
            proportion(log_ratio), proportion(log_ratio - half), proportion(log_ratio + half), relative=True, p=p
        )
    change = float(theirs.mean() - ours.mean())
    # (y'^2 - y^2) / 4 is (y' - y) (y' + y) / 4: what a step on the counts' scale is in counts, halfway.
    step = float(scale(ours).mean() + scale(theirs).mean()) / 4 if counts else 1.0
    return Evidence(change, change - half * step, change + half * step, relative=False, p=p)
