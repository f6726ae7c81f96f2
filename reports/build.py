"""The whole report of a run's folder, built into it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports import (
    description,
    fault_build,
    fault_cells,
    figures,
    findings,
    joined,
    known_verdict,
    page,
    route_verdict,
    scorecard,
    verdict,
)
from reports.whole_file import WholeFile, write_whole

if TYPE_CHECKING:
    from pipeline.run import RunFolder


def build(folder: "RunFolder") -> str:
    """Write scorecard.json, report.json, report.html, the PNG figures and the Parquet tables; return the verdict.

    Of a fault matrix: what `fault_build` writes.

    Raises:
        RunError: the folder holds no run, a damaged one or an empty one.
    """
    if fault_cells.is_one(folder):
        return fault_build.build(folder)
    run = description.read(folder)
    rows = joined.join(folder, run.drained)
    # Of a large run the table takes as long as all figures, and most of that without Python.
    with WholeFile(folder.path / "joined.parquet", partial(rows.write, "joined")) as table:
        found = findings.of(folder, run, rows)
        texts = {
            "scorecard.json": scorecard.to_json(scorecard.scorecard(found)),
            "report.json": scorecard.to_json(scorecard.details(found)),
            "report.html": page.page(found),
        }
        table.put()
    for name in ("observations", *(("knowledge",) if found.knowing else ())):
        write_whole(folder.path / f"{name}.parquet", partial(rows.write, name))
    for name in figures.names(found):
        write_whole(folder.path / f"{name}.png", partial(figures.png, name, found))
    for name, text in texts.items():
        write_whole(folder.path / name, partial(Path.write_text, data=text, encoding="utf-8"))
    say = known_verdict.plain if found.knowing else route_verdict.plain if found.answers else verdict.plain
    return say(found, folder.path / "report.html")
