"""A buffer's turn over time: rates and backlog in equal steps from its first intended arrival."""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

    from reports.joined import Joined

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
_MOST_STEPS: Final = 600

# Until the last thing that happened to a request; or, where some never ended, as long as a backlog was seen.
_SPAN: Final = """
SELECT coalesce(greatest(0, max(greatest(intended_at, if(http_status <> 0, responded_at, NULL), stored_at))
        - min(intended_at), (
        SELECT max("at") FROM observations WHERE buffer = $buffer AND backlog > 0
    ) - min(intended_at)), 0) / 1000 AS seconds
FROM joined WHERE buffer = $buffer
"""

_SQL: Final = """
WITH span AS (
    SELECT min(intended_at) AS start FROM joined WHERE buffer = $buffer
), events AS (
    SELECT intended_at AS moment, 'offered' AS kind FROM joined
        WHERE buffer = $buffer AND outcome NOT IN ('dropped', 'unrequested')
    UNION ALL SELECT responded_at, 'accepted' FROM joined WHERE buffer = $buffer AND http_status BETWEEN 200 AND 299
    UNION ALL SELECT responded_at, 'rejected' FROM joined WHERE buffer = $buffer AND outcome LIKE 'rejected%'
    UNION ALL SELECT stored_at, outcome FROM joined WHERE buffer = $buffer AND outcome IN ('completed', 'failed')
), rates AS (
    SELECT greatest(floor((moment - start) / ($step * 1e3)), 0)::BIGINT AS step,
        count(*) FILTER (kind = 'offered') / $step AS offered,
        count(*) FILTER (kind = 'accepted') / $step AS accepted,
        count(*) FILTER (kind = 'rejected') / $step AS rejected,
        count(*) FILTER (kind = 'completed') / $step AS completed,
        count(*) FILTER (kind = 'accepted') - count(*) FILTER (kind IN ('completed', 'failed')) AS growth
    FROM events, span WHERE moment IS NOT NULL GROUP BY 1
), seen AS (
    SELECT floor(("at" - start) / ($step * 1e3))::BIGINT AS step, max(backlog) AS backlog,
        max(concurrency) AS concurrency, max(throttles) AS all_throttles, max(oldest_age_s) AS oldest_age_s
    FROM observations, span
    WHERE buffer = $buffer AND "at" BETWEEN start AND start + ($seconds + $step) * 1e3 GROUP BY 1
), steps AS (
    SELECT unnest(range(0, floor($seconds / $step)::BIGINT + 2)) AS step
)
SELECT step * $step AS second,
    coalesce(offered, 0.0) AS offered, coalesce(accepted, 0.0) AS accepted, coalesce(rejected, 0.0) AS rejected,
    coalesce(completed, 0.0) AS completed,
    sum(coalesce(growth, 0)) OVER sofar AS unended,
    backlog, concurrency, oldest_age_s,
    greatest(max(all_throttles) OVER sofar - coalesce(max(all_throttles) OVER before, 0), 0) / $step AS throttles
FROM steps LEFT JOIN rates USING (step) LEFT JOIN seen USING (step)
WINDOW sofar AS (ORDER BY step), before AS (ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
ORDER BY step
"""


def timeline(joined: "Joined", buffer: str) -> "pd.DataFrame":
    """Columns: second (from the first intended arrival), offered, accepted, rejected, completed and throttles (per
    second), backlog, concurrency and oldest_age_s (as observed, NaN where not), unended (accepted and without a result
    by then, from the rows).

    `step_s` in the frame's attrs is the width of a step in seconds, as small as keeps the steps below 600.
    """
    seconds = float(joined.frame(_SPAN, buffer=buffer).seconds[0])
    step = next((step for step in _STEPS_S if seconds / step <= _MOST_STEPS), math.ceil(seconds / _MOST_STEPS))
    frame = joined.frame(_SQL, buffer=buffer, step=step, seconds=seconds)
    frame.attrs["step_s"] = step
    return frame


def backlog(frame: "pd.DataFrame") -> "pd.Series[float]":
    """The backlog as observed; as counted from the rows if it was not observed at all."""
    return frame.unended if frame.backlog.isna().all() else frame.backlog.ffill().fillna(0.0)
