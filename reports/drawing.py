"""What the figures have in common: type, line weights, the form a figure is drawn in, the axis of times."""

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from matplotlib.font_manager import fontManager
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline import units
from reports.margins import Room
from reports.palette import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.findings import Findings

_WIDE: Final = 11.2
_NARROW: Final = 4.1
# The first that the machine has; matplotlib brings the last with it.
_SLIDE_FONTS: Final = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
# A page shows its own reader's font. Room is made for the widest of those likely, which is this one.
_PAGE_FONT: Final = "DejaVu Sans"
_TICKS_MS: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 6e4, 12e4, 3e5, 6e5, 12e5, 36e5,
)  # fmt: skip
_MOST_TICKS: Final = 8
# Of a slide, in inches: what is around it, and the lines above and below its drawing.
_BORDER: Final = 0.3
_HEADING: Final = 0.4
_FOOTING: Final = 0.28


class Form(Enum):
    """Where a figure is shown: on a page, on a phone's page, or alone on a slide, where it has to name its run."""

    PAGE = "wide"
    PHONE = "narrow"
    SLIDE = "slide"

    @property
    def width(self) -> float:
        """The figure's width in inches."""
        return _NARROW if self is Form.PHONE else _WIDE

    @property
    def edges(self) -> Room:
        """What a figure has around its axes and their labels: nothing, but a slide its border, heading and footing."""
        if self is not Form.SLIDE:
            return Room()
        return Room(_BORDER, _BORDER + _FOOTING, _BORDER, _BORDER + _HEADING)


def style(form: Form) -> dict[Any, Any]:
    """matplotlib's settings for a form."""
    known = {font.name for font in fontManager.ttflist}
    font = next((font for font in _SLIDE_FONTS if font in known), _PAGE_FONT) if form is Form.SLIDE else _PAGE_FONT
    return {
        "font.family": [font],
        "font.size": 10.5 if form is Form.SLIDE else 9,
        "text.color": INK.light,
        "text.parse_math": False,
        "axes.edgecolor": MUTED.light,
        "axes.labelcolor": MUTED.light,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.titley": 1.0,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        # About where the margins will be: what is measured before they are known is measured there.
        "figure.subplot.left": 0.12 if form is Form.PHONE else 0.06,
        "figure.subplot.right": 0.98,
        "figure.subplot.bottom": 0.12,
        "figure.subplot.top": 0.88,
        "figure.dpi": 200 if form is Form.SLIDE else 72,
        "grid.color": RULE.light,
        "grid.linewidth": 0.8,
        "lines.solid_capstyle": "round",
        "lines.solid_joinstyle": "round",
        "xtick.color": MUTED.light,
        "ytick.color": MUTED.light,
        "ytick.left": False,
        "ytick.major.size": 0,
        "svg.fonttype": "none",
    }


def caption_slide(figure: "Figure", findings: "Findings", title: str) -> None:
    """Head a slide with what it shows, and foot it with the run it shows, so that it can be forwarded alone."""
    run = findings.run
    where = {
        "local": "embedded AWS on one machine, not AWS",
        "aws": "AWS",
        "simulated": "simulated",
        "http": "an HTTP server",
    }
    sent = {buffer.load.requests for buffer in findings.buffers.values()}
    each = "for each pattern" if findings.knowing else "in all" if findings.answers else "a buffer"
    parts = [
        f"workload {run.workload_name}" if run.workload_name else "",
        f"{min(sent):,} requests {each}" if len(sent) == 1 else f"{min(sent):,} to {max(sent):,} requests {each}",
        f"target: {where.get(run.target or '', run.target or 'not told')}",
        f"run {run.id}",
        "" if findings.valid else "NOT VALID",
    ]
    width, height = (side + 2 * _BORDER for side in figure.get_size_inches())
    figure.set_size_inches(width, height)
    left, low = _BORDER / width, _BORDER / height
    figure.suptitle(title, x=left, y=1 - low, ha="left", va="top", fontsize=17, weight="bold")
    figure.text(left, low, "  ·  ".join(filter(None, parts)), color=MUTED.light, fontsize=9, va="bottom")


def time_axis(axes: "Axes", which: str, low: float, high: float) -> None:
    """Make an axis, "x" or "y", one of times in ms, over powers of ten."""
    low, high = low / 1.15, high * 1.15
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    ticks = [tick for tick in _TICKS_MS if low <= tick <= high]
    if len(ticks) > _MOST_TICKS:
        ticks = [tick for tick in ticks if math.log10(tick).is_integer() or tick in (6e4, 6e5, 36e5)]
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda ms, _: units.tick(ms)))
    axis.set_minor_locator(NullLocator())
