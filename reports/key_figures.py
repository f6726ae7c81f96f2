"""The figures that two runs are compared by, and that the repeats of a run are summed up in: where each stands in a
scorecard, and what kind of number it is. In all of them more is worse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from pipeline.units import NOTHING, count, duration
from reports.quantiles import PERCENTILES


class Kind(StrEnum):
    """What kind of number a figure is, and so what its noise is like."""

    DURATION = "duration"
    """Varies in proportion to itself."""
    COUNT = "count"
    """A number of events."""
    MUST_BE_ZERO = "must be zero"
    """A number of events that are faults, not chance."""
    USD = "usd"
    """Money; varies in proportion to itself."""


class Sample(StrEnum):
    """What a quantile is one of: a measure that each request has."""

    RESULT = "time to result"
    RESPONSE = "time to the answer"
    KNOWN = "time to know"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure. `path` is where it stands below its buffer (or way) in scorecard.json, with dots.

    `unit` is ms, s, usd or empty. A quantile names its `sample` and `p`.
    """

    path: str
    title: str
    kind: Kind
    unit: str = ""
    sample: Sample | None = None
    p: Fraction | None = None

    def of(self, entry: Mapping[str, Any]) -> float | None:
        """The figure in a buffer's entry of a scorecard; None if it is not there, or null."""
        found: Any = entry
        for part in self.path.split("."):
            if not isinstance(found, Mapping):
                return None
            found = found.get(part)
        if isinstance(found, Mapping):  # rejected, by the status
            return float(sum(found.values()))
        return None if found is None else float(found)

    def text(self, value: float | None) -> str:
        """A value of this figure for a reader."""
        if value is None:
            return NOTHING
        if self.kind is Kind.USD:
            return f"{value:,.2f}"
        if self.kind is Kind.DURATION:
            return duration(value * 1_000 if self.unit == "s" else value)
        return count(int(value)) if value == int(value) else f"{value:,.1f}"


_NAMES: Final = {"p50": "50 %", "p90": "90 %", "p95": "95 %", "p99": "99 %", "p99_9": "99.9 %"}


def _quantiles(prefix: str, title: str, sample: Sample, *names: str) -> tuple[KeyFigure, ...]:
    return tuple(
        KeyFigure(f"{prefix}{name}", f"{title}, {_NAMES[name]}", Kind.DURATION, "ms", sample, PERCENTILES[name])
        for name in names
    )


def _counts(**titles: str) -> tuple[KeyFigure, ...]:
    return tuple(KeyFigure(path, title, Kind.COUNT) for path, title in titles.items())


_ENDS: Final = _counts(
    rejected="turned away", failed="failed", dead_lettered="dead-lettered", unfinished="unfinished at the cut-off"
)
_LOST: Final = KeyFigure("lost", "lost", Kind.MUST_BE_ZERO)

# By the scorecard's section: buffers, the way to some HTTP server, and the ways by which clients learn of results.
OF_BUFFER: Final = (
    *_quantiles("latency_ms.", "time to result", Sample.RESULT, *PERCENTILES),
    *_quantiles("response_ms.", "until the gateway's 202", Sample.RESPONSE, "p50", "p90", "p99"),
    KeyFigure("drain_s", "time to drain", Kind.DURATION, "s"),
    _LOST,
    *_ENDS,
    *_counts(duplicates="duplicates", throttles="throttles"),
    KeyFigure("reordered.in_all.delivered", "overtaken on the way to the function", Kind.COUNT),
    KeyFigure("cost.per_million_delivered", "USD a million delivered", Kind.USD, "usd"),
)
OF_ROUTE: Final = (
    *_quantiles("latency_ms.", "until the answer", Sample.RESPONSE, *PERCENTILES),
    *_counts(rejected="turned away or without an answer"),
)
OF_WAY: Final = (
    *_quantiles("", "until the client knows", Sample.KNOWN, "p50", "p90", "p99"),
    _LOST,
    KeyFigure("untold", "stored and never told", Kind.MUST_BE_ZERO),
    *_ENDS,
)


def entries(card: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The buffers, or ways, of a scorecard."""
    found: Mapping[str, Mapping[str, Any]] = card.get("time_to_know") or card.get("buffers") or {}
    return found


def key_figures(card: Mapping[str, Any]) -> tuple[KeyFigure, ...]:
    """The figures that a scorecard has of each of its entries."""
    if "time_to_know" in card:
        return OF_WAY
    return OF_ROUTE if any("route" in entry for entry in entries(card).values()) else OF_BUFFER
