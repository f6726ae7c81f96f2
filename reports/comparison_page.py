"""comparison.html: what differs between two runs, or groups of repeats, for a reader; and the same for a terminal."""

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.units import NOTHING, count, duration, listed
from reports.comparison import Comparison, Method, Verdict
from reports.key_figures import Kind
from reports.palette import INKS, Face, faces
from reports.templates import template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.comparison import Compared, Side
    from reports.comparison_evidence import Evidence
    from reports.key_figures import KeyFigure

# Half of the drawing's width, in its own units; what lies beyond a change of four times is drawn at the edge.
_HALF: Final = 96.0
_WIDEST: Final = math.log(4)
_NARROWEST: Final = math.log(1.02)
_ORDER: Final = (Verdict.WORSE, Verdict.BETTER, Verdict.NOT_CALLED)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and below it in small what qualifies it."""

    value: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An interval of change on a common axis whose middle is no change: where it begins, its change, where it ends."""

    low: float
    at: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """One figure's line. `mark` is the verdict as a class of the page's style."""

    title: str
    a: Cell
    b: Cell
    change: Cell
    drawing: Drawing | None
    verdict: str
    why: str
    mark: str


@dataclass(frozen=True, slots=True)
class Table:
    """One buffer's, or way's, figures. `edge` is the change at the right edge of its drawings.

    `same` are those in words that are the same number on both sides.
    """

    face: Face
    lines: "Sequence[Line]"
    edge: str
    same: str


def page(comparison: Comparison) -> str:
    """The whole page: one file that asks nothing of the network."""
    ways = list(dict.fromkeys(one.way for one in comparison.figures))
    look = faces(ways)
    return template("comparison.html.j2").render(
        comparison=comparison,
        inks=INKS,
        faces=look,
        run=comparison.a.runs[0].run,
        headline=headline(comparison),
        lead=lead(comparison),
        method=method(comparison),
        sides={"A": _of_side(comparison.a), "B": _of_side(comparison.b)},
        sentences=[_sentence(comparison, look, one) for verdict in _ORDER[:2] for one in comparison.those(verdict)],
        tables=[_table(comparison, look[way], way) for way in ways],
    )


def plain(comparison: Comparison) -> str:
    """The comparison for a terminal."""
    look = faces(list(dict.fromkeys(one.way for one in comparison.figures)))
    lines = [headline(comparison), lead(comparison), ""]
    lines += [
        f"{one.verdict:<10}  {_sentence(comparison, look, one)}"
        for verdict in _ORDER[:2]
        for one in comparison.those(verdict)
    ]
    uncalled: dict[str, list[str]] = {}
    for one in comparison.those(Verdict.NOT_CALLED):
        uncalled.setdefault(look[one.way].name, []).append(one.figure.title)
    lines += [f"{Verdict.NOT_CALLED:<10}  {name}: {'; '.join(titles)}" for name, titles in uncalled.items()]
    if uncalled:
        lines.append("            (page and JSON say why of each)")
    lines += [f"left out    {reason}" for side in (comparison.a, comparison.b) for reason in side.left_out]
    return "\n".join([*lines, *(f"left out    {only}" for only in comparison.only), method(comparison)])


def headline(comparison: Comparison) -> str:
    """The comparison in one sentence."""
    worse, better = len(comparison.those(Verdict.WORSE)), len(comparison.those(Verdict.BETTER))
    if worse:
        return f"B is worse than A in {count(worse, 'figure')}" + (f", and better in {better:,}." if better else ".")
    if better:
        return f"B is better than A in {count(better, 'figure')}, and worse in none."
    return "No difference between A and B exceeds the noise."


def lead(comparison: Comparison) -> str:
    """What was compared, and how much of it could be judged."""
    judged = len(comparison.figures) - len(comparison.those(Verdict.NOT_CALLED))
    of = count(len(comparison.figures), "figure")
    text = f"{judged:,} of {of} could be judged, in the same load on the same target."
    if comparison.margin:
        text += f" A change of up to {100 * comparison.margin:g} % is not called."
    return text


def method(comparison: Comparison) -> str:
    """By what noise the differences were judged, in words."""
    among = (
        f"Each of the {comparison.tested:,} tested figures is judged among all of them (Holm), so that of twenty "
        "comparisons of like with like one calls a difference."
    )
    if comparison.method is Method.BETWEEN_RUNS:
        return (
            f"The noise is that between runs: {len(comparison.a.runs):,} of A, {len(comparison.b.runs):,} of B, a "
            "sample each (Student's t, of logarithms of durations, of square roots of counts, with the spread of both "
            f"sides pooled). {among}"
        )
    return (
        "Each side is one run, so only the noise within a run is known: a block bootstrap over time, its blocks ten "
        "times as long as requests have to do with each other. What sets one run apart from the next as a whole, such "
        "as how busy the machine was, looks like a difference here. Repeat both (--repeat 5) before you act on one. "
        f"{among}"
    )


def _of_side(side: "Side") -> str:
    first = side.runs[0].run
    runs = first.id if len(side.runs) == 1 else f"{count(len(side.runs), 'run')} ({side.name})"
    return f"{runs}, workload {first.workload_name or 'without a name'}, seed {first.seed}"


def _table(comparison: Comparison, face: Face, way: str) -> Table:
    compared = [one for one in comparison.figures if one.way == way]
    bounds = [
        abs(math.log1p(bound))
        for one in compared
        if one.evidence is not None and one.evidence.relative
        for bound in (one.evidence.low, one.evidence.change, one.evidence.high)
        if bound > -1
    ]
    widest = min(max([*bounds, _NARROWEST]), _WIDEST)
    edge = 100 * math.expm1(widest)
    return Table(
        face=face,
        lines=[_line(one, widest) for one in compared if one.verdict is not Verdict.SAME],
        edge=f"{edge:.0f} %" if edge >= 10 else f"{edge:.1f} %",
        same=listed([f"{one.figure.title} {_cell(one.figure, one.a).value}" for one in _same(compared)]),
    )


def _same(compared: "Sequence[Compared]") -> "list[Compared]":
    return [one for one in compared if one.verdict is Verdict.SAME]


def _line(one: "Compared", widest: float) -> Line:
    return Line(
        title=one.figure.title,
        a=_cell(one.figure, one.a),
        b=_cell(one.figure, one.b),
        change=_change(one.figure, one.evidence),
        drawing=None if one.evidence is None or not one.evidence.relative else _drawing(one.evidence, widest),
        verdict=one.verdict,
        why=one.why if one.p is None else f"p {_p(one.p)}",
        mark={Verdict.WORSE: "no", Verdict.BETTER: "ok"}.get(one.verdict, "idle"),
    )


def _cell(figure: "KeyFigure", values: tuple[float | None, ...]) -> Cell:
    known = [value for value in values if value is not None]
    if not known:
        return Cell(NOTHING)
    if len(values) == 1:
        return Cell(figure.text(known[0]))
    spread = f"{figure.text(min(known))} to {figure.text(max(known))}"
    if len(known) < len(values):
        spread += f", in {len(known)} of {len(values)}"
    return Cell(figure.text(statistics.median(known)), spread)


def _change(figure: "KeyFigure", evidence: "Evidence | None") -> Cell:
    if evidence is None:
        return Cell(NOTHING)
    if evidence.relative:
        return Cell(_percent(evidence.change), f"{_percent(evidence.low)} to {_percent(evidence.high)}")

    def signed(value: float) -> str:
        if figure.kind is Kind.DURATION:
            return ("+" if value > 0 else "") + duration(value * 1_000 if figure.unit == "s" else value)
        return f"{round(value):+,}" if round(value) else "0"

    return Cell(signed(evidence.change), f"{signed(evidence.low)} to {signed(evidence.high)}")


def _percent(change: float) -> str:
    if change >= 9:
        return f"{change + 1:,.0f} x"
    digits = 0 if abs(change) >= 0.1 else 1 if abs(change) >= 0.01 else 2
    return f"{100 * change:+.{digits}f} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _drawing(evidence: "Evidence", widest: float) -> Drawing:
    def place(change: float) -> float:
        logarithm = math.log1p(change) if change > -1 else -math.inf
        return round(max(-1.0, min(1.0, logarithm / widest)) * _HALF, 1)

    return Drawing(place(evidence.low), place(evidence.change), place(evidence.high))


def _sentence(comparison: Comparison, look: dict[str, Face], one: "Compared") -> str:
    a, b = (_cell(one.figure, values).value for values in (one.a, one.b))
    name = f"{look[one.way].name}, {one.figure.title}: {a} in A, {b} in B"
    if one.evidence is None:
        return f"{name} ({one.why})."
    change = _change(one.figure, one.evidence)
    return f"{name}, {change.value} ({change.small} by itself; p {_p(one.p or 0)} among {comparison.tested:,})."
