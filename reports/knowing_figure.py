"""When clients knew: for each way a bar from the intended send to the stored result, and on to the client."""

from typing import TYPE_CHECKING, Any, Final

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipeline.units import duration
from reports.drawing import Form, caption_slide
from reports.palette import MUTED, OFFERED
from reports.way_faces import way_faces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.findings import Findings
    from reports.palette import Face
    from reports.time_to_know import Knowing

_THICK: Final = 0.56


def draw_knowing(findings: "Findings", form: Form) -> Figure:
    """The bars, and beside them what a result cost its client in requests; on a phone that stands in words."""
    ways = list(findings.knowing.values())
    look = way_faces(findings.knowing)
    tall = (0.62 if form is Form.PHONE else 0.5) * len(ways) + (1.9 if form is Form.SLIDE else 1.2)
    figure = Figure(figsize=(form.width, tall))
    if form is Form.PHONE:
        times = figure.subplots()
        _draw_times(times, ways, look, form)
    else:
        times, spent = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [3.1, 1]})
        _draw_times(times, ways, look, form)
        _draw_spent(spent, ways, look)
    if form is Form.SLIDE:
        caption_slide(figure, findings, "When does the client know its result? Half of all within the time shown")
    return figure


def _draw_times(axes: "Axes", ways: "list[Knowing]", look: "dict[str, Face]", form: Form) -> None:
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    longest = max((end for way in ways for end in (way.known.typical, way.known.value("p90")) if end), default=1.0)
    for row, way in enumerate(ways):
        color = look[way.name].ink.light
        known = way.known.typical
        if known is None:
            axes.annotate(
                "nobody knew", (0, row), xytext=(5, 0), textcoords="offset points", va="center", color=MUTED.light
            )
            continue
        stored = min(way.stored.typical or 0.0, known)
        axes.barh(row, stored, height=_THICK, color=OFFERED.light, linewidth=0)
        axes.barh(row, known - stored, left=stored, height=_THICK, color=color, linewidth=0)
        _draw_most(axes, row, known, way.known.value("p90"), color)
        words = duration(known)
        if form is Form.PHONE and way.requests_per_result is not None:
            words += f", {_requests(way.requests_per_result)}"
        axes.annotate(
            words, (known, row), xytext=(6, 2), textcoords="offset points", va="center", color=color, weight="bold"
        )
    _name_rows(axes, ways, look, form)
    axes.set_xlim(0, longest * (1.9 if form is Form.PHONE else 1.16))
    axes.xaxis.set_major_locator(MaxNLocator(4 if form is Form.PHONE else 7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: "0" if not ms else f"{ms / 1000:g} s"))
    axes.set_xlabel("since the request was meant to be sent", loc="left")
    polling = next((way for way in ways if way.pattern == "polling"), ways[0])
    axes.legend(
        handles=[
            Patch(color=OFFERED.light, label="until it is stored"),
            Patch(color=look[polling.name].ink.light, label="until the client knows"),
            _Whisker(look[polling.name].ink.light),
        ],
        handler_map={_Whisker: _WhiskerHandler()},
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1 if form is Form.PHONE else 3, frameon=False,
        borderpad=0, borderaxespad=0.3, handlelength=1.4, columnspacing=1.3, labelcolor=MUTED.light, fontsize=10,
    )  # fmt: skip


def _draw_most(axes: "Axes", row: int, known: float, most: float | None, color: str) -> None:
    """The line to the 90 %, along the bar's lower edge: beside its end the median is written."""
    if most is not None and most > known:
        edge = row + _THICK / 2
        axes.plot([known, most], [edge, edge], color=color, linewidth=1.6, solid_capstyle="butt")
        axes.plot([most, most], [edge - 0.09, edge + 0.09], color=color, linewidth=1.6)


def _name_rows(axes: "Axes", ways: "list[Knowing]", look: "dict[str, Face]", form: Form) -> None:
    names = [look[way.name].name.replace(", ", ",\n" if form is Form.PHONE else ", ") for way in ways]
    axes.set_yticks(range(len(ways)), names, fontsize=9 if form is Form.PHONE else 11, weight="bold")
    for label, way in zip(axes.get_yticklabels(), ways, strict=True):
        label.set_color(look[way.name].ink.light)
    axes.set_ylim(len(ways) - 0.5, -0.6)


def _draw_spent(axes: "Axes", ways: "list[Knowing]", look: "dict[str, Face]") -> None:
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(labelleft=False)
    spent = [way.requests_per_result or 0.0 for way in ways]
    for row, (way, number) in enumerate(zip(ways, spent, strict=True)):
        axes.barh(row, number, height=_THICK * 0.5, color=look[way.name].ink.light, alpha=0.45, linewidth=0)
        if number:
            axes.annotate(
                f"{number:.1f}", (number, row), xytext=(5, 0), textcoords="offset points", va="center",
                color=look[way.name].ink.light, weight="bold",
            )  # fmt: skip
    axes.set_xlim(0, (max(spent, default=0.0) or 1.0) * 1.25)
    axes.annotate(
        "requests it costs the client", (0, 1), xytext=(0, 5), xycoords="axes fraction",
        textcoords="offset points", color=MUTED.light, fontsize=10,
    )  # fmt: skip


def _requests(number: float) -> str:
    return f"{number:.1f} requests"


class _Whisker:
    """Stands in the legend for the thin line to the 90 %."""

    def __init__(self, color: str) -> None:
        self.color = color

    def get_label(self) -> str:
        return "until 90 % do"


class _WhiskerHandler:
    def legend_artist(self, _: Any, whisker: _Whisker, __: float, box: Any) -> Any:
        from matplotlib.lines import Line2D

        middle = box.ydescent + box.height / 2
        line = Line2D([0, box.width], [middle, middle], color=whisker.color, linewidth=1.6)
        end = Line2D([box.width], [middle], color=whisker.color, marker="|", markersize=9, markeredgewidth=1.6)
        box.add_artist(line)
        box.add_artist(end)
        return line
