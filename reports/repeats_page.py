"""report.html of repeats: each figure's median and spread over the runs; and the same for a terminal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.units import NOTHING, count
from reports.key_figures import KeyFigure, Kind
from reports.palette import INKS, faces
from reports.templates import template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.repeats import Repeats, Spread

# On a terminal stand the figures that a run is known by.
_SHOWN: Final = ("latency_ms.p50", "latency_ms.p99", "p50", "p99", "drain_s", "rejected", "lost")


@dataclass(frozen=True, slots=True)
class Cell:
    """A median, and below it in small how far the runs scatter."""

    value: str
    small: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One figure's line: a cell for each buffer, or way."""

    title: str
    cells: "Sequence[Cell]"


def page(summed: "Repeats") -> str:
    """The whole page: one file that asks nothing of the network."""
    return template("repeats.html.j2").render(
        summed=summed,
        inks=INKS,
        faces=faces(list(summed.figures) or [turn.buffer for turn in summed.run.turns] or ["run"]),
        run=summed.run,
        headline=headline(summed),
        lead=lead(summed),
        lines=[
            Line(figure.title, [_cell(figure, figures[figure]) for figures in summed.figures.values()])
            for figure in _figures(summed)
        ],
    )


def headline(summed: "Repeats") -> str:
    """The repeats in one sentence."""
    if not summed.counted:
        return "None of the runs counts."
    widest = [
        (found.max / found.min - 1, way, figure)
        for way, figures in summed.figures.items()
        for figure, found in figures.items()
        if figure.kind is Kind.DURATION and found.n > 1 and found.min and found.max
    ]
    if not widest:
        return f"{count(len(summed.counted), 'run')} of the same load."
    most, way, figure = max(widest, key=lambda one: one[0])
    name = faces(list(summed.figures))[way].name
    return f"{len(summed.counted):,} runs of the same load differ by up to {100 * most:.0f} % ({name}, {figure.title})."


def lead(summed: "Repeats") -> str:
    """What was repeated, and what the spread means."""
    seed = summed.run.seed
    return (
        f"Each run had the same schedule{'' if seed is None else f' (seed {seed})'}, so that what scatters is the "
        "system and its machine, not the arrivals."
    )


def plain(summed: "Repeats", page: "Path") -> str:
    """The repeats for a terminal: a line a buffer, and why the summary is partial if it is."""
    look = faces(list(summed.figures))
    width = max((len(face.name) for face in look.values()), default=0)
    lines = [headline(summed), lead(summed), ""]
    for way, figures in summed.figures.items():
        told = [
            f"{figure.title} {_median(figure, found)} ({_range(figure, found)})"
            for figure, found in figures.items()
            if figure.path in _SHOWN and found.n
        ]
        lines.append(f"{look[way].name:<{width}}  {'; '.join(told)}")
    if summed.partial:
        lines += ["", f"PARTIAL, {len(summed.counted):,} of {summed.wanted:,} runs count:"]
        lines += [f"  - {reason}" for reason in summed.invalid_because]
    return "\n".join([*lines, "", f"Report: {page}"])


def _figures(summed: "Repeats") -> "list[KeyFigure]":
    """Those that any run has."""
    known = (figure for figures in summed.figures.values() for figure, found in figures.items() if found.n)
    return list(dict.fromkeys(known))


def _cell(figure: KeyFigure, found: "Spread") -> Cell:
    if not found.n:
        return Cell(NOTHING)
    small = [_range(figure, found)] if found.n > 1 else []
    if found.low is not None and (found.low, found.high) != (found.min, found.max):
        small.append(f"95 %: {figure.text(found.low)} to {figure.text(found.high)}")
    return Cell(_median(figure, found), (*small,))


def _median(figure: KeyFigure, found: "Spread") -> str:
    return figure.text(found.median)


def _range(figure: KeyFigure, found: "Spread") -> str:
    if found.min == found.max:
        return "in each"
    return f"{figure.text(found.min)} to {figure.text(found.max)}"
