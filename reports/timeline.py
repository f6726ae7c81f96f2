"""A buffer's turn over time: rates and backlog in equal steps from its first intended arrival."""

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from reports.outcome import Outcome
from reports.raw_column import chosen
from reports.steps import Steps

if TYPE_CHECKING:
    from reports.buffer_rows import BufferRows

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
_MOST_STEPS: Final = 600
_OBSERVED: Final = ["backlog", "concurrency", "oldest_age_s", "throttles"]


def timeline(rows: "BufferRows", observations: "pd.DataFrame") -> pd.DataFrame:
    """Columns: second (from the first intended arrival), offered, accepted, rejected, completed and throttles (per
    second), backlog, concurrency and oldest_age_s (as observed, NaN where not), unended (accepted and without a result
    by then, from the rows).

    `step_s` in the frame's attrs is the width of a step in seconds, as small as keeps the steps below 600.
    """
    start = float(np.fmin.reduce(rows.numbers("intended_at")))
    seconds = _seconds(rows, observations, start)
    step = next((step for step in _STEPS_S if seconds / step <= _MOST_STEPS), math.ceil(seconds / _MOST_STEPS))
    steps = Steps(start, step, math.floor(seconds / step) + 2)
    responded, stored = rows.numbers("responded_at"), rows.numbers("stored_at")
    accepted = steps.count(responded[rows.taken])
    completed = steps.count(stored[rows.ended(Outcome.COMPLETED)])
    failed = steps.count(stored[rows.ended(Outcome.FAILED)])
    frame = pd.DataFrame(
        {
            "second": np.arange(steps.number, dtype=np.float64) * step,
            "offered": steps.count(chosen(rows.numbers("intended_at"), rows.offered)) / step,
            "accepted": accepted / step,
            "rejected": steps.count(responded[rows.ended(Outcome.REJECTED, Outcome.REJECTED_PROCESSED)]) / step,
            "completed": completed / step,
            "unended": np.cumsum(accepted - completed - failed).astype(np.float64),
        }
    )
    seen = _seen(observations, steps)
    frame[["backlog", "concurrency", "oldest_age_s"]] = seen[["backlog", "concurrency", "oldest_age_s"]]
    # Counts only grow: what is more than ever before came in this step.
    throttles = seen.throttles.cummax().ffill().fillna(0.0)
    frame["throttles"] = (throttles - throttles.shift(fill_value=0.0)).clip(lower=0.0) / step
    frame.attrs["step_s"] = step
    return frame


def backlog(frame: pd.DataFrame) -> "pd.Series[float]":
    """The backlog as observed; as counted from the rows if it was not observed at all."""
    return frame.unended if frame.backlog.isna().all() else frame.backlog.ffill().fillna(0.0)


def _seconds(rows: "BufferRows", observations: pd.DataFrame, start: float) -> float:
    """Until the last thing that happened to a request; or, where some never ended, as long as a backlog was seen."""
    last = [
        np.fmax.reduce(times, initial=np.nan)
        for times in (
            rows.numbers("intended_at"),
            chosen(rows.numbers("responded_at"), rows.status != 0),
            rows.numbers("stored_at"),
            observations["at"][observations.backlog > 0].to_numpy(),
        )
    ]
    return float(np.fmax(np.fmax.reduce(last) - start, 0.0)) / 1_000


def _seen(observations: pd.DataFrame, steps: Steps) -> pd.DataFrame:
    """The greatest that was observed in each step, NaN where nothing was."""
    at = steps.of(observations["at"].to_numpy())
    within = (at >= 0) & (at < steps.number)
    greatest = observations.loc[within, _OBSERVED].groupby(at[within]).max()
    return greatest.reindex(np.arange(steps.number, dtype=np.float64)).reset_index(drop=True)
