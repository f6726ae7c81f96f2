"""The latency distribution of every buffer on one axis, spread as an HDR plot is: the tail gets the room."""

import itertools
import math
from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.units import count
from reports.drawing import Form, caption_slide, time_axis
from reports.palette import MUTED, Face, faces
from reports.quantiles import BEYOND, PERCENTILES, Quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from reports.closed_model import ClosedModel
    from reports.findings import Findings
    from reports.quantiles import Curve

    # The quantiles of one buffer, its curve, and the same as a closed model would have it.
    Measured = tuple[Quantiles, Curve, ClosedModel]

# By 1 / (1 - p).
_MARKS: Final = {
    1: "fastest", 2: "50 %", 10: "90 %", 20: "95 %", 100: "99 %", 1_000: "99.9 %",
    10_000: "99.99 %", 100_000: "99.999 %",
}  # fmt: skip
_PHONE_LACKS: Final = (1, 20)
_THIN: Final = 0.9


def draw_latency(findings: "Findings", form: Form) -> Figure:
    """Time to result over the percentile."""
    measured = {
        name: (buffer.latency, buffer.latency_curve, buffer.closed_model) for name, buffer in findings.buffers.items()
    }
    figure = draw_curves(measured, form, "had their result")
    if form is Form.SLIDE:
        caption_slide(figure, findings, "Time to result, from the intended send to the stored result")
    return figure


def draw_curves(measured: "Mapping[str, Measured]", form: Form, had: str) -> Figure:
    """Times over the percentile, a curve a buffer. Dotted where fewer than ten requests are left. The thin lines are
    what a closed model would have measured, not corrected for what it did not send.

    `had` says what the requests had within the time.
    """
    look = faces(list(measured))
    buffers = {name: one for name, one in measured.items() if one[1]}
    figure = Figure(figsize=(form.width, {Form.PAGE: 4.6, Form.PHONE: 4.0, Form.SLIDE: 5.8}[form]))
    axes = figure.subplots()
    for name, (quantiles, curve, closed) in buffers.items():
        if closed.latency_curve:
            axes.plot(*zip(*closed.latency_curve, strict=True), color=look[name].ink.light, linewidth=_THIN)
        _curve(axes, quantiles, curve, look[name])
    times = [time for _, curve, closed in buffers.values() for _, time in (*curve, *closed.latency_curve) if time > 0]
    time_axis(axes, "y", min(times, default=1), max(times, default=1e3) * 1.1)
    reach = max((curve[-1][0] for _, curve, _ in buffers.values()), default=10)
    axes.set_xscale("log")
    axes.set_xlim(1, reach * (4.2 if form is Form.PHONE else 2.1))
    marks = {
        x: text for x, text in _MARKS.items() if x <= reach * 1.5 and not (form is Form.PHONE and x in _PHONE_LACKS)
    }
    axes.xaxis.set_major_locator(FixedLocator(list(marks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: marks.get(round(x), "")))
    axes.xaxis.set_minor_locator(NullLocator())
    line_end = "\n" if form is Form.PHONE else " "
    axes.set_xlabel(f"of the accepted requests {had.replace(' ', line_end, 1)} within the time shown", loc="left")
    _name_curves(axes, buffers, look, form, had)
    users = next((closed.users for _, _, closed in buffers.values() if closed.latency_curve), None)
    if users is not None:
        of_it = "" if form is Form.PHONE else " (closed model, not corrected)"
        axes.set_title(
            f"thin: what {users} waiting users would have measured{of_it}",
            loc="left", fontsize=8 if form is Form.PHONE else 9, color=MUTED.light,
        )  # fmt: skip
    return figure


def _curve(axes: "Axes", quantiles: Quantiles, curve: "Curve", face: Face) -> None:
    total = quantiles.n + quantiles.endless
    firm = [(x, time) for x, time in curve if total / x >= BEYOND]
    thin = firm[-1:] + [(x, time) for x, time in curve if total / x < BEYOND]
    for points, width, dashes in ((firm, 2.6, "-"), (thin, 1.5, (0, (1.2, 1.8)))):
        if points:
            axes.plot(*zip(*points, strict=True), color=face.ink.light, linewidth=width, linestyle=dashes)
    known = [(float(1 / (1 - p)), quantile) for name, p in PERCENTILES.items() if (quantile := quantiles[name])]
    at, values = [x for x, _ in known], [quantile.value for _, quantile in known]
    lows = [quantile.value if quantile.low is None else quantile.low for _, quantile in known]
    highs = [quantile.value if quantile.high is None else quantile.high for _, quantile in known]
    axes.vlines(at, lows, highs, color=face.ink.light, linewidth=7, alpha=0.3, capstyle="butt")
    axes.plot(at, values, "o", color=face.ink.light, markersize=5.5)


def _name_curves(axes: "Axes", buffers: "Mapping[str, Measured]", look: dict[str, Face], form: Form, had: str) -> None:
    """Name the curves in a column to their right, each at the height where it ends; names that would touch part."""
    low, high = axes.get_ylim()
    room = math.log(high / low) * (0.11 if form is Form.PHONE else 0.085)
    named = sorted(buffers, key=lambda name: buffers[name][1][-1][1])
    heights = [math.log(max(buffers[name][1][-1][1], low)) for name in named]
    for _ in range(50):
        for lower, upper in itertools.pairwise(range(len(heights))):
            lacking = room - (heights[upper] - heights[lower])
            if lacking > 0:
                heights[lower] -= lacking / 2
                heights[upper] += lacking / 2
    reach = max((curve[-1][0] for _, curve, _ in buffers.values()), default=10)
    for name, height in zip(named, heights, strict=True):
        face, endless = look[name], buffers[name][0].endless
        axes.annotate(
            face.name, (reach, math.exp(height)), xytext=(8, 0), textcoords="offset points", va="center",
            color=face.ink.light, weight="bold", fontsize=12, annotation_clip=False,
        )  # fmt: skip
        if endless:
            axes.annotate(
                f"{count(endless)} without {had.split()[-1]}", (reach, math.exp(height)), xytext=(8, -12),
                textcoords="offset points", va="center", color=MUTED.light, fontsize=8, annotation_clip=False,
            )  # fmt: skip
