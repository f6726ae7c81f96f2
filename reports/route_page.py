"""The page of a run to a path of some HTTP server: what stands on it, from the findings."""

from typing import TYPE_CHECKING, Any, Final

from pipeline.units import NOTHING, count, duration, megabytes
from reports import route_verdict
from reports.captions import closed_model_said
from reports.palette import faces
from reports.quantiles import PERCENTILES, Quantiles, samples_needed

if TYPE_CHECKING:
    from reports.findings import Findings
    from reports.route import Answers

# A table is rows of a title, a value, and what qualifies it.
Row = tuple[str, str, str]
_TITLES: Final = {"p50": "50 % (median)", "p90": "90 %", "p95": "95 %", "p99": "99 %", "p99_9": "99.9 %"}


def parts(findings: "Findings", answers: "Answers") -> dict[str, Any]:
    """What the template shows beside what every page does."""
    (buffer,) = findings.buffers.values()
    account, sent = buffer.account, buffer.load
    late = buffer.turn.lateness_ms if buffer.turn else {}
    return {
        "faces": faces(list(findings.buffers)),
        "answers": answers,
        "headline": route_verdict.headline(findings, answers),
        "load": route_verdict.load(findings, answers),
        "closing": route_verdict.closing(findings, answers),
        "account_rows": [
            ("offered", count(account.offered), "sent by the generator"),
            ("accepted", count(account.accepted), "answered with a 2xx"),
            *((f"rejected, {status}", count(number), "answered so") for status, number in account.rejected.items()),
            ("no answer", count(account.no_answer), "timed out, or the connection broke"),
            ("data", megabytes(sent.bytes_sent), "of images, as sent"),
        ],
        "closed_model_said": closed_model_said({answers.route: (answers.latency, answers.closed_model)}, "answer"),
        "latency_rows": [
            *((title, *_quantile(answers.latency, name)) for name, title in _TITLES.items()),
            ("maximum", duration(answers.latency.max), ""),
            ("measured", count(answers.latency.n), "2xx answers"),
            ("without an answer", count(answers.latency.endless), "they rank as slower than all others"),
        ],
        "late_rows": [
            ("arrival error, median", duration(late.get("p50")), "sent minus intended"),
            ("arrival error, 99 %", duration(late.get("p99")), "more than 10 ms, and the run is not valid"),
            ("arrival error, at most", duration(late.get("max")), ""),
            ("dropped", count(buffer.turn.dropped if buffer.turn else None), "due, never sent; one is too many"),
        ],
    }


def _quantile(quantiles: Quantiles, name: str) -> tuple[str, str]:
    quantile = quantiles[name]
    if quantile is not None:
        low = "0" if quantile.low is None else duration(quantile.low)
        return duration(quantile.value), f"{low} to {'never' if quantile.high is None else duration(quantile.high)}"
    needed = samples_needed(PERCENTILES[name])
    if quantiles.n + quantiles.endless < needed:
        return NOTHING, f"needs {needed:,} samples"
    return "never", f"{count(quantiles.endless)} got no answer"
