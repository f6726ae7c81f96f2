"""The figures: each one drawing, as SVG in the page and as PNG for a slide."""

import io
import re
from typing import TYPE_CHECKING, Final

import matplotlib as mpl

from reports.doors_figure import draw_doors
from reports.drawing import Form, style
from reports.knowing_figure import draw_knowing
from reports.latency_figure import draw_latency
from reports.margins import arrange
from reports.palette import INKS
from reports.route_figure import draw_answers, draw_answers_over_time
from reports.stages_figure import draw_stages
from reports.timeline_figure import draw_timeline

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from reports.findings import Findings

FIGURES: Final = {"timeline": draw_timeline, "latency": draw_latency, "stages": draw_stages}
# Of a run whose clients waited for their results.
PATTERN_FIGURES: Final = {"time-to-know": draw_knowing, "doors": draw_doors}
# Of a run to a path of any HTTP server.
ROUTE_FIGURES: Final = {"over-time": draw_answers_over_time, "latency-to-answer": draw_answers}
_DRAW: Final = FIGURES | PATTERN_FIGURES | ROUTE_FIGURES


def names(findings: "Findings") -> tuple[str, ...]:
    """The figures that there are of a run."""
    if findings.answers is not None:
        return tuple(ROUTE_FIGURES)
    if not findings.knowing:
        return tuple(FIGURES)
    return tuple(name for name in PATTERN_FIGURES if name != "doors" or findings.by_door)


def figure(name: str, findings: "Findings", form: Form) -> "Figure":
    """One figure, drawn in a form."""
    with mpl.rc_context(style(form)):
        drawn = _DRAW[name](findings, form)
        arrange(drawn, form.edges)
    return drawn


def svg(name: str, findings: "Findings", form: Form) -> str:
    """One figure as an SVG element to stand in a page: its text is text, its colours are the page's variables."""
    prefix = f"{name}-{form.value}-"
    out = io.StringIO()
    with mpl.rc_context(style(form) | {"svg.hashsalt": prefix}):
        figure(name, findings, form).savefig(
            out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _for_page(out.getvalue(), prefix)


def png(name: str, findings: "Findings", path: "Path") -> None:
    """One figure as a PNG on white, headed and footed, for a slide."""
    with mpl.rc_context(style(Form.SLIDE)):
        # To look longer for what could be smaller takes longer than to draw it.
        figure(name, findings, Form.SLIDE).savefig(
            path, format="png", facecolor="white", pil_kwargs={"compress_level": 3}
        )


def _for_page(drawing: str, prefix: str) -> str:
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'(<svg [^>]*?) width="[^"]*" height="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r"font-family: [^;\"]*", "font-family: inherit", drawing)
    # matplotlib names clips and marks by a hash of the last digit of their place, which differs from run to run.
    for number, name in enumerate(dict.fromkeys(re.findall(r'\bid="([mp][0-9a-f]{10})"', drawing))):
        drawing = drawing.replace(name, f"{name[0]}{number}")
    # Several drawings stand in one page, and ids must not meet.
    drawing = re.sub(r'\bid="', f'id="{prefix}', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\1{prefix}", drawing)
    drawing = re.sub(r"(?<=\d\.\d{2})\d+", "", drawing)
    for ink in INKS:
        drawing = drawing.replace(ink.light, f"var(--{ink.variable})")
    return drawing
