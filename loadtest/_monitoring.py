"""The monitoring of a run: what is told of its turns by someone who tells it late, read when the run is over."""

import time
from typing import TYPE_CHECKING, Any

from loadtest._target import TargetError
from pipeline.run import MONITORING_COLUMNS, RowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gevent.event import Event

    from loadtest._target import Monitoring


def collect(
    monitoring: "Monitoring",
    turns: "Sequence[tuple[str, str, float]]",
    path: "Path",
    stopping: "Event",
    phase: "Callable[[str], None]",
) -> dict[str, Any]:
    """Write what is told of each turn, once the last of them is old enough or somebody is `stopping` the run.

    A turn is its way's name, its request run id and its end in seconds since the epoch. Returns what run.json says of
    it; what is missing makes no run less valid, for no figure of the load is from here.
    """
    last = max(ended_at for _, _, ended_at in turns)
    left = last + monitoring.settles_s - time.time()
    if left > 0 and not stopping.is_set():
        phase(f"waiting {left:.0f} s for the last minutes of {monitoring.source}; Ctrl-C leaves them out")
        stopping.wait(left)
    missing: list[str] = []
    read_s_after = time.time() - last
    with RowWriter(path, MONITORING_COLUMNS) as rows:
        for way, request_run_id, ended_at in turns:
            try:
                told = monitoring.told(way, request_run_id, ended_at)
            except TargetError as error:
                missing.append(str(error))
                continue
            missing.extend(told.missing)
            for row in told.rows:
                rows.write(*row)
    return {"source": monitoring.source, "read_s_after": round(read_s_after, 1), "missing": missing}
