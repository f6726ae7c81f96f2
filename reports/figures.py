"""The figures: one drawing each, as SVG for the page (wide, and narrow for a phone) and as PNG for a slide."""

import io
import math
import re
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from reports import timeline, units
from reports.palette import INK, INKS, MUTED, OFFERED, RULE, Face, faces
from reports.quantiles import PERCENTILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.findings import BufferFindings, Findings

# The first of these that the machine has; matplotlib brings the last. The page sets its own instead.
_FONTS: Final = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
_TIME_TICKS_MS: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 6e4, 12e4, 3e5, 6e5, 12e5, 36e5,
)  # fmt: skip


def _style() -> dict[str, Any]:
    known = {font.name for font in fontManager.ttflist}
    return {
        "font.family": [next(font for font in _FONTS if font in known or font == _FONTS[-1])],
        "font.size": 10,
        "text.color": INK.light,
        "text.parse_math": False,
        "axes.edgecolor": MUTED.light,
        "axes.labelcolor": MUTED.light,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "axes.titlelocation": "left",
        "axes.titlesize": 13,
        "axes.titleweight": "bold",
        "axes.titlepad": 10,
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "grid.color": RULE.light,
        "grid.linewidth": 0.8,
        "lines.solid_capstyle": "round",
        "lines.solid_joinstyle": "round",
        "xtick.color": MUTED.light,
        "ytick.color": MUTED.light,
        "ytick.major.size": 0,
        "svg.fonttype": "none",
    }


def draw_timeline(findings: "Findings", narrow: bool) -> Figure:
    """Offered and completed rate, backlog and throttles over time, a column a buffer (narrow: one below the other)."""
    buffers = list(findings.buffers.values())
    bands: list[tuple[Callable[[Axes, BufferFindings, Face, bool], None], float]] = [(_rates, 3.0), (_backlog, 2.0)]
    if any((buffer.observed.throttles or 0) > 0 for buffer in buffers):
        bands.append((_throttles, 1.3))
    heights = [height for _, height in bands]
    look = faces([buffer.name for buffer in buffers])
    if narrow:
        figure = Figure(figsize=(4.1, 0.82 * sum(heights) * len(buffers)))
        grid = (
            figure.subplots(
                len(bands) * len(buffers),
                1,
                sharex=True,
                squeeze=False,
                gridspec_kw={"height_ratios": heights * len(buffers)},
            )
            .reshape(len(buffers), len(bands))
            .T
        )
        for row in grid:
            for axes in row[1:]:
                axes.sharey(row[0])
    else:
        figure = Figure(figsize=(11.2, 0.86 * sum(heights) + 0.3))
        grid = figure.subplots(
            len(bands), len(buffers), sharex=True, sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
        )
    for column, buffer in enumerate(buffers):
        for row, (draw, _) in enumerate(bands):
            axes = grid[row][column]
            draw(axes, buffer, look[buffer.name], column == 0 or narrow)
            axes.yaxis.set_major_locator(MaxNLocator(4 if row == 0 else 3, integer=True, min_n_ticks=2))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_ylim(bottom=0)
            axes.margins(x=0)
        face = look[buffer.name]
        kind = f"  {face.kind}" if face.kind else ""
        grid[0][column].set_title(f"{face.name}{kind}", color=face.ink.light)
        grid[-1][column].xaxis.set_major_formatter(FuncFormatter(_clock))
        grid[-1][column].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 6, 10]))
        grid[-1][column].tick_params(labelbottom=True)
    grid[-1][-1].set_xlabel("time since the first arrival" if narrow else "", loc="left")
    if not narrow:
        figure.supxlabel("time since the buffer's first arrival", color=MUTED.light, fontsize=10)
    figure.align_ylabels()
    return figure


def _clock(second: float, _: int) -> str:
    return f"{second:.0f} s" if second < 120 else f"{second / 60:g} min"


def _rates(axes: "Axes", buffer: "BufferFindings", face: Face, first: bool) -> None:
    frame = buffer.timeline
    middle = frame.second + frame.attrs["step_s"] / 2
    axes.fill_between(frame.second, frame.offered, step="post", color=OFFERED.light, linewidth=0, alpha=0.75)
    axes.plot(middle, frame.completed, color=face.ink.light, linewidth=2)
    if first:
        axes.set_ylabel("requests / s")
    peak = int(frame.offered.idxmax())
    axes.annotate(
        "offered",
        (float(frame.second[peak]), float(frame.offered[peak])),
        xytext=(0, 3),
        textcoords="offset points",
        color=MUTED.light,
        fontsize=9,
    )
    after = frame[frame.second > _last_offered(frame)]
    where = after if after.completed.sum() > 0 else frame
    at = int((where.completed * (1 + where.second / (where.second.max() + 1) / 4)).idxmax())
    axes.annotate(
        "completed",
        (float(middle[at]), float(frame.completed[at])),
        xytext=(4, 5),
        textcoords="offset points",
        color=face.ink.light,
        fontsize=9,
        weight="bold",
    )


def _last_offered(frame: "pd.DataFrame") -> float:
    offered = frame.second[frame.offered > 0]
    return float(offered.max()) if len(offered) else 0.0


def _backlog(axes: "Axes", buffer: "BufferFindings", face: Face, first: bool) -> None:
    frame = buffer.timeline
    waiting = timeline.backlog(frame)
    axes.fill_between(frame.second, waiting, color=face.ink.light, alpha=0.22, linewidth=0)
    axes.plot(frame.second, waiting, color=face.ink.light, linewidth=1.6)
    if first:
        axes.set_ylabel("backlog")
    peak = int(waiting.idxmax())
    if waiting[peak] > 0:
        axes.annotate(
            f"{waiting[peak]:,.0f} waiting",
            (float(frame.second[peak]), float(waiting[peak])),
            xytext=(5, 2),
            textcoords="offset points",
            color=face.ink.light,
            fontsize=9,
            weight="bold",
        )
    axes.margins(y=0.22)


def _throttles(axes: "Axes", buffer: "BufferFindings", face: Face, first: bool) -> None:
    frame = buffer.timeline
    step = frame.attrs["step_s"]
    axes.bar(frame.second, frame.throttles, width=step, align="edge", color=face.ink.light, linewidth=0)
    if first:
        axes.set_ylabel("throttles / s")
    total = buffer.observed.throttles
    text = "not told" if total is None else "none" if total == 0 else f"{total:,} in all"
    axes.annotate(
        text, (1, 0.86), xycoords="axes fraction", ha="right", va="top", color=face.ink.light, fontsize=9,
        weight="bold" if total else "normal",
    )  # fmt: skip


def draw_latency(findings: "Findings", narrow: bool) -> Figure:
    """Time to result of every buffer over the percentile, on the axis of an HDR plot: the tail gets the room."""
    buffers = [buffer for buffer in findings.buffers.values() if buffer.latency_curve]
    look = faces(list(findings.buffers))
    figure = Figure(figsize=(4.1, 4.0) if narrow else (11.2, 4.9))
    axes = figure.subplots()
    ends: list[tuple[float, float, str, Face]] = []
    for buffer in buffers:
        face = look[buffer.name]
        curve = buffer.latency_curve
        total = buffer.latency.n + buffer.latency.endless
        firm = [(x, y) for x, y in curve if total / x >= 10]
        thin = [(x, y) for x, y in curve if total / x <= 10]
        if firm and thin:
            thin = [firm[-1], *thin]
        axes.plot(*zip(*firm, strict=True), color=face.ink.light, linewidth=2.4) if firm else None
        if thin:
            axes.plot(*zip(*thin, strict=True), color=face.ink.light, linewidth=1.2, linestyle=(0, (1.5, 1.8)))
        for name, p in PERCENTILES.items():
            quantile = buffer.latency[name]
            if quantile is None:
                continue
            x = float(1 / (1 - p))
            low = quantile.value if quantile.low is None else quantile.low
            high = quantile.value if quantile.high is None else quantile.high
            axes.plot([x, x], [low, high], color=face.ink.light, linewidth=6, alpha=0.28, solid_capstyle="butt")
            axes.plot([x], [quantile.value], "o", color=face.ink.light, markersize=5)
        ends.append((*curve[-1], face.name, face))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left=1)
    values = [y for buffer in buffers for _, y in buffer.latency_curve if y > 0]
    _time_axis(axes.yaxis, min(values, default=1), max(values, default=1e3))
    reach = max((x for x, *_ in ends), default=10)
    marks = {
        1: "fastest",
        2: "50 %",
        10: "90 %",
        20: "95 %",
        100: "99 %",
        1e3: "99.9 %",
        1e4: "99.99 %",
        1e5: "99.999 %",
    }
    if narrow:
        marks = {x: text for x, text in marks.items() if x not in (1, 20)}
    marks = {x: text for x, text in marks.items() if x <= reach * 1.2}
    axes.xaxis.set_major_locator(FixedLocator(list(marks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: marks.get(round(x), "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("of the accepted requests had their result within this time", loc="left")
    _end_labels(axes, ends, narrow)
    return figure


def _time_axis(axis: Any, low: float, high: float) -> None:
    low, high = low / 1.15, high * 1.15
    axis.axes.set_ylim(low, high) if axis.axis_name == "y" else axis.axes.set_xlim(low, high)
    ticks = [tick for tick in _TIME_TICKS_MS if low <= tick <= high]
    if len(ticks) > 8:
        ticks = [tick for tick in ticks if math.log10(tick).is_integer() or tick in (6e4, 6e5, 36e5)]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda ms, _: _tick(ms)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _tick(ms: float) -> str:
    if ms < 1000:
        return f"{ms:g} ms"
    return f"{ms / 1000:g} s" if ms < 60_000 else f"{ms / 60_000:g} min" if ms < 3_600_000 else f"{ms / 3_600_000:g} h"


def _end_labels(axes: "Axes", ends: "list[tuple[float, float, str, Face]]", narrow: bool) -> None:
    """Name each curve at its end, moved apart where two end together."""
    low, high = axes.get_ylim()
    room = math.log(high / low) * (0.075 if narrow else 0.055)
    at = -math.inf
    reach = max((x for x, *_ in ends), default=10)
    for _, y, name, face in sorted(ends, key=lambda end: end[1]):
        at = max(math.log(max(y, low)), at + room)
        axes.text(reach * 1.12, math.exp(at), name, color=face.ink.light, weight="bold", fontsize=11, va="center")
    axes.set_xlim(right=reach * (2.6 if narrow else 1.9))


_STAGE_NAMES: Final = {
    "gateway": "gateway",
    "buffer": "buffer",
    "cold_start": "cold start",
    "work": "work",
    "write": "write",
}


def draw_stages(findings: "Findings", narrow: bool) -> Figure:
    """Where the time went: each stage's p50 to p99, a row a stage and a mark a buffer, over a time axis of powers."""
    buffers = list(findings.buffers.values())
    look = faces([buffer.name for buffer in buffers])
    if narrow:
        figure = Figure(figsize=(4.1, 1.1 + 0.55 * len(buffers) + 3.6))
        top, below = figure.subplots(2, 1, gridspec_kw={"height_ratios": [0.5 + 0.55 * len(buffers), 3.6]})
    else:
        figure = Figure(figsize=(11.2, 3.9))
        top, below = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 1.15]})
    _mean_bars(top, buffers, look)
    _stage_ranges(below, buffers, look)
    return figure


def _mean_bars(axes: "Axes", buffers: "list[BufferFindings]", look: dict[str, Face]) -> None:
    """The mean time to result of each buffer, as a bar made of its stages."""
    axes.set_title("Mean time to result", fontsize=11)
    axes.grid(visible=False)
    shades = {"gateway": 0.95, "buffer": 0.38, "cold_start": 0.6, "work": 0.85, "write": 1.0}
    longest = max((sum(stage.share or 0 for stage in buffer.stages.values()) for buffer in buffers), default=0) or 1
    for row, buffer in enumerate(buffers):
        ink = look[buffer.name].ink.light
        start = 0.0
        for name, stage in buffer.stages.items():
            share = stage.share or 0
            axes.barh(row, share, left=start, height=0.52, color=ink, alpha=shades[name], linewidth=0)
            if share > longest * 0.16:
                axes.text(
                    start + share / 2, row, f"{_STAGE_NAMES[name]}  {units.duration(share)}", ha="center", va="center",
                    fontsize=9, color=INK.light, weight="bold",
                )  # fmt: skip
            start += share
        if start:
            axes.text(start + longest * 0.015, row, units.duration(start), va="center", color=ink, weight="bold")
    axes.set_yticks(range(len(buffers)), [look[buffer.name].name for buffer in buffers], fontsize=11, weight="bold")
    for tick, buffer in zip(axes.get_yticklabels(), buffers, strict=True):
        tick.set_color(look[buffer.name].ink.light)
    axes.set_ylim(len(buffers) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.22)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _stage_ranges(axes: "Axes", buffers: "list[BufferFindings]", look: dict[str, Face]) -> None:
    axes.set_title("Each stage, median to 99 %", fontsize=11)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    values = []
    spread = 0.62 / max(len(buffers), 1)
    for column, buffer in enumerate(buffers):
        ink = look[buffer.name].ink.light
        for row, stage in enumerate(buffer.stages.values()):
            p50, p99 = stage.times.value("p50"), stage.times.value("p99")
            y = row + (column - (len(buffers) - 1) / 2) * spread
            if p50 is None or p50 <= 0:
                continue
            values.append(p50)
            if p99 is not None and p99 > 0:
                values.append(p99)
                axes.plot([p50, p99], [y, y], color=ink, linewidth=4, alpha=0.35, solid_capstyle="round")
                axes.plot([p99], [y], "|", color=ink, markersize=8, markeredgewidth=2)
            axes.plot([p50], [y], "o", color=ink, markersize=6.5)
    axes.set_xscale("log")
    _time_axis(axes.xaxis, min(values, default=1) / 1.3, max(values, default=1e3) * 1.3)
    axes.set_yticks(range(len(_STAGE_NAMES)), list(_STAGE_NAMES.values()), fontsize=10)
    axes.set_ylim(len(_STAGE_NAMES) - 0.5, -0.5)


FIGURES: Final = {"timeline": draw_timeline, "latency": draw_latency, "stages": draw_stages}


def svg(name: str, findings: "Findings", *, narrow: bool) -> str:
    """One figure as an SVG element to stand in a page: its text is text, its colours are the page's variables."""
    prefix = f"{name}-{'narrow' if narrow else 'wide'}-"
    with mpl.rc_context(_style() | {"svg.hashsalt": prefix}):
        figure = FIGURES[name](findings, narrow)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(out.getvalue(), prefix)


def png(name: str, findings: "Findings", path: "Path") -> None:
    """One figure as a PNG on white, for a slide."""
    with mpl.rc_context(_style()):
        FIGURES[name](findings, False).savefig(path, format="png", dpi=200, facecolor="white")


def _for_page(drawing: str, prefix: str) -> str:
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'(<svg [^>]*?) width="[^"]*" height="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r"font-family: [^;\"]*", "font-family: inherit", drawing)
    drawing = re.sub(r'\bid="', f'id="{prefix}', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\1{prefix}", drawing)
    drawing = re.sub(r"(\d\.\d{2})\d+", r"\1", drawing)
    for ink in INKS:
        drawing = drawing.replace(ink.light, f"var(--{ink.variable})")
    return drawing
