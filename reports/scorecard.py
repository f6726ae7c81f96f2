"""scorecard.json: the few figures a machine compares, and report.json: all that the page shows.

What has too few samples, or was not told by the target, is null.
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pipeline.bill import prices_used
from pipeline.bill import to_json as to_lines
from reports.quantiles import PERCENTILES, Quantiles
from reports.simulated import simulated

if TYPE_CHECKING:
    from reports.accounting import Account
    from reports.cost import Cost
    from reports.doors import Passage
    from reports.findings import BufferFindings, Findings
    from reports.order import Order, Overtaken
    from reports.route import Answers

# What is known of the load without knowing what became of it.
_LOAD_OF_A_ROUTE: Final = ("requests", "span_s", "busiest_second", "bytes_sent", "images")


def scorecard(findings: "Findings") -> dict[str, Any]:
    """The scorecard: `run`, and for each buffer its account, latency, stages, peaks.

    Of a run whose clients waited for their results: for each way when they knew, in ms, and what the doors took.
    Of a run to some HTTP server, `buffers.route`: its answers. What is not known of one (results, backlog) is absent.
    """
    run = findings.run
    return {
        "run": {
            "id": run.id,
            "target": run.target,
            "workload": run.workload_name,
            "seed": run.seed,
            "valid": findings.valid,
            "invalid_because": list(findings.invalid_because),
            "partial": bool(findings.partial),
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "simulated": simulated(run),
        },
        **(
            {
                "time_to_know": {name: _knowing(findings, name) for name in findings.knowing},
                "doors": {name: _door(passage) for name, passage in findings.by_door.items()},
            }
            if findings.knowing
            else {
                "buffers": {
                    name: _buffer(buffer) if findings.answers is None else _answers(findings.answers, buffer.account)
                    for name, buffer in findings.buffers.items()
                }
            }
        ),
    }


def details(findings: "Findings") -> dict[str, Any]:
    """Everything the page shows and the scorecard has no room for: intervals, response times, fairness, notes."""
    if findings.answers is not None:
        return {
            "scorecard": scorecard(findings),
            "notes": list(findings.notes),
            "buffers": {
                name: {
                    "latency_ms": asdict(findings.answers.latency),
                    "arrival_error_ms": asdict(findings.answers.arrival_error),
                    "closed_model": {
                        "users": findings.answers.closed_model.users,
                        "latency_ms": asdict(findings.answers.closed_model.latency),
                    },
                    "load": {name: value for name, value in asdict(buffer.load).items() if name in _LOAD_OF_A_ROUTE},
                }
                for name, buffer in findings.buffers.items()
            },
        }
    by_way = {
        "time_to_know": {name: asdict(way) for name, way in findings.knowing.items()},
        "doors": {
            name: {part: value for part, value in asdict(passage).items() if part != "curve"}
            for name, passage in findings.by_door.items()
        },
    }
    return {
        "scorecard": scorecard(findings),
        "notes": list(findings.notes),
        "sameness": asdict(findings.sameness),
        "buffers": {
            name: {
                "account": asdict(buffer.account),
                "time_to_result_ms": asdict(buffer.latency),
                "response_ms": asdict(buffer.response),
                "stages_ms": {stage: asdict(found) for stage, found in buffer.stages.items()},
                "observed": asdict(buffer.observed),
                "load": asdict(buffer.load),
                "closed_model": {
                    "users": buffer.closed_model.users,
                    "time_to_result_ms": asdict(buffer.closed_model.latency),
                },
            }
            for name, buffer in findings.buffers.items()
        },
        **(by_way if findings.knowing else {}),
    }


def to_json(document: dict[str, Any]) -> str:
    """A document as it stands in a file."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _knowing(findings: "Findings", name: str) -> dict[str, Any]:
    way, account = findings.knowing[name], findings.buffers[name].account
    return {
        **_values(way.known, "p50", "p90", "p99"),
        "max": _rounded(way.known.max),
        "n": way.known.n,
        "requests_per_result": _rounded(way.requests_per_result),
        "stored": _values(way.stored, "p50", "p90", "p99"),
        "behind": _values(way.behind, "p50", "p90", "p99"),
        "pattern": way.pattern,
        "door": way.door,
        "interval_s": way.interval_s,
        **_sums(account),
        "lost": way.lost,
        "unstored": way.unstored,
        "untold": way.untold,
        "told_again": way.repeated,
    }


def _door(passage: "Passage") -> dict[str, Any]:
    return {
        **_values(passage.response, "p50", "p90", "p99"),
        "max": _rounded(passage.response.max),
        "n": passage.response.n,
        "invocations": passage.invocations,
        "usd_per_million": _rounded(passage.usd_per_million),
    }


def _answers(answers: "Answers", account: "Account") -> dict[str, Any]:
    return {
        "route": answers.route,
        "offered": account.offered,
        "accepted": account.accepted,
        "rejected": _rejected(account),
        "dropped": account.dropped,
        "latency_ms": _values(answers.latency, *PERCENTILES)
        | {"max": _rounded(answers.latency.max), "n": answers.latency.n, "endless": answers.latency.endless},
        "arrival_error_ms": _values(answers.arrival_error, "p50", "p99")
        | {"max": _rounded(answers.arrival_error.max), "n": answers.arrival_error.n},
    }


def _sums(account: "Account") -> dict[str, Any]:
    return {
        "offered": account.offered,
        "accepted": account.accepted,
        "rejected": _rejected(account),
        "completed": account.completed,
        "failed": account.failed,
        "dead_lettered": account.dead_lettered,
        "unfinished": account.unfinished,
    }


def _rejected(account: "Account") -> dict[str, int]:
    return account.rejected | ({"no_answer": account.no_answer} if account.no_answer else {})


def _buffer(buffer: "BufferFindings") -> dict[str, Any]:
    account = buffer.account
    return {
        **_sums(account),
        "lost": account.lost,
        "duplicates": account.duplicates,
        "latency_ms": _values(buffer.latency, *PERCENTILES)
        | {"max": _rounded(buffer.latency.max), "n": buffer.latency.n},
        "response_ms": _values(buffer.response, *PERCENTILES)
        | {"max": _rounded(buffer.response.max), "n": buffer.response.n},
        "stages_ms": {
            name: _values(stage.times, "p50", "p90", "p99") | {"n": stage.times.n}
            for name, stage in buffer.stages.items()
        },
        "drain_s": _rounded(buffer.drain_s),
        "peak_backlog": buffer.observed.peak_backlog,
        "throttles": buffer.observed.throttles,
        "cold_starts": buffer.observed.cold_starts,
        "peak_concurrency": buffer.observed.peak_concurrency,
        "reordered": _reordered(buffer.order),
        "cost": None if buffer.cost is None else _cost(buffer.cost),
    }


def _reordered(order: "Order") -> dict[str, Any]:
    return {
        "groups": order.groups,
        "in_groups": None if order.in_groups is None else _overtaken(order.in_groups),
        "in_all": _overtaken(order.in_all),
    }


def _overtaken(overtaken: "Overtaken") -> dict[str, Any]:
    return asdict(overtaken) | {"latest_ms": _rounded(overtaken.latest_ms)}


def _cost(cost: "Cost") -> dict[str, Any]:
    return {
        **prices_used(),
        "total": _dollars(cost.total),
        "per_million_accepted": _dollars(cost.per_million_accepted),
        "per_million_delivered": _dollars(cost.per_million_delivered),
        "lines": to_lines(cost.items),
        "unobserved": list(cost.unobserved),
    }


def _dollars(usd: float | None) -> float | None:
    """To the sixth digit, as each line of a bill is: what one request costs."""
    return None if usd is None else round(usd, 6)


def _values(quantiles: Quantiles, *names: str) -> dict[str, float | int | None]:
    return {name: _rounded(quantiles.value(name)) for name in names}


def _rounded(value: float | None) -> float | None:
    """To the microsecond of a ms: clocks tell no more, and a diff stays readable."""
    return None if value is None else round(value, 3)
