"""What the run showed, in plain words. Every sentence is computed; none is said of a run it is not true of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.units import count, duration, listed, share
from reports.palette import Face, faces

if TYPE_CHECKING:
    from pathlib import Path

    from reports.accounting import Account
    from reports.findings import BufferFindings, Findings

_TARGETS: Final = {
    "local": "It ran on the embedded AWS of one machine, not on AWS",
    "aws": "It ran on AWS",
    "simulated": "Nothing ran: it was simulated, by AWS's documented rules",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`headline` in one line, `load` what was sent, a text a buffer, and the `closing` sentences."""

    headline: str
    load: str
    buffers: dict[str, str]
    closing: tuple[str, ...]


def verdict(findings: "Findings") -> Verdict:
    """The verdict on a run."""
    look = faces(list(findings.buffers))
    return Verdict(
        headline=_headline(findings, look),
        load=_load(findings, look),
        buffers={name: _buffer(buffer) for name, buffer in findings.buffers.items()},
        closing=(*_closing(findings, look),),
    )


def sum_line(account: "Account") -> str:
    """The sum of an account, which always holds."""
    return (
        f"{account.accepted:,} accepted = {account.completed:,} completed + {account.failed:,} failed + "
        f"{account.dead_lettered:,} dead-lettered + {account.unfinished:,} unfinished + {account.lost:,} lost"
    )


def plain(findings: "Findings", page: "Path") -> str:
    """The verdict for a terminal."""
    said = verdict(findings)
    look = faces(list(findings.buffers))
    width = max(len(face.name) for face in look.values())
    sums = [f"{look[name].name:<{width}}  {sum_line(buffer.account)}" for name, buffer in findings.buffers.items()]
    texts = [f"{look[name].name}: {text}" for name, text in said.buffers.items()]
    wrong = [f"NOT VALID: {reason}" for reason in findings.invalid_because]
    if not findings.valid and not wrong:
        wrong = ["NOT VALID, without a reason given"]
    return "\n".join([*sums, "", said.headline, said.load, *texts, *said.closing, *wrong, "", f"Report: {page}"])


def _headline(findings: "Findings", look: dict[str, Face]) -> str:
    said = _found(findings, look)
    return f"Simulated: {said}" if findings.run.is_simulated else said


def _found(findings: "Findings", look: dict[str, Face]) -> str:
    buffers = findings.buffers
    lost = [look[name].name for name, buffer in buffers.items() if buffer.account.lost]
    if lost:
        return f"{listed(lost)} lost accepted requests."
    cut_off = [look[name].name for name, buffer in buffers.items() if buffer.account.unfinished and _cut_off(buffer)]
    if cut_off:
        return f"{listed(cut_off)} did not get through in time."
    if any(buffer.account.unfinished for buffer in buffers.values()):
        return "The run broke off: how it ended is not known of every request."
    drained = {name: buffer.drain_s for name, buffer in buffers.items() if buffer.drain_s is not None}
    if len(drained) < 2 or len(drained) < len(buffers):
        return "Every accepted request came to an end."
    first, *_, last = sorted(drained, key=lambda name: drained[name])
    if drained[last] - drained[first] < 2:
        return f"{listed([look[name].name for name in buffers])} were done within two seconds of each other."
    return (
        f"{look[first].name} was done {duration(drained[first] * 1000)} after the last arrival, "
        f"{look[last].name} took {duration(drained[last] * 1000)}."
    )


def _load(findings: "Findings", look: dict[str, Face]) -> str:
    loads = {name: buffer.load for name, buffer in findings.buffers.items()}
    numbers = {load.requests for load in loads.values()}
    one = next(iter(loads.values()))
    if len(numbers) == 1:
        whom = (
            f"Each of {listed([look[name].name for name in loads])}" if len(loads) > 1 else look[next(iter(loads))].name
        )
        what = f"{whom} was sent {'the same ' if _same(findings) else ''}{count(one.requests, 'request')}"
    else:
        what = "Sent were " + listed([f"{load.requests:,} to {look[name].name}" for name, load in loads.items()])
    busiest = {load.busiest_second for load in loads.values()}
    peak = f"{max(busiest):,}" if len(busiest) == 1 else f"{min(busiest):,} to {max(busiest):,}"
    where = _TARGETS.get(findings.run.target or "", "Its target is not told")
    return f"{what} in {duration(one.span_s * 1000)}, {peak} in the busiest second. {where}."


def _same(findings: "Findings") -> bool:
    same = findings.sameness
    return same.schedule_ms is not None and same.schedule_ms < 1 and not same.only_some and not same.other_images


def _buffer(buffer: "BufferFindings") -> str:
    account, seen, latency = buffer.account, buffer.observed, buffer.latency
    sentences = [_door(account)]
    if seen.peak_backlog:
        sentences.append(f"At the worst, {count(seen.peak_backlog, 'request')} waited.")
    if seen.throttles:
        sentences.append(
            f"{count(seen.throttles, 'delivery was', 'deliveries were')} throttled for want of a free execution "
            "environment, and tried again later."
        )
    elif seen.throttles == 0:
        sentences.append("No delivery was throttled.")
    p50, p99 = latency.value("p50"), latency.value("p99")
    if p50 is not None:
        tail = f"99 % within {duration(p99)}" if p99 is not None else f"the slowest result took {duration(latency.max)}"
        sentences.append(f"Half of the accepted requests had their result within {duration(p50)}, {tail}.")
    if buffer.drain_s is not None:
        sentences.append(f"The last request ended {duration(buffer.drain_s * 1000)} after the last arrival.")
    sentences.extend(_ends(account, cut_off=_cut_off(buffer)))
    return " ".join(sentences)


def _cut_off(buffer: "BufferFindings") -> bool:
    return buffer.turn is not None and buffer.turn.cut_off


def _door(account: "Account") -> str:
    if not account.offered:
        return "Nothing was sent to it."
    text = f"Took in {account.accepted:,} of {account.offered:,}"
    if account.accepted == account.offered:
        text = f"Took in all {account.offered:,}"
    away = [f"answered {number:,} with {status}" for status, number in account.rejected.items()]
    if account.no_answer:
        away.append(f"gave no answer to {account.no_answer:,}")
    return f"{text}; {listed(away)}." if away else f"{text}."


def _ends(account: "Account", *, cut_off: bool) -> list[str]:
    ends = []
    if account.failed:
        ends.append(f"{count(account.failed, 'request')} ended as failed, with a reason.")
    if account.dead_lettered:
        ends.append(f"{count(account.dead_lettered, 'request was', 'requests were')} given up and dead-lettered.")
    if account.unfinished:
        part = f"{count(account.unfinished, 'request')} ({share(account.unfinished, account.accepted)})"
        ends.append(f"{part} had no end yet when it was cut off." if cut_off else f"{part} without an end on record.")
    if account.lost:
        ends.append(f"{count(account.lost, 'request was', 'requests were')} LOST: accepted, and in none of the above.")
    if account.duplicates:
        ends.append(f"{count(account.duplicates, 'delivery was a duplicate', 'deliveries were duplicates')}.")
    return ends


def _closing(findings: "Findings", look: dict[str, Face]) -> list[str]:
    sentences = []
    accounts = [buffer.account for buffer in findings.buffers.values()]
    if not any(account.lost or account.unfinished for account in accounts) and any(
        account.accepted for account in accounts
    ):
        sentences.append("Of what was accepted, everything came to an end and nothing was lost.")
    medians = {name: buffer.latency.p50 for name, buffer in findings.buffers.items() if buffer.latency.p50 is not None}
    if len(medians) > 1:
        first, *others = sorted(medians, key=lambda name: medians[name].value)
        high = medians[first].high
        # Two intervals that do not overlap differ by more than their sampling; the converse does not hold.
        behind = [name for name in others if high is not None and (medians[name].low or 0) > high]
        if len(behind) == len(others):
            sentences.append(
                f"By the median {look[first].name} was the fastest, {duration(medians[first].value)} against "
                + listed([f"{duration(medians[name].value)} ({look[name].name})" for name in behind])
                + "; the 95 % intervals do not overlap."
            )
        else:
            close = [look[name].name for name in (first, *others) if name not in behind]
            slower = f"; {listed([look[name].name for name in behind])} was slower" if behind else ""
            sentences.append(
                f"By the median {listed(close)} cannot be told apart: their 95 % intervals overlap{slower}."
            )
    return sentences
