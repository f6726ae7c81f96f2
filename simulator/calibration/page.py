"""docs/calibration.md: every published and measured figure beside the model's, and why those fail that fail."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from delivery.quotas import Quotas
from simulator.calibration import embedded, further, idle
from simulator.calibration.cell import TOLERANCES, Cell
from simulator.calibration.embedded import Foretold
from simulator.calibration.measurement import Measurement
from simulator.calibration.published import groups
from simulator.calibration.reasons import reasons
from simulator.duration import Lognormal
from simulator.scenario import Buffer
from simulator.transits import PUBLISHED

Rows = Mapping[str, Mapping[str, Cell]]
ForetoldRows = Mapping[str, Mapping[str, Foretold]]

PAGE: Final = Path(__file__).parents[2] / "docs" / "calibration.md"

_NAMES: Final[Mapping[str, str]] = {
    "sns": "SNS to Lambda",
    "sqs": "SQS, standard queue",
    "sqs-fifo": "SQS, FIFO queue",
    "kinesis": "Kinesis, polled",
    "kinesis-efo": "Kinesis, enhanced fan-out",
    "api-gateway-to-lambda": "API Gateway to Lambda",
    "python3.12": "Python 3.12",
    "python3.13": "Python 3.13",
    "python3.14": "Python 3.14",
    "one-warm": "one call, warm",
    "burst-warm": "100 at once, warm",
    "burst-cold": "100 at once, cold",
    "service-proxy": "service proxy",
    "by-lambda": "by a Lambda function",
}
_STREAMS: Final[tuple[Buffer, ...]] = ("kinesis", "kinesis-efo")
_TITLES: Final[Mapping[str, str]] = {
    "trigger_bench": "TriggerBench",
    "cold_start": "Cold starts",
    "burst": "Bursts",
    "proxy": "API Gateway into SNS",
}
_NOTES: Final[Mapping[str, str]] = {
    "cold_start": "Given as `cold_start_ms`; P90 is what its lognormal makes of them.",
    "burst": "A cold burst adds the cold start of Python 3.12 above to the single warm call. Nothing is fitted.",
}
_FIGURES: Final[Mapping[str, str]] = {
    "completed": "completed",
    "throttles": "throttles",
    "drain_s": "drain, s",
    "p50_ms": "time to result P50, ms",
    "p90_ms": "P90, ms",
}

_Q: Final = Quotas()
_RULES: Final[Mapping[Buffer, str]] = {
    "sns": "pushed at once, one message an invocation (H); adds nothing",
    "sqs": "long polling hands a message to a free poller at once (H); adds nothing",
    "sqs-fifo": "as the standard queue; nothing of its group is before it; adds nothing",
    "kinesis": (
        f"an idle shard is polled every {_Q.kinesis_poll_interval_s:g} s (`kinesis_poll_interval_s`, H); a poll that "
        "misses a record finds it one interval later"
    ),
    "kinesis-efo": (
        f"typically pushed within {_Q.kinesis_fan_out_push_max_s * 1_000:g} ms (`kinesis_fan_out_push_max_s`, H), and "
        f"assumed not before {_Q.kinesis_fan_out_push_min_s * 1_000:g} ms (`kinesis_fan_out_push_min_s`, L)"
    ),
}
_PARAMETERS: Final[Mapping[str, str]] = {
    "base_ms": "{:g} ms at least",
    "tail_ms": "a lognormal share of median {:g} ms",
    "tail_sigma": "sigma {:g}",
    "rare": "a missed poll with chance {:g}",
}


def render(measurements: Sequence[Measurement]) -> str:
    """The whole page, of the latest measurement and those before it. The same code and measurements, the same bytes.

    Raises:
        UnexplainedError: a cell fails, and no reason is written down.
    """
    published = groups()
    idle_rows = idle.table(published["idle_latency"].rows)
    others: dict[str, Rows] = {
        "trigger_bench": further.trigger_bench(published["trigger_bench"], idle_rows),
        "cold_start": further.cold_starts(published["cold_start"]),
        "burst": further.bursts(published["burst"], published["cold_start"].rows["python3.12"]),
        "proxy": further.not_modelled(published["proxy"]),
    }
    measurement, *before = measurements
    # The slowest part of the page: of each measurement once, for every table that shows some of it.
    foretold, *foretold_before = map(embedded.table, measurements)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (Markdown, of our own text)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("page.md.j2").render(
        overview=_overview(idle_rows, others, foretold),
        idle=published["idle_latency"],
        allowed=f"{_share(TOLERANCES['p50'])} for P10 to P90, {_share(TOLERANCES['p99'])} for P99",
        idle_table=_cells_table(idle_rows),
        idle_reasons=_listed(reasons("idle_latency", _failing(idle_rows), _NAMES)),
        sends=f"{idle.SENDS:,}",
        fitted_table=_fitted_table(),
        measurement=measurement,
        seeds=embedded.SEEDS,
        tolerance=_share(embedded.TOLERANCE),
        embedded_table=_embedded_table(foretold),
        embedded_reasons=_listed(reasons("embedded", _failing(foretold), _NAMES)),
        traits_table=_traits_table(measurement),
        before_table=_before_table(before, foretold_before),
        drains_table=_drains_table(measurements, [foretold, *foretold_before]),
        others=[
            {
                "title": _TITLES[name],
                "group": published[name],
                "table": _cells_table(rows),
                "note": _NOTES.get(name, ""),
                "reasons": _listed(reasons(name, _failing(rows), _NAMES)),
            }
            for name, rows in others.items()
        ],
    )
    return _tidy(page)


def _overview(idle_rows: Rows, others: Mapping[str, Rows], foretold: Mapping[str, Mapping[str, Foretold]]) -> str:
    compared = [figure.holds for figures in foretold.values() for figure in figures.values()]
    rows = [
        ("Idle latency, published", *_counts(idle_rows)),
        ("A load test of the embedded AWS", str(sum(compared)), str(len(compared) - sum(compared)), "0"),
        *((f"{_TITLES[name]}, published", *_counts(table)) for name, table in others.items()),
    ]
    return _table(("figures", "hold", "fail", "not modelled"), rows)


def _counts(rows: Rows) -> tuple[str, str, str]:
    every = [cell for row in rows.values() for cell in row.values() if not cell.given]
    modelled = [cell.holds for cell in every if cell.error is not None]
    return str(sum(modelled)), str(len(modelled) - sum(modelled)), str(len(every) - len(modelled))


def _failing(rows: Rows | Mapping[str, Mapping[str, Foretold]]) -> dict[str, list[str]]:
    return {row: [name for name, cell in cells.items() if not cell.holds] for row, cells in rows.items()}


def _fitted_table() -> str:
    rows = []
    for buffer, rule in _RULES.items():
        fitted = idle.PLANS[buffer].fitted
        words = [text.format(getattr(PUBLISHED[buffer], name)) for name, text in _PARAMETERS.items() if name in fitted]
        rows.append((_NAMES[buffer], rule, ", ".join(words), str(len(fitted))))
    return _table(("", "AWS's rule", "fitted (L)", "parameters for four figures"), rows)


def _embedded_table(foretold: Mapping[str, Mapping[str, Foretold]]) -> str:
    rows = [
        (_NAMES[buffer], *(_foretold(figures[name], name) for name in _FIGURES)) for buffer, figures in foretold.items()
    ]
    return _table(("", *_FIGURES.values()), rows)


def _traits_table(measurement: Measurement) -> str:
    rows = [
        (
            _NAMES[buffer],
            str(turn.outcome.offered),
            _p50_p99(turn.traits.gateway_ms),
            str(turn.outcome.cold_starts),
            _p50_p99(turn.traits.cold_start_ms),
            _p50_p99(turn.traits.record_ms),
            _p50_p99(turn.traits.invocation_ms),
        )
        for buffer, turn in measurement.turns.items()
    ]
    return _table(
        (
            "",
            "requests",
            "client to buffer, P50 / P99",
            "cold starts",
            "each, P50 / P99",
            "a record, P50 / P99",
            "an invocation beside its records, P50 / P99",
        ),
        rows,
    )


def _before_table(measurements: Sequence[Measurement], tables: Sequence[ForetoldRows]) -> str:
    rows = []
    for measurement, foretold in zip(measurements, tables, strict=True):
        failing = [
            f"{_NAMES[buffer]}: {_FIGURES[name]} {_foretold(figure, name)}"
            for buffer, figures in foretold.items()
            for name, figure in figures.items()
            if not figure.holds
        ]
        holding = f"{sum(figure.holds for figures in foretold.values() for figure in figures.values())}"
        replayed, load = f"{measurement.replayed:,}", f"{measurement.load_average:g}"
        rows.append((measurement.measured_at, load, holding, "; ".join(failing) or "none", replayed))
    return _table(("measured", "load average", "hold", "fail", "calls replayed"), rows) if rows else ""


def _drains_table(measurements: Sequence[Measurement], tables: Sequence[ForetoldRows]) -> str:
    rows = [
        (
            f"{_NAMES[buffer]}, {'the run above' if place == 0 else f'{place} before'}",
            *(
                _foretold(drain, "drain_s")
                for drain in (*embedded.drains(measurement, buffer), foretold[buffer]["drain_s"])
            ),
        )
        for buffer in _STREAMS
        for place, (measurement, foretold) in enumerate(zip(measurements, tables, strict=True))
        if buffer in measurement.turns
    ]
    return _table(("drain, s", "keys and times drawn", "keys of the run", "keys and times of the run"), rows)


def _cells_table(rows: Rows) -> str:
    quantiles = sorted({name for row in rows.values() for name in row}, key=lambda name: int(name[1:]))
    return _table(
        ("", *(name.upper() for name in quantiles)),
        [(_NAMES[row], *(_cell(cells.get(name)) for name in quantiles)) for row, cells in rows.items()],
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.given:
        return f"{_ms(cell.published)} (given)"
    if cell.simulated is None or cell.error is None:
        return f"{_ms(cell.published)} / not modelled"
    return _marked(f"{_ms(cell.published)} / {_ms(cell.simulated)} ({_percent(cell.error)})", cell.holds)


def _foretold(figure: Foretold, name: str) -> str:
    digits = 1 if name == "drain_s" else 0
    measured, simulated, least, most = (
        f"{value:,.{digits}f}" for value in (figure.measured, figure.simulated, figure.least, figure.most)
    )
    reach = "" if least == most else f"; {least} to {most}"
    return _marked(f"{measured} / {simulated} ({_percent(figure.error)}{reach})", figure.holds)


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _marked(text: str, holds: bool) -> str:
    return text if holds else f"**{text}**"


def _ms(value: float) -> str:
    return f"{value:,.1f}" if value < 100 and round(value, 1) != int(value) else f"{value:,.0f}"


def _percent(error: float) -> str:
    return f"{error * 100:+.1f} %" if round(error * 100, 1) else "0 %"


def _share(part: float) -> str:
    return f"{part * 100:g} %"


def _p50_p99(times: Lognormal) -> str:
    return f"{times.p50_ms:,.0f} / {times.p99_ms:,.0f} ms"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def _tidy(page: str) -> str:
    """One empty line between paragraphs, whatever the template's loops left."""
    paragraphs = [paragraph.strip("\n") for paragraph in page.split("\n\n")]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"
