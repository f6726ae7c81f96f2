"""The timeline: what was offered and completed each second, what waited, and how often delivery was throttled."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipeline.units import count, listed
from reports import timeline
from reports.drawing import Form, caption_slide
from reports.palette import MUTED, OFFERED, Face, faces

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.findings import BufferFindings, Findings

_TWO_MINUTES: Final = 120
_GAP: Final = 0.3


@dataclass(frozen=True, slots=True)
class _Band:
    """A row of panels: how tall it is beside the others, and how a buffer's is drawn.

    Its axis ends at `headroom` times the highest value that any buffer has in it.
    """

    title: str
    height: float
    headroom: float
    highest: "Callable[[pd.DataFrame], float]"
    draw: "Callable[[Axes, BufferFindings, Face], None]"

    def top(self, buffers: "list[BufferFindings]") -> float:
        return self.headroom * max(1.0, *(self.highest(buffer.timeline) for buffer in buffers))


def draw_timeline(findings: "Findings", form: Form) -> Figure:
    """A column for each buffer on shared axes; on a phone, one below the other."""
    buffers = list(findings.buffers.values())
    bands = [
        _Band("requests / s", 3.0, 1.3, lambda frame: max(frame.offered.max(), frame.completed.max()), _rates),
        _Band("backlog", 2.0, 1.22, lambda frame: timeline.backlog(frame).max(), _backlog),
    ]
    if any(buffer.observed.throttles for buffer in buffers):
        bands.append(_Band("throttles / s", 1.4, 1.3, lambda frame: frame.throttles.max(), _throttles))
    heights = [band.height for band in bands]
    figure = Figure(figsize=(form.width, 0.8 * sum(heights) + (0.9 if form is Form.SLIDE else 0.3)))
    if form is Form.PHONE:
        figure.set_figheight((0.8 * sum(heights) + 0.5) * len(buffers))
    panels = _panels(figure, form, len(buffers), heights)
    # Limits that are set first need not be found anew with all that is drawn.
    panels[0, 0].set_xlim(0, max(_end(buffer) for buffer in buffers))
    for band, axes in zip(bands, panels[:, 0], strict=True):
        axes.set_ylim(0, band.top(buffers))
    look = faces(list(findings.buffers))
    minutes = max(float(buffer.timeline.second.max()) for buffer in buffers) > 2 * _TWO_MINUTES
    for column, buffer in enumerate(buffers):
        face = look[buffer.name]
        for band, axes in zip(bands, panels[:, column], strict=True):
            band.draw(axes, buffer, face)
            axes.yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=2))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            if column == 0 or form is Form.PHONE:
                axes.set_ylabel(band.title)
        _head(panels[0, column], face)
        foot = panels[-1, column]
        foot.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 6, 10], integer=True))
        foot.xaxis.set_major_formatter(FuncFormatter(lambda second, _: f"{second / 60 if minutes else second:g}"))
    if form is Form.SLIDE:
        caption_slide(figure, findings, f"Offered, completed, waiting: {listed([face.name for face in look.values()])}")
    panels[-1, 0 if form is not Form.PHONE else -1].set_xlabel(
        f"{'minutes' if minutes else 'seconds'} since the buffer's first arrival", loc="left"
    )
    return figure


def _panels(figure: Figure, form: Form, columns: int, heights: list[float]) -> Any:
    """A row of axes for each band and a column for each buffer, wherever on the figure they stand.

    They share their times, which only the lowest of a buffer tells, and those of a band its values.
    """
    if form is Form.PHONE:
        # A gap stands between two buffers, so that one's time axis and the next one's name keep apart.
        ratios = [*heights, _GAP] * columns
        grid = figure.add_gridspec(len(ratios) - 1, 1, height_ratios=ratios[:-1])
    else:
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    panels: Any = np.empty((len(heights), columns), dtype=object)
    for row, column in np.ndindex(panels.shape):
        place = grid[column * (len(heights) + 1) + row, 0] if form is Form.PHONE else grid[row, column]
        panels[row, column] = axes = figure.add_subplot(place, sharex=panels[0, 0], sharey=panels[row, 0])
        axes.tick_params(labelleft=column == 0 or form is Form.PHONE)
        if row < len(heights) - 1:
            # That there are none has to be said of all that a tick may have; otherwise it is made, and shows nothing.
            axes.tick_params(axis="x", bottom=False, top=False, labelbottom=False, labeltop=False)
    return panels


def _head(axes: "Axes", face: Face) -> None:
    axes.annotate(
        face.name, (0, 1), xytext=(0, 16), xycoords="axes fraction", textcoords="offset points",
        color=face.ink.light, fontsize=14, weight="bold", annotation_clip=False,
    )  # fmt: skip
    axes.annotate(
        face.kind, (1, 1), xytext=(0, 16), xycoords="axes fraction", textcoords="offset points",
        color=MUTED.light, fontsize=10, ha="right", annotation_clip=False,
    )  # fmt: skip


def _end(buffer: "BufferFindings") -> float:
    frame = buffer.timeline
    return float(frame.second.max()) + float(frame.attrs["step_s"]) / 2


def _say(axes: "Axes", text: str, x: float, y: float, color: str, *, bold: bool = True, left: bool = False) -> None:
    axes.annotate(
        text, (x, y), xytext=(-4 if left else 4, 3), textcoords="offset points", ha="right" if left else "left",
        color=color, fontsize=9, weight="bold" if bold else "normal",
    )  # fmt: skip


def _rates(axes: "Axes", buffer: "BufferFindings", face: Face) -> None:
    frame = buffer.timeline
    second, offered = frame.second.to_numpy(np.float64), frame.offered.to_numpy(np.float64)
    completed, step = frame.completed.to_numpy(np.float64), float(frame.attrs["step_s"])
    axes.fill_between(second, offered, step="post", color=OFFERED.light, linewidth=0, alpha=0.8)
    refused = np.minimum(frame.rejected.to_numpy(np.float64), offered)
    if buffer.account.refused:
        axes.fill_between(
            second, offered - refused, np.where(refused > 0, offered, offered - refused), step="post",
            color=MUTED.light, linewidth=0,
        )  # fmt: skip
    axes.plot(second + step / 2, completed, color=face.ink.light, linewidth=2)
    words = [("offered", MUTED.light, 0.0, "left", 0), ("completed", face.ink.light, 1.0, "right", 0)]
    if buffer.account.refused:
        # On a line of its own: a column of four has no room between the two.
        words.append((f"{count(buffer.account.refused)} turned away", MUTED.light, 1.0, "right", -12))
    # Above the highest mark there can be, so that they cross none.
    for text, color, x, side, below in words:
        axes.annotate(
            text, (x, 1), xytext=(0, below), xycoords="axes fraction", textcoords="offset points", ha=side, va="top",
            color=color, fontsize=9, weight="normal" if text == "offered" else "bold",
        )  # fmt: skip


def _backlog(axes: "Axes", buffer: "BufferFindings", face: Face) -> None:
    second = buffer.timeline.second.to_numpy(np.float64)
    waiting = timeline.backlog(buffer.timeline).to_numpy(np.float64)
    axes.fill_between(second, waiting, color=face.ink.light, alpha=0.2, linewidth=0)
    axes.plot(second, waiting, color=face.ink.light, linewidth=1.6)
    peak = int(waiting.argmax())
    if waiting[peak] > 0:
        late = second[peak] > 0.7 * second[-1]
        _say(axes, f"{waiting[peak]:,.0f} waiting", second[peak], waiting[peak], face.ink.light, left=late)


def _throttles(axes: "Axes", buffer: "BufferFindings", face: Face) -> None:
    frame = buffer.timeline
    axes.fill_between(frame.second, frame.throttles, step="post", color=face.ink.light, linewidth=0)
    total = buffer.observed.throttles
    axes.annotate(
        "not told" if total is None else "none" if total == 0 else f"{total:,} in all",
        (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize=9,
        color=face.ink.light if total else MUTED.light, weight="bold" if total else "normal",
    )  # fmt: skip
