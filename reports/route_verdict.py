"""What a run to a path of some HTTP server showed, in plain words."""

from typing import TYPE_CHECKING

from pipeline.units import count, duration, listed, share
from reports.quantiles import PERCENTILES, samples_needed

if TYPE_CHECKING:
    from pathlib import Path

    from reports.findings import Findings
    from reports.route import Answers


def headline(findings: "Findings", answers: "Answers") -> str:
    """The verdict in one line."""
    account = next(iter(findings.buffers.values())).account
    if not account.accepted:
        return f"{answers.route} accepted nothing of what was sent to it."
    tail = next((name for name in ("p99", "p95", "p90", "p50") if answers.latency[name] is not None), None)
    if tail is None:
        return f"{answers.route} answered; its slowest answer took {duration(answers.latency.max)}."
    return (
        f"{float(PERCENTILES[tail]) * 100:g} % of what {answers.route} answered was answered within "
        f"{duration(answers.latency.value(tail))} of when it was due."
    )


def load(findings: "Findings", answers: "Answers") -> str:
    """What was sent, and how it was taken."""
    buffer = next(iter(findings.buffers.values()))
    account, sent = buffer.account, buffer.load
    away = [f"answered {number:,} with {status}" for status, number in account.rejected.items()]
    if account.no_answer:
        away.append(f"gave no answer to {account.no_answer:,}{_because(answers)}")
    to = f"{answers.host or ''}{answers.route}"
    requests = count(sent.requests, "request")
    if account.dropped:
        requests = f"{sent.requests:,} of the {account.offered + account.dropped:,} requests that were due"
    return (
        f"{requests} in {duration(sent.span_s * 1000)}, {sent.busiest_second:,} in the busiest "
        f"second, POSTed to {to}, whatever its answers did (the open model). It accepted "
        f"{'all' if account.accepted == account.offered else f'{account.accepted:,} of {account.offered:,}'}"
        f"{'; it ' + listed(away) if away else ''}."
    )


def _because(answers: "Answers") -> str:
    return f" (most often: {answers.unanswered_because})" if answers.unanswered_because else ""


def closing(findings: "Findings", answers: "Answers") -> tuple[str, ...]:
    """What else is to be said."""
    account = next(iter(findings.buffers.values())).account
    said = ["Of what became of the requests behind it nothing is known, and nothing is said here."]
    needed = samples_needed(PERCENTILES["p99"])
    if account.accepted and answers.latency.n < needed:
        said.append(f"A p99 needs {needed:,} answers, so that none is given.")
    if answers.latency.n and answers.latency.endless:
        part = share(answers.latency.endless, account.offered)
        said.append(f"{count(answers.latency.endless, 'request')} ({part}) without an answer rank as slowest.")
    return tuple(said)


def plain(findings: "Findings", page: "Path") -> str:
    """The verdict for a terminal."""
    answers = findings.answers
    assert answers is not None, "a run to a route has answers"
    wrong = [f"NOT VALID: {reason}" for reason in findings.invalid_because]
    figures = "  ".join(
        f"{name.replace('_', '.')} {duration(answers.latency.value(name))}"
        for name in PERCENTILES
        if answers.latency[name] is not None
    )
    measured = f"{answers.route}  {figures}  max {duration(answers.latency.max)}  n {answers.latency.n:,}"
    return "\n".join(
        [
            *((measured, "") if answers.latency.n else ()),
            headline(findings, answers),
            load(findings, answers),
            *closing(findings, answers),
            *wrong,
            "",
            f"Report: {page}",
        ]
    )
