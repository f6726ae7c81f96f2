"""Where the time went: the mean time to result made of its stages, and each stage by itself."""

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.units import duration
from reports.drawing import Form, caption_slide, time_axis
from reports.palette import INK, MUTED, Face, faces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.findings import BufferFindings, Findings

_STRENGTH: Final = {"gateway": 1.0, "buffer": 0.36, "cold_start": 0.55, "work": 0.8, "write": 1.0}
_LABELLED: Final = 0.2
_THICK: Final = 0.42


def draw_stages(findings: "Findings", form: Form) -> Figure:
    """Two panels, side by side; on a phone, one below the other."""
    buffers = list(findings.buffers.values())
    look = faces([buffer.name for buffer in buffers])
    if form is Form.PHONE:
        figure = Figure(figsize=(form.width, 4.2 + 0.95 * len(buffers)))
        means, ranges = figure.subplots(2, 1, gridspec_kw={"height_ratios": [0.9 * len(buffers), 3.4]})
    else:
        more = 0.7 * max(0, len(buffers) - 3)
        figure = Figure(figsize=(form.width, more + (3.9 if form is Form.PAGE else 5.0)))
        means, ranges = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.1]})
    _draw_means(means, buffers, look, form)
    _draw_ranges(ranges, buffers, look, list(findings.stages))
    for axes, title in ((means, "Mean time to result"), (ranges, "Each stage: median (dot) to 99 % (bar)")):
        axes.set_title(title, loc="left", fontsize=11, color=MUTED.light, pad=8)
    if form is Form.SLIDE:
        caption_slide(figure, findings, "Where the time went")
    return figure


def _draw_means(axes: "Axes", buffers: "list[BufferFindings]", look: dict[str, Face], form: Form) -> None:
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    means = {buffer.name: sum(stage.share or 0.0 for stage in buffer.stages.values()) for buffer in buffers}
    longest = max(means.values(), default=0.0) or 1.0
    for row, buffer in enumerate(buffers):
        color = look[buffer.name].ink.light
        start = 0.0
        for name, stage in buffer.stages.items():
            share = stage.share or 0.0
            bar = Rectangle((start, row - _THICK / 2), share, _THICK, color=color, alpha=_STRENGTH[name], linewidth=0)
            axes.add_patch(bar)
            if share > longest * _LABELLED:
                axes.text(
                    start + share / 2, row, name.replace("_", " "), ha="center", va="center", color=INK.light,
                    fontsize=9, weight="bold",
                )  # fmt: skip
            start += share
        if start:
            axes.annotate(
                duration(start), (start, row), xytext=(5, 0), textcoords="offset points", va="center", color=color,
                weight="bold",
            )  # fmt: skip
            parts = [f"{name.replace('_', ' ')} {duration(stage.share)}" for name, stage in buffer.stages.items()]
            lines = [parts] if form is not Form.PHONE else [parts[:3], parts[3:]]
            axes.annotate(
                "\n".join(" + ".join(line) for line in lines), (0, row + 0.23), xytext=(0, -3),
                textcoords="offset points", va="top", color=MUTED.light, fontsize=8,
            )  # fmt: skip
    axes.set_yticks(range(len(buffers)), [look[buffer.name].name for buffer in buffers], fontsize=12, weight="bold")
    for label, buffer in zip(axes.get_yticklabels(), buffers, strict=True):
        label.set_color(look[buffer.name].ink.light)
    axes.set_ylim(len(buffers) - 0.3, -0.35)
    axes.set_xlim(0, longest * 1.24)


def _draw_ranges(axes: "Axes", buffers: "list[BufferFindings]", look: dict[str, Face], names: list[str]) -> None:
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    times: list[float] = []
    apart = 0.6 / max(len(buffers), 1)
    for column, buffer in enumerate(buffers):
        color = look[buffer.name].ink.light
        dots, bars = [], []
        for row, stage in enumerate(buffer.stages.values()):
            p50, p99 = stage.times.value("p50"), stage.times.value("p99")
            if p50 is None or p50 <= 0:
                continue
            y = row + (column - (len(buffers) - 1) / 2) * apart
            dots.append((p50, y))
            if p99 is not None and p99 > p50:
                bars.append((p50, p99, y))
        if bars:
            starts, ends, heights = zip(*bars, strict=True)
            axes.hlines(heights, starts, ends, color=color, linewidth=4, alpha=0.35, capstyle="butt")
            axes.plot(ends, heights, "|", color=color, markersize=8, markeredgewidth=2)
            times += ends
        if dots:
            starts, heights = zip(*dots, strict=True)
            axes.plot(starts, heights, "o", color=color, markersize=6.5)
            times += starts
    time_axis(axes, "x", min(times, default=1) / 1.3, max(times, default=1e3) * 1.3)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
