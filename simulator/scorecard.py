"""A result as JSON: the sums, the latencies, the seconds and the bill. The same result, the same bytes.

What has too few samples is null. Latencies run from sent to stored, over all records that were taken in: one that was
never done ranks above all that were, as in the report of a measured run, so that giving up does not look fast.
"""

import json
import math
from typing import TYPE_CHECKING, Any, Final

from pipeline.bill import prices_used
from pipeline.bill import to_json as lines_to_json
from simulator.cost import cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.result import Floats, Result

PERCENTILES: Final = (10, 50, 90, 99)
SERIES: Final = ("t", "offered", "completed", "backlog", "concurrency", "pollers")
# As the report's: a percentile needs so many samples beyond it, or says more about one of them than about the system.
_BEYOND: Final = 10


def scorecard(result: "Result") -> dict[str, Any]:
    """The document of a result."""
    scenario = result.scenario
    return {
        "target": "simulated",
        "name": scenario.name,
        "seed": scenario.seed,
        "buffer": scenario.buffer,
        "offered": result.offered,
        "accepted": result.offered - result.rejected,
        "rejected": result.rejected,
        "rejected_because": dict(sorted(result.rejected_because.items())),
        "completed": result.completed,
        "failed": result.failed,
        "dead_lettered": result.dead_lettered,
        "expired": result.expired,
        "given_up_because": dict(sorted(result.given_up_because.items())),
        "unfinished": result.unfinished,
        "lost": result.lost,
        "duplicates": result.duplicates,
        "drain_s": _rounded(result.drain_s),
        "cold_starts": result.cold_starts,
        "throttles": result.throttles,
        "peak_concurrency": result.peak_concurrency,
        "latency_ms": latency_ms(result),
        "series": [{key: getattr(second, key) for key in SERIES} for second in result.series],
        "cost": bill(result),
    }


def latency_ms(result: "Result") -> dict[str, float | int | None]:
    """The percentiles, the maximum and the number of measured latencies."""
    took = result.latency_ms
    taken_in = result.offered - result.rejected
    return {
        **{f"p{percent}": _percentile(took, taken_in, percent) for percent in PERCENTILES},
        "max": _rounded(float(took[-1])) if len(took) else None,
        "n": len(took),
    }


def _percentile(ascending: "Floats", total: int, percent: int) -> float | None:
    """Of `total` samples the rest, which never ended, ranks last."""
    rank = -(-percent * total // 100)
    if total * min(percent, 100 - percent) < 100 * _BEYOND or rank > len(ascending):
        return None
    return _rounded(float(ascending[rank - 1]))


def bill(result: "Result") -> dict[str, Any]:
    """What it costs, line by line."""
    found = cost(result)
    return {
        **prices_used(),
        "total": _rounded(found.total),
        "per_million_completed": _rounded(found.per_million_completed),
        "lines": lines_to_json(found.lines),
    }


def _rounded(value: float | None) -> float | None:
    """To six digits after the point: no clock here tells more, and a diff stays readable."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 6)


def to_json(results: "Sequence[Result]") -> str:
    """The document of a result as it stands in a file; of several, a list of them."""
    documents = [scorecard(result) for result in results]
    return json.dumps(documents[0] if len(documents) == 1 else documents, indent=2, allow_nan=False) + "\n"
