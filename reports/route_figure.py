"""The figures of a run to a path of some HTTP server: its answers over time, and their latency by percentile."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.drawing import Form, caption_slide, time_axis
from reports.latency_figure import draw_curves
from reports.palette import MUTED, OFFERED, faces

if TYPE_CHECKING:
    from reports.findings import Findings
    from reports.route import Answers

_GREATEST_STEP: Final = 2


def draw_answers_over_time(findings: "Findings", form: Form) -> Figure:
    """Offered and answered each second; below it the latency of what was due then."""
    answers = _answers(findings)
    ink = next(iter(faces(list(findings.buffers)).values())).ink.light
    figure = Figure(figsize=(form.width, {Form.PAGE: 4.4, Form.PHONE: 4.2, Form.SLIDE: 5.4}[form]))
    rates, times = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.0, 1.2]})
    frame = answers.by_step
    second = frame.second.to_numpy(np.float64)
    rates.fill_between(second, frame.offered.to_numpy(np.float64), step="post", color=OFFERED.light, linewidth=0)
    rates.plot(second + answers.step_s / 2, frame.answered.to_numpy(np.float64), color=ink, linewidth=2)
    rates.set_ylim(bottom=0, top=max(rates.get_ylim()[1], 1) * 1.25)
    rates.set_ylabel("requests / s")
    rates.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    rates.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _words(rates, (("offered", MUTED.light, 0.0, "left"), ("answered", ink, 1.0, "right")))
    seen = frame[frame["max"].notna()]
    middle = seen.second.to_numpy(np.float64) + answers.step_s / 2
    slowest, median = seen["max"].to_numpy(np.float64), seen.p50.to_numpy(np.float64)
    times.plot(middle, slowest, color=ink, linewidth=1.6)
    times.plot(middle, median, color=ink, linewidth=1.6, linestyle=(0, (1.2, 1.8)))
    known = np.concatenate([slowest, median])
    positive = known[known > 0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1e3)
    time_axis(times, "y", low, high * _GREATEST_STEP)
    times.set_ylabel("latency")
    _words(times, (("median dotted", MUTED.light, 0.0, "left"), ("slowest", ink, 1.0, "right")))
    times.margins(x=0)
    times.set_xlabel("seconds since the first arrival", loc="left")
    if form is Form.SLIDE:
        caption_slide(figure, findings, f"{answers.route}: offered, answered, and how long it took")
    return figure


def draw_answers(findings: "Findings", form: Form) -> Figure:
    """The latency by percentile."""
    answers = _answers(findings)
    (name,) = findings.buffers
    measured = {name: (answers.latency, answers.latency_curve, answers.closed_model)}
    figure = draw_curves(measured, form, "had their answer")
    if form is Form.SLIDE:
        caption_slide(figure, findings, f"{answers.route}: latency, from the intended send to the answer")
    return figure


def _words(axes: Any, words: "tuple[tuple[str, str, float, str], ...]") -> None:
    for text, color, x, side in words:
        axes.annotate(
            text, (x, 1), xycoords="axes fraction", xytext=(0, 0), textcoords="offset points", ha=side, va="top",
            color=color, fontsize=9, weight="bold",
        )  # fmt: skip


def _answers(findings: "Findings") -> "Answers":
    assert findings.answers is not None, "only a run to a route has these figures"
    return findings.answers
