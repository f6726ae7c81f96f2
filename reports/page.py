"""report.html: one self-contained page, from the findings and a template."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from pipeline.units import NOTHING, count, duration, megabytes, share
from reports import cost_table, figures, known_page, order_table, route_page, templates
from reports.captions import MECHANISMS, latency_caption, timeline_caption
from reports.drawing import Form
from reports.flat import flat
from reports.palette import INKS, faces
from reports.quantiles import PERCENTILES, Quantile, Quantiles, samples_needed
from reports.simulated import kind_of, own_parameters, quotas, scenarios, shared_parameters, simulated
from reports.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.description import Description
    from reports.findings import BufferFindings, Findings

_PERCENTILE_NAMES: Final = {"p50": "50 % (median)", "p90": "90 %", "p95": "95 %", "p99": "99 %", "p99_9": "99.9 %"}
# Parameters of the template that AWS takes in seconds, without the buffer in their names.
_IN_SECONDS: Final = ("BatchingWindow", "MaximumEventAge", "MaximumRecordAge", "MessageRetention", "VisibilityTimeout")
# A table is rows of a title, a cell for each buffer, and an optional explanation.
Row = tuple[str, list[str], str]


def page(findings: "Findings") -> str:
    """The whole page."""
    if findings.knowing:
        return rendered("known.html.j2", findings, **known_page.parts(findings))
    if findings.answers is not None:
        return rendered("route.html.j2", findings, **route_page.parts(findings, findings.answers))
    buffers = list(findings.buffers.values())
    run = findings.run
    return rendered(
        "template.html.j2",
        findings,
        verdict=verdict(findings),
        faces=faces(list(findings.buffers)),
        account_rows=_account_rows(buffers, sent="by the scenario" if run.is_simulated else "sent by the generator"),
        latency_rows=_quantile_rows(buffers, lambda buffer: buffer.latency),
        response_rows=_quantile_rows(buffers, lambda buffer: buffer.response),
        stage_rows=_stage_rows(buffers, findings.stages),
        peak_rows=_peak_rows(buffers),
        order_rows=order_table.rows(buffers),
        order_said=order_table.said(buffers),
        cost_rows=cost_table.rows(buffers),
        cost_said=cost_table.said(findings),
        cost_unobserved=cost_table.unobserved(findings),
        fairness_rows=_given_rows(buffers, "payload" if run.is_simulated else "image data")
        + ([] if run.is_simulated else _delivered_rows(buffers)),
        validity_rows=_validity_rows(buffers),
        sameness=_sameness(findings),
        mechanisms={name: MECHANISMS[kind] for name in findings.buffers if (kind := kind_of(run, name)) in MECHANISMS},
        timeline_caption=timeline_caption(findings),
        latency_caption=latency_caption(findings),
        own_parameters=_own_scenarios(run)
        if run.is_simulated
        else {name: flat(_with_units(own_parameters(run, name))) for name in findings.buffers},
    )


def rendered(template: str, findings: "Findings", **parts: Any) -> str:
    """A page of a template, with what every page shows of a run and its own `parts`."""
    run = findings.run
    return templates.template(template).render(
        findings=findings,
        run=run,
        inks=INKS,
        started="at no date" if run.is_simulated else moment(run.started_at),
        figures={
            name: {
                "wide": Markup(figures.svg(name, findings, Form.PAGE)),  # noqa: S704 (our own drawing)
                "narrow": Markup(figures.svg(name, findings, Form.PHONE)),  # noqa: S704
            }
            for name in figures.names(findings)
        },
        settings={
            "Parameters of the template": flat(shared_parameters(run)),
            "Scenario": _shared_scenario(run),
            "Workload": flat({name: _rate(value) if name == "rate" else value for name, value in run.workload.items()}),
            "Generator": flat(run.generator),
            "Stack": flat(run.stack),
            "Versions": flat(run.versions),
        },
        quotas=flat(quotas(run)),
        simulated=None if run.is_simulated or (stand_ins := simulated(run)) is None else flat(stand_ins),
        **parts,
    )


def moment(at: str | float | None) -> str:
    """A point in time, given in ms since the epoch or as a text."""
    if at is None:
        return "not told"
    if isinstance(at, str):
        return at
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _shared_scenario(run: "Description") -> dict[str, str]:
    """The settings of a simulation's scenarios that are the same in all."""
    first, *others = [flat(scenario) for scenario in scenarios(run).values()] or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _own_scenarios(run: "Description") -> dict[str, dict[str, str]]:
    """Of each buffer's scenario what is not the same in all."""
    shared = _shared_scenario(run)
    return {
        buffer: {name: value for name, value in flat(scenario).items() if name not in shared}
        for buffer, scenario in scenarios(run).items()
    }


def _rate(points: object) -> object:
    """The corners of a workload's rate in words; whatever else stands there, as it stands."""
    try:
        return [f"{rate:g}/s at {second:g} s" for second, rate in points]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return points


def _with_units(settings: "Mapping[str, Any]") -> dict[str, Any]:
    return {name: f"{value} s" if name in _IN_SECONDS else value for name, value in settings.items()}


def _account_rows(buffers: "list[BufferFindings]", sent: str) -> list[Row]:
    accounts = [buffer.account for buffer in buffers]
    statuses = sorted({status for account in accounts for status in account.rejected})
    rows: list[Row] = [("offered", [count(account.offered) for account in accounts], sent)]
    rows += [
        (
            f"rejected, {status}",
            [count(account.rejected.get(status, 0)) for account in accounts],
            "answered so; not taken in",
        )
        for status in statuses
    ]
    if any(account.no_answer for account in accounts):
        rows.append(("no answer", [count(account.no_answer) for account in accounts], "the HTTP answer never came"))
    rows += [
        ("accepted", [count(account.accepted) for account in accounts], "answered 202"),
        ("= completed", [count(account.completed) for account in accounts], "a result with labels is stored"),
        ("+ failed", [count(account.failed) for account in accounts], "a result that says why not is stored"),
        ("+ dead-lettered", [count(account.dead_lettered) for account in accounts], "given up, and kept aside"),
        ("+ unfinished", [count(account.unfinished) for account in accounts], "no end yet at the cut-off"),
        ("+ lost", [count(account.lost) for account in accounts], "in none of these though the buffer ran empty"),
        ("duplicates", [count(account.duplicates) for account in accounts], "deliveries beyond a request's first"),
    ]
    return rows


def _quantile_rows(
    buffers: "list[BufferFindings]", of: "Callable[[BufferFindings], Quantiles]"
) -> list[tuple[str, list[Any]]]:
    measured = [of(buffer) for buffer in buffers]
    rows: list[tuple[str, list[Any]]] = [
        (title, [_cell(quantiles, name) for quantiles in measured]) for name, title in _PERCENTILE_NAMES.items()
    ]
    rows.append(("maximum", [{"value": duration(quantiles.max), "interval": ""} for quantiles in measured]))
    rows.append(("measured", [{"value": count(quantiles.n), "interval": ""} for quantiles in measured]))
    if any(quantiles.endless for quantiles in measured):
        rows.append(
            ("without a result", [{"value": count(quantiles.endless), "interval": ""} for quantiles in measured])
        )
    return rows


def _cell(quantiles: Quantiles, name: str) -> dict[str, str]:
    quantile = quantiles[name]
    if quantile is not None:
        return {"value": duration(quantile.value), "interval": _interval(quantile)}
    needed = samples_needed(PERCENTILES[name])
    if quantiles.n + quantiles.endless < needed:
        return {"value": NOTHING, "interval": f"needs {needed:,} samples"}
    return {"value": "never", "interval": f"{share(quantiles.endless, quantiles.n + quantiles.endless)} got no result"}


def _interval(quantile: Quantile) -> str:
    low = "0" if quantile.low is None else duration(quantile.low)
    return f"{low} to {'never' if quantile.high is None else duration(quantile.high)}"


def _stage_rows(
    buffers: "list[BufferFindings]", stages: dict[str, str]
) -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    rows = []
    for name, meaning in stages.items():
        cells = []
        for times in (buffer.stages[name].times for buffer in buffers):
            further = [
                f"{title} {duration(times.value(p))}" for p, title in (("p90", "90 %"), ("p99", "99 %")) if times[p]
            ]
            cells.append((duration(times.value("p50")), [*further, f"n {count(times.n)}"]))
        rows.append((name.replace("_", " "), meaning, cells))
    return rows


def _peak_rows(buffers: "list[BufferFindings]") -> list[Row]:
    seen = [buffer.observed for buffer in buffers]

    def seconds(value: float | None) -> str:
        return duration(None if value is None else value * 1000)

    return [
        (
            "time to drain",
            [seconds(buffer.drain_s) for buffer in buffers],
            "from the last intended send to the last ending",
        ),
        ("peak backlog", [count(one.peak_backlog) for one in seen], "accepted and not yet ended, seen once a second"),
        ("oldest waiting", [seconds(one.oldest_age_s) for one in seen], "the greatest age seen"),
        ("throttles", [count(one.throttles) for one in seen], "deliveries refused for want of concurrency"),
        ("peak concurrency", [count(one.peak_concurrency) for one in seen], "execution environments busy at once"),
        ("cold starts", [count(one.cold_starts) for one in seen], "environments that had to be started"),
    ]


def _given_rows(buffers: "list[BufferFindings]", data: str) -> list[Row]:
    loads = [buffer.load for buffer in buffers]
    return [
        ("requests sent", [count(load.requests) for load in loads], ""),
        ("scheduled", [count(buffer.turn.scheduled if buffer.turn else None) for buffer in buffers], ""),
        ("over", [duration(load.span_s * 1000) for load in loads], "first to last intended send"),
        ("busiest second", [count(load.busiest_second) for load in loads], "requests"),
        (data, [megabytes(load.bytes_sent) for load in loads], "as sent"),
    ]


def _delivered_rows(buffers: "list[BufferFindings]") -> list[Row]:
    loads = [buffer.load for buffer in buffers]

    def mean(value: float | None) -> str:
        return NOTHING if value is None else f"{value:.2f}"

    return [
        ("records an invocation", [mean(load.batch_mean) for load in loads], "mean; set by how each buffer delivers"),
        ("recognition calls a request", [mean(load.attempts_mean) for load in loads], "mean; retries raise it"),
        ("environments used", [count(load.environments) for load in loads], "by the results"),
    ]


def _validity_rows(buffers: "list[BufferFindings]") -> list[Row]:
    late = [buffer.turn.lateness_ms if buffer.turn else {} for buffer in buffers]
    return [
        ("sent late, median", [duration(one.get("p50")) for one in late], "sent minus intended"),
        ("sent late, 99 %", [duration(one.get("p99")) for one in late], "the limit is 10 ms, in each turn"),
        ("sent late, at most", [duration(one.get("max")) for one in late], ""),
        ("dropped", [count(buffer.turn.dropped if buffer.turn else None) for buffer in buffers], "due, never sent"),
    ]


def _sameness(findings: "Findings") -> str:
    same = findings.sameness
    if len(findings.buffers) < 2 or same.schedule_ms is None:
        return "Only one buffer ran, so there is nothing to compare."
    schedule = (
        "Request by request, every buffer was sent the same at the same moment of its turn"
        if same.schedule_ms < 1 and not same.only_some
        else f"The schedules differ by up to {duration(same.schedule_ms)}, and "
        f"{count(same.only_some, 'request')} did not go to every buffer"
    )
    if findings.run.is_simulated:
        return f"{schedule}."
    images = (
        "with the same image."
        if not same.other_images
        else f"but {count(same.other_images, 'request')} did not carry the same image everywhere."
    )
    return f"{schedule}, {images}"
