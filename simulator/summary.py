"""What simulations showed, in words and a small table, for a terminal."""

import textwrap
from typing import TYPE_CHECKING, Final

from pipeline.prices import AS_OF, REGION
from pipeline.units import NOTHING, count, duration, listed
from simulator.cost import cost
from simulator.scorecard import latency_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.result import Result

_NAMES: Final = {
    "sns": "SNS", "sqs": "SQS", "sqs-fifo": "SQS FIFO", "kinesis": "Kinesis", "kinesis-efo": "Kinesis EFO",
}  # fmt: skip

_WIDTH: Final = 100


def summary(results: "Sequence[Result]") -> str:
    """The first line says that it is simulated; a paragraph a result; a table with a column for each."""
    one_name = {result.scenario.name for result in results}
    head = "Simulated, by AWS's documented rules: nothing ran, and nothing was measured."
    paragraphs = [_paragraph(result, named=len(one_name) > 1 or len(results) == 1) for result in results]
    prices = f"Prices: AWS's list, {REGION}, as of {AS_OF}, without free tier."
    return "\n".join([head, "", *paragraphs, "", _table(results), "", prices])


def _paragraph(result: "Result", *, named: bool) -> str:
    scenario = result.scenario
    title = _NAMES[scenario.buffer] + (f", {scenario.name}" if named else "")
    sentences = [_door(result), *_ends(result)]
    latency = latency_ms(result)
    if latency["p50"] is not None:
        tail = (
            f"99 % within {duration(latency['p99'])}" if latency["p99"] else f"the slowest {duration(latency['max'])}"
        )
        sentences.append(f"Half were done within {duration(latency['p50'])}, {tail}.")
    if result.throttles:
        sentences.append(
            f"{count(result.throttles, 'invocation was', 'invocations were')} throttled for want of a free environment."
        )
    bill = cost(result)
    if bill.lines:
        most = max(bill.lines, key=lambda line: line.usd)
        sentences.append(f"It costs US$ {_dollars(bill.total)}, most of it for {most.item}.")
    return textwrap.fill(f"{title}: {' '.join(sentences)}", width=_WIDTH)


def _door(result: "Result") -> str:
    sent = f"{count(result.offered, 'record was', 'records were')} sent"
    if not result.rejected:
        return f"{sent}, and all were taken in."
    return f"{sent}, {result.rejected:,} turned away ({_reasons(result.rejected_because)})."


def _reasons(because: "Mapping[str, int]") -> str:
    return listed([f"{number:,} {reason}" if len(because) > 1 else reason for reason, number in because.items()])


def _ends(result: "Result") -> list[str]:
    accepted = result.offered - result.rejected
    if not accepted:
        return []
    after = f", the last {duration(result.drain_s * 1_000)} after the last was sent" if result.drain_s else ""
    if result.completed == accepted:
        return [f"{'Those taken in' if result.rejected else 'All'} were done{after}."]
    sentences = [f"{result.completed:,} of them were done{after}."]
    if result.dead_lettered or result.expired:
        ways = [(result.dead_lettered, "kept aside"), (result.expired, "gone without a trace")]
        kept = listed([f"{number:,} {way}" for number, way in ways if number])
        sentences.append(f"Given up were {kept} ({_reasons(result.given_up_because)}).")
    if result.unfinished:
        sentences.append(f"{result.unfinished:,} had no end yet at second {result.scenario.until_s:g}.")
    if result.lost:
        sentences.append(f"{result.lost:,} were LOST by the simulator: a fault of it; please report the scenario.")
    return sentences


def _table(results: "Sequence[Result]") -> str:
    bills = [cost(result) for result in results]
    latencies = [latency_ms(result) for result in results]
    rows = [
        ("", [_NAMES[result.scenario.buffer] for result in results]),
        ("offered", [count(result.offered) for result in results]),
        ("rejected", [count(result.rejected) for result in results]),
        ("completed", [count(result.completed) for result in results]),
        ("dead-lettered", [count(result.dead_lettered) for result in results]),
        ("expired", [count(result.expired) for result in results]),
        ("unfinished", [count(result.unfinished) for result in results]),
        ("lost", [count(result.lost) for result in results]),
        ("duplicates", [count(result.duplicates) for result in results]),
        ("done within, 50 %", [duration(latency["p50"]) for latency in latencies]),
        ("done within, 90 %", [duration(latency["p90"]) for latency in latencies]),
        ("done within, 99 %", [duration(latency["p99"]) for latency in latencies]),
        ("slowest", [duration(latency["max"]) for latency in latencies]),
        ("drained after", [duration(None if result.drain_s is None else result.drain_s * 1_000) for result in results]),
        ("throttles", [count(result.throttles) for result in results]),
        ("cold starts", [count(result.cold_starts) for result in results]),
        ("peak concurrency", [count(result.peak_concurrency) for result in results]),
        ("US$", [_dollars(bill.total) for bill in bills]),
        ("US$ a million completed", [_dollars(bill.per_million_completed) for bill in bills]),
    ]
    widths = [max(len(cells[column]) for _, cells in rows) for column in range(len(results))]
    first = max(len(title) for title, _ in rows)
    return "\n".join(
        f"{title:<{first}}  {'  '.join(f'{cell:>{width}}' for cell, width in zip(cells, widths, strict=True))}".rstrip()
        for title, cells in rows
    )


def _dollars(amount: float | None) -> str:
    if amount is None:
        return NOTHING
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.2g}"
