"""Whether a run counts: how late its generator was, and whether every arrival was sent and is on record."""

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.run import RunFolder, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of the latencies this load test is to tell apart, the smallest are some ten milliseconds.
LATEST_P99_MS: Final = 10.0
# One request in a hundred of fewer than these is no measure: such a buffer is judged together with the others.
LEAST_JUDGED_ALONE: Final = 100


@dataclass(frozen=True, slots=True)
class Lateness:
    """Sent minus intended, in milliseconds, over the requests that were sent. None without any."""

    p50: float | None
    p99: float | None
    max: float | None
    n: int

    @property
    def is_late(self) -> bool:
        """Whether it is more than a run may have that is to count."""
        return self.p99 is not None and self.p99 > LATEST_P99_MS

    def to_json(self) -> "dict[str, Any]":
        """As run.json has it."""
        return {"p50": self.p50, "p99": self.p99, "max": self.max, "n": self.n}


def lateness_of(late_ms: "Sequence[float]") -> Lateness:
    """The quantiles, each the smallest value that no less than that part of all lie at or below."""
    ordered = sorted(late_ms)
    if not ordered:
        return Lateness(None, None, None, 0)

    def quantile(part: float) -> float:
        return round(ordered[math.ceil(part * len(ordered)) - 1], 3)

    return Lateness(quantile(0.5), quantile(0.99), round(ordered[-1], 3), len(ordered))


@dataclass(frozen=True, slots=True)
class Generated:
    """What the rows say of the generator. `dropped` arrivals were due but never sent; `lost_rows` are not on record.

    `lateness` is of the whole run, `by_buffer` of each buffer's turn: one late turn must not hide behind the others.
    """

    lateness: Lateness
    by_buffer: "Mapping[str, Lateness]"
    dropped: int
    lost_rows: int

    def faults(self) -> list[str]:
        """Why the run does not count, in plain words; empty if it does."""
        faults = [
            _late(f"of the requests to {buffer}", lateness)
            for buffer, lateness in self.by_buffer.items()
            if lateness.n >= LEAST_JUDGED_ALONE and lateness.is_late
        ]
        if not faults and self.lateness.is_late:
            faults.append(_late("of the requests", self.lateness))
        if self.dropped:
            faults.append(
                f"{self.dropped:,} arrivals were never sent, because too many requests were in flight; "
                "raise --most-in-flight or lower the rate"
            )
        if self.lost_rows:
            faults.append(f"{self.lost_rows:,} requests are missing from the record")
        return faults


def _late(whose: str, lateness: Lateness) -> str:
    return (
        f"the load generator was late: 1 % {whose} left {lateness.p99:.1f} ms or more after their time, "
        f"{LATEST_P99_MS:g} ms is the limit; this machine was too busy for this rate"
    )


def examine(folder: RunFolder, offered: "Mapping[str, int]") -> Generated:
    """Read every row of requests; `offered` is how many arrivals came due, by buffer."""
    late: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    dropped = 0
    rows: Counter[str] = Counter()
    for path in folder.all_requests():
        for row in read_rows(path):
            rows[row["buffer"]] += 1
            if row["sent_at"] is not None:
                late[row["buffer"]].append(row["sent_at"] - row["intended_at"])
            elif str(row["error"]).startswith("dropped"):
                dropped += 1
    lost = sum(abs(count - rows[buffer]) for buffer, count in offered.items())
    by_buffer = {buffer: lateness_of(late[buffer]) for buffer in offered}
    return Generated(lateness_of([each for turn in late.values() for each in turn]), by_buffer, dropped, lost)
