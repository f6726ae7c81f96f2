"""The whole report of a run's folder, built into it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports import (
    fault_build,
    fault_cells,
    figures,
    findings,
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
    found = findings.find(folder)
    # The table of a large run takes as long as the drawings, and these are Python where that is not.
    with WholeFile(folder.path / "joined.parquet", partial(found.rows.write, "joined")) as table:
        texts = {
            "scorecard.json": scorecard.to_json(scorecard.scorecard(found)),
            "report.json": scorecard.to_json(scorecard.details(found)),
            "report.html": page.page(found),
        }
        for name in figures.names(found):
            write_whole(folder.path / f"{name}.png", partial(figures.png, name, found))
        table.put()
    for name in ("observations", *(("knowledge",) if found.knowing else ())):
        write_whole(folder.path / f"{name}.parquet", partial(found.rows.write, name))
    for name, text in texts.items():
        write_whole(folder.path / name, partial(Path.write_text, data=text, encoding="utf-8"))
    say = known_verdict.plain if found.knowing else route_verdict.plain if found.answers else verdict.plain
    return say(found, folder.path / "report.html")
