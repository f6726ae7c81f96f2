"""Whether a run counts: how late its generator was, and whether every arrival was sent and is on record."""

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.run import RunFolder, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Of the latencies this load test is to tell apart, the smallest are some ten milliseconds.
LATEST_P99_MS: Final = 10.0
# One request in a hundred of fewer than these is no measure: such a buffer is judged together with the others.
LEAST_JUDGED_ALONE: Final = 100
_OK: Final = 200
_REDIRECTS: Final = 300
_REFUSALS: Final = 400
# A server's word on too much load, which is what a load test may be after. Others are of a request it never takes.
_OF_LOAD: Final = (429, 502, 503, 504)


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


@dataclass(slots=True)
class Answers:
    """What a way's requests were answered: how many each status, or each error where there was no answer (status 0).

    `said` is the first error of each.
    """

    accepted: int = 0
    failed: "Counter[tuple[int, str]]" = field(default_factory=Counter)
    said: dict[int, str] = field(default_factory=dict)

    def count(self, status: int, error: str | None) -> None:
        """One request."""
        if _OK <= status < _REDIRECTS:
            self.accepted += 1
            return
        self.said.setdefault(status, str(error))
        # Two errors of one status may differ in an id; those without an answer are told apart by nothing else.
        self.failed[status, "" if status else str(error)] += 1

    @property
    def fault(self) -> str | None:
        """Why they are no measurement of the server, if none was accepted and that is not for the load."""
        if self.accepted or not self.failed:
            return None
        (status, error), times = self.failed.most_common(1)[0]
        if status in _OF_LOAD:
            return None
        said = self.said[status]
        what = error or (said if said.startswith(f"HTTP {status}") else f"HTTP {status}: {said}")
        told = f"accepted none of its {self.failed.total():,} requests; {times:,} ended with: {what}"
        return f"{told}. {_cure(status, what)}"


def _cure(status: int, what: str) -> str:
    if not status and "stopped" in what:
        return "No answer came before the end; see what the server does, or raise cut_off_s"
    if not status:
        return "See that --host is where the server is, with the scheme (http or https) that it speaks"
    if _REDIRECTS <= status < _REFUSALS:
        return "Redirects are not followed: give --host and route as they lead to"
    if status in (401, 403):
        return "See what it asks of its callers (--authentication)"
    if status in (404, 405):
        return "See that it takes a POST at this path"
    return "See why the server refuses them"


@dataclass(frozen=True, slots=True)
class Generated:
    """What the rows say of the generator. `dropped` arrivals were due but never sent; `lost_rows` are not on record.

    `lateness` is of the whole run, `by_buffer` of each buffer's turn: one late turn must not hide behind the others.
    `answers` are those to each buffer's requests.
    """

    lateness: Lateness
    by_buffer: "Mapping[str, Lateness]"
    dropped: int
    lost_rows: int
    answers: "Mapping[str, Answers]" = field(default_factory=dict)

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
        return [*faults, *self._none_accepted()]

    def _none_accepted(self) -> "Iterable[str]":
        return (f"{buffer} {answers.fault}" for buffer, answers in self.answers.items() if answers.fault is not None)


def _late(whose: str, lateness: Lateness) -> str:
    return (
        f"the load generator was late: 1 % {whose} left {lateness.p99:.1f} ms or more after their time, "
        f"{LATEST_P99_MS:g} ms is the limit; this machine was too busy for this rate"
    )


def examine(folder: RunFolder, offered: "Mapping[str, int]") -> Generated:
    """Read every row of requests; `offered` is how many arrivals came due, by buffer."""
    late: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    answers: defaultdict[str, Answers] = defaultdict(Answers)
    dropped = 0
    rows: Counter[str] = Counter()
    for path in folder.all_requests():
        for row in read_rows(path):
            rows[row["buffer"]] += 1
            if row["sent_at"] is not None:
                late[row["buffer"]].append(row["sent_at"] - row["intended_at"])
                answers[row["buffer"]].count(row["status"], row["error"])
            elif str(row["error"]).startswith("dropped"):
                dropped += 1
    lost = sum(abs(count - rows[buffer]) for buffer, count in offered.items())
    by_buffer = {buffer: lateness_of(late[buffer]) for buffer in offered}
    return Generated(lateness_of([each for turn in late.values() for each in turn]), by_buffer, dropped, lost, answers)
