"""The page of a fault matrix, and faults.json beside it."""

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipeline.units import NOTHING, count, listed
from reports import templates
from reports.fault_cells import BLAST_MS
from reports.flat import flat
from reports.page import moment
from reports.palette import INKS, faces

if TYPE_CHECKING:
    from pathlib import Path

    from reports.fault_cells import FaultCell, FaultFindings


def document(findings: "FaultFindings") -> dict[str, Any]:
    """faults.json: a cell each, and apart from them those without a fault that they are compared with."""
    run = findings.run
    return {
        "run": {
            "id": run.get("id"),
            "target": run.get("target"),
            "seed": run.get("seed"),
            "valid": bool(run.get("valid")),
            "invalid_because": run.get("invalid_because", []),
            "not_run": run.get("not_run", []),
        },
        "cells": [_cell(cell) for cell in findings.cells],
        "without_fault": [_cell(cell) for cell in findings.quiet],
        "simulated": run.get("simulated", []),
    }


def page(findings: "FaultFindings") -> str:
    """The whole page."""
    run = findings.run
    matrix = run.get("matrix", {})
    cells = findings.cells
    return templates.template("fault.html.j2").render(
        findings=findings,
        run=run,
        matrix=matrix,
        started=moment(run.get("started_at")),
        inks=INKS,
        faces=faces([cell.told["buffer"] for cell in (*cells, *findings.quiet)]),
        headline=headline(findings),
        groups=[(name, list(same)) for name, same in groupby(cells, key=lambda cell: cell.told["fault"])],
        overview=[
            (fault, struck, defaultdict(lambda: None, {cell.told["buffer"]: cell for cell in same}))
            for (fault, struck), same in groupby(cells, key=lambda cell: (cell.told["fault"], cell.told["rate"]))
        ],
        blast_s=BLAST_MS / 1_000,
        settings={name: flat(how.get("local", {})) for name, how in matrix.get("settings", {}).items()},
        expected=expected,
        rate=rate,
        seconds=seconds,
        number=lambda value: NOTHING if value is None else f"{value:,}",
    )


def headline(findings: "FaultFindings") -> str:
    """The one sentence."""
    faults = len({cell.told["fault"] for cell in findings.cells})
    through = listed([face.name for face in faces([cell.told["buffer"] for cell in findings.cells]).values()])
    tried = f"{count(faults, 'fault')} through {through}" if faults else "no fault"
    lost = (
        "no request was lost" if not findings.lost else f"{count(findings.lost, 'request was', 'requests were')} LOST"
    )
    twice = findings.visible_duplicates
    seen = "no client could see anything twice" if not twice else f"clients could see {count(twice, 'thing')} TWICE"
    return f"{tried}: of {findings.accepted:,} accepted, {lost}, and {seen}"


def plain(findings: "FaultFindings", path: "Path") -> str:
    """For the terminal: the sentence, what is not as expected, and where the page is."""
    differing = [cell for cell in findings.cells if not cell.as_expected]
    lines = [f"{headline(findings)}."]
    for cell in differing:
        figures = ", ".join(f"{name} {_figure(cell, name)}" for name in cell.differing)
        lines.append(f"  not as expected: {cell.told['cell']}: {figures}")
    if not differing:
        lines.append("  every cell is as expected")
    return "\n".join([*lines, f"Report: {path}"])


def expected(cell: "FaultCell") -> list[tuple[str, str, str, bool]]:
    """What was expected of a cell: figure, expectation, what it is, and whether they agree."""
    return [
        (name.replace("_", " "), text, _figure(cell, name), name not in cell.differing)
        for name, text in {**cell.told["expected"], "lost": "0", "visible_duplicates": "0"}.items()
    ]


def rate(value: float | None) -> str:
    """A rate as a reader says it: 0.001 is 1 in 1,000."""
    if value is None:
        return "all"
    return f"1 in {round(1 / value):,}" if value < 0.01 else f"{100 * value:.3g} %"


def seconds(value: float | None) -> str:
    """A time to recover."""
    return NOTHING if value is None else f"{value:.1f} s"


def _figure(cell: "FaultCell", name: str) -> str:
    value = cell.figures[name]
    return NOTHING if value is None else f"{value:,g}"


def _cell(cell: "FaultCell") -> dict[str, Any]:
    told, found = cell.told, cell.account
    return {
        "fault": told["fault"],
        "rate": told["rate"],
        "buffer": told["buffer"],
        "accepted": found.accepted,
        "completed": found.completed,
        "failed": found.failed,
        "dead_lettered": found.dead_lettered,
        "lost": found.lost,
        "visible_duplicates": cell.visible_duplicates,
        "blast_radius": cell.blast_radius,
        "recovery_s": cell.recovery_s,
        "expected": _written(cell),
        "as_expected": cell.as_expected,
        "differing": list(cell.differing),
        "explained": told["differs"] if cell.differing else None,
        "rejected": found.refused,
        "unfinished": found.unfinished,
        "duplicates": found.duplicates,
        "struck": told["struck"],
        "bad": len(told["bad"]),
        "called_back": told["called_back"],
        "untold": told["untold"],
        "orphans": told["orphans"],
        "changes": told["changes"],
        "setting": told["setting"],
        "load": told["load"],
    }


def _written(cell: "FaultCell") -> str:
    figures = "; ".join(f"{name} {text}" for name, text in cell.told["expected"].items())
    return f"lost 0; visible_duplicates 0; {figures}. {cell.told['because']}" if figures else "lost 0"
