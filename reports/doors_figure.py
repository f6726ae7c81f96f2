"""The doors into a buffer: what share of requests had their 202 within which time, and what a million cost."""

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pipeline.units import duration
from reports.doors import DOORS
from reports.drawing import Form, caption_slide, time_axis
from reports.palette import MUTED, PATTERN_INKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.doors import Passage
    from reports.findings import Findings

INKS: Final = {"proxy": PATTERN_INKS["callback"], "handler": PATTERN_INKS["websocket"]}


def draw_doors(findings: "Findings", form: Form) -> Figure:
    """A curve for each door."""
    passages = [passage for passage in findings.by_door.values() if passage.curve]
    figure = Figure(figsize=(form.width, {Form.PAGE: 3.4, Form.PHONE: 3.8, Form.SLIDE: 4.8}[form]))
    axes = figure.subplots()
    times = [ms for passage in passages for ms, _ in passage.curve if ms > 0]
    for passage in passages:
        ms = [passage.curve[0][0], *(time for time, _ in passage.curve)]
        axes.step(ms, [0.0, *(part for _, part in passage.curve)], where="post", color=_color(passage), linewidth=2.4)
    time_axis(axes, "x", min(times, default=1.0), max(times, default=1e3))
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_title(
        "\n" * len(passages) + "of the requests were accepted (202) within",
        loc="left", fontsize=10, color=MUTED.light, pad=8, linespacing=1.6,
    )  # fmt: skip
    for place, passage in enumerate(reversed(passages), start=1):
        _say(axes, passage, place, form)
    if form is Form.SLIDE:
        caption_slide(figure, findings, "Into the buffer: straight from API Gateway, or by a request handler")
    return figure


def _color(passage: "Passage") -> str:
    return INKS[passage.door].light


def _say(axes: "Axes", passage: "Passage", place: int, form: Form) -> None:
    """Name a curve and what it took, above the axes, in the line of that number from below."""
    words = [DOORS[passage.door]]
    half = passage.response.value("p50")
    if half is not None:
        words.append(f"half within {duration(half)}")
    if passage.usd_per_million is not None:
        words.append(f"${passage.usd_per_million:.2f} a million")
    axes.annotate(
        ", ".join(words), (0, 1), xytext=(0, 10 + 16 * place), xycoords="axes fraction", textcoords="offset points",
        color=_color(passage), weight="bold", fontsize=8 if form is Form.PHONE else 11,
    )  # fmt: skip
