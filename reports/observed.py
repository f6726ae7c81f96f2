"""What the target said of itself during a buffer's turn: peaks and counts, from the observations once a second."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Observed:
    """Peaks and counts of one buffer's turn; None is what the target did not tell."""

    peak_backlog: int | None
    throttles: int | None
    cold_starts: int | None
    peak_concurrency: int | None
    oldest_age_s: float | None
    last_dead_letter_at: float | None


def observed(observations: "pd.DataFrame") -> Observed:
    """The peaks of a buffer's observations. Counts since its turn began only grow, so their last is their greatest."""
    peaks = observations.max(numeric_only=True)
    dead = peaks.dead_lettered
    # NaN, where nobody counted, is not more than 0.
    counted = observations["at"][observations.dead_lettered == dead] if dead > 0 else None
    return Observed(
        peak_backlog=_whole(peaks.backlog),
        throttles=_whole(peaks.throttles),
        cold_starts=_whole(peaks.cold_starts),
        peak_concurrency=_whole(peaks.concurrency),
        oldest_age_s=_known(peaks.oldest_age_s),
        last_dead_letter_at=None if counted is None else _known(counted.min()),
    )


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else int(value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
