"""The files of a report, made of a run's rows."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports import figures, findings, known_verdict, page, route_verdict, scorecard, verdict
from reports.whole_file import WholeFile, write_whole

if TYPE_CHECKING:
    from pipeline.run import RunFolder
    from reports.description import Description
    from reports.joined import Joined


def write(folder: "RunFolder", run: "Description", rows: "Joined") -> str:
    """Write all of them into the run's folder; return the verdict."""
    # The table of a large run takes as long as the figures, which leave a core free now and then, and the drawings,
    # which are Python where that is not.
    with WholeFile(folder.path / "joined.parquet", partial(rows.write, "joined")) as table:
        found = findings.of(folder, run, rows)
        texts = {
            "scorecard.json": scorecard.to_json(scorecard.scorecard(found)),
            "report.json": scorecard.to_json(scorecard.details(found)),
            "report.html": page.page(found),
        }
        for name in figures.names(found):
            write_whole(folder.path / f"{name}.png", partial(figures.png, name, found))
        table.put()
    for name in ("observations", *(("knowledge",) if found.knowing else ())):
        write_whole(folder.path / f"{name}.parquet", partial(rows.write, name))
    for name, text in texts.items():
        write_whole(folder.path / name, partial(Path.write_text, data=text, encoding="utf-8"))
    say = known_verdict.plain if found.knowing else route_verdict.plain if found.answers else verdict.plain
    return say(found, folder.path / "report.html")
