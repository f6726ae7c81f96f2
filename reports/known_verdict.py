"""What a run showed whose clients waited for their results, in plain words and as a table for a terminal."""

from typing import TYPE_CHECKING, Final

from pipeline.units import NOTHING, count, duration, listed
from reports.doors import DOORS, polling_usd
from reports.quantiles import PERCENTILES, samples_needed
from reports.way_faces import way_faces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.accounting import Account
    from reports.findings import Findings
    from reports.time_to_know import Knowing

_HEADS: Final = (
    "",
    "p50",
    "p90",
    "p99",
    "max",
    "n",
    "stored p50",
    "after it",
    "requests",
    "not taken",
    "lost",
    "untold",
)
_WHERE: Final = {
    "local": "It ran on the embedded AWS of one machine, not on AWS",
    "aws": "It ran on AWS",
}


def headline(findings: "Findings") -> str:
    """The verdict in one line."""
    look = way_faces(findings.knowing)
    lost = [look[name].name for name, way in findings.knowing.items() if way.lost]
    if lost:
        return f"{listed(lost)} lost accepted requests."
    untold = {name: way.untold for name, way in findings.knowing.items() if way.untold}
    if untold:
        told = [f"{number:,} by {look[name].name}" for name, number in untold.items()]
        return f"When their turns ended, clients did not know results that were stored: {listed(told)}."
    times = {name: half for name, way in findings.knowing.items() if (half := way.known.typical) is not None}
    if len(times) < 2:
        return "Every accepted request came to an end, and its client knows."
    first, *_, last = sorted(times, key=lambda name: times[name])
    halves = all(way.known.p50 is not None for way in findings.knowing.values())
    how = "half of the clients knew their result within" if halves else "on average clients knew their result after"
    return f"{look[first].name}: {how} {duration(times[first])}; {look[last].name}: {duration(times[last])}."


def load(findings: "Findings") -> str:
    """What was sent."""
    loads = [buffer.load for buffer in findings.buffers.values()]
    numbers = {each.requests for each in loads}
    sent = (
        f"By each of {len(loads)} ways {'the same ' if len(loads) > 1 else ''}{count(min(numbers), 'request')} went out"
        if len(numbers) == 1
        else f"By {len(loads)} ways {min(numbers):,} to {count(max(numbers), 'request')} went out"
    )
    where = _WHERE.get(findings.run.target or "", "Its target is not told")
    return f"{sent} in {duration(max(each.span_s for each in loads) * 1_000)}. {where}."


def closing(findings: "Findings") -> tuple[str, ...]:
    """What polling costs and what a handler in front does, where the run shows it."""
    return (*_polling(findings), *_doors(findings))


def sums(account: "Account", way: "Knowing") -> str:
    """What became of a way's requests, and whether their clients know."""
    ends = (
        f"{account.accepted:,} accepted = {account.completed:,} completed + {account.failed:,} failed + "
        f"{account.dead_lettered:,} dead-lettered + {account.unfinished:,} unfinished + {way.lost:,} lost"
    )
    unstored = f" + {way.unstored:,} unstored" if way.unstored else ""
    return f"{ends}{unstored}; {way.known.n:,} known"


def table(findings: "Findings") -> str:
    """The times to know, a line a way, as wide as its cells."""
    look = way_faces(findings.knowing)
    rows: list[Sequence[str]] = [_HEADS]
    rows += [
        (
            look[name].name,
            *(duration(way.known.value(p)) for p in ("p50", "p90", "p99")),
            duration(way.known.max),
            count(way.known.n),
            duration(way.stored.typical),
            duration(way.behind.typical),
            NOTHING if way.requests_per_result is None else f"{way.requests_per_result:.2f}",
            count(findings.buffers[name].account.offered - findings.buffers[name].account.accepted),
            count(way.lost),
            count(way.untold),
        )
        for name, way in findings.knowing.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            (row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
        )
        for row in rows
    ]
    needed = ", ".join(f"{name} needs {samples_needed(PERCENTILES[name]):,}" for name in ("p50", "p90", "p99"))
    return "\n".join(
        [
            "Time to know, from the intended send until the client has its result",
            *lines,
            f"Where too few results were known for a percentile stands {NOTHING}: {needed}.",
        ]
    )


def plain(findings: "Findings", page: "Path") -> str:
    """The verdict for a terminal; the table comes last, where the eye is."""
    look = way_faces(findings.knowing)
    width = max(len(face.name) for face in look.values())
    account = [
        f"{look[name].name:<{width}}  {sums(findings.buffers[name].account, way)}"
        for name, way in findings.knowing.items()
    ]
    wrong = [f"NOT VALID: {reason}" for reason in findings.invalid_because]
    if not findings.valid and not wrong:
        wrong = ["NOT VALID, without a reason given"]
    said = [headline(findings), load(findings), *closing(findings), *wrong]
    return "\n".join([*account, "", *said, "", table(findings), "", f"Report: {page}"])


def _polling(findings: "Findings") -> list[str]:
    look = way_faces(findings.knowing)
    told = []
    for name, way in findings.knowing.items():
        late, usd = way.behind.typical, polling_usd(way.asked_per_result)
        if way.door != "handler" and late is not None and usd is not None and way.asked_per_result is not None:
            told.append(
                f"{look[name].name}: {duration(late)} after the result was stored, for {way.asked_per_result:.1f} "
                f"questions a result, ${usd:.2f} a million results"
            )
    return [f"{'; '.join(told)}."] if told else []


def _doors(findings: "Findings") -> list[str]:
    if len(findings.by_door) < len(DOORS):
        return []
    proxy, handler = (findings.by_door[door] for door in DOORS)
    half = {door: passage.response.value("p50") for door, passage in findings.by_door.items()}
    if half["proxy"] is None or half["handler"] is None:
        return []
    text = (
        f"Accepted straight from API Gateway: half within {duration(half['proxy'])}; by the request handler: within "
        f"{duration(half['handler'])}, with an invocation for each request"
    )
    if proxy.usd_per_million is not None and handler.usd_per_million is not None:
        text += f", ${handler.usd_per_million:.2f} a million at the door in place of ${proxy.usd_per_million:.2f}"
    return [f"{text}."]
