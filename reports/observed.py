"""What the target said of itself during a buffer's turn: peaks and counts, from the observations once a second."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from reports.joined import Joined


@dataclass(frozen=True, slots=True)
class Observed:
    """Peaks and counts of one buffer's turn; None is what the target did not tell."""

    peak_backlog: int | None
    throttles: int | None
    cold_starts: int | None
    peak_concurrency: int | None
    oldest_age_s: float | None
    last_dead_letter_at: float | None


def observed(joined: "Joined", buffer: str) -> Observed:
    """The peaks of a buffer's observations. Counts since its turn began only grow, so their last is their greatest."""
    row = joined.frame(
        """
        SELECT max(backlog) AS peak_backlog, max(throttles) AS throttles, max(cold_starts) AS cold_starts,
            max(concurrency) AS peak_concurrency, max(oldest_age_s) AS oldest_age_s,
            arg_min("at", "at") FILTER (dead_lettered > 0 AND dead_lettered = most) AS last_dead_letter_at
        FROM (SELECT *, max(dead_lettered) OVER () AS most FROM observations WHERE buffer = $buffer)
        """,
        buffer=buffer,
    ).iloc[0]
    known = {name: None if pd.isna(value) else float(value) for name, value in row.items()}
    return Observed(
        peak_backlog=_whole(known["peak_backlog"]),
        throttles=_whole(known["throttles"]),
        cold_starts=_whole(known["cold_starts"]),
        peak_concurrency=_whole(known["peak_concurrency"]),
        oldest_age_s=known["oldest_age_s"],
        last_dead_letter_at=known["last_dead_letter_at"],
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
