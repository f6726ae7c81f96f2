"""The whole report of a run's folder, built into it."""

from typing import TYPE_CHECKING

from reports import figures, findings, page, scorecard, verdict

if TYPE_CHECKING:
    from pipeline.run import RunFolder


def build(folder: "RunFolder") -> str:
    """Write scorecard.json, report.json, report.html, the PNG figures and the Parquet tables; return the verdict.

    Raises:
        RunError: the folder holds no run, a damaged one or an empty one.
    """
    found = findings.find(folder)
    path = folder.path
    found.rows.write("joined", path / "joined.parquet")
    found.rows.write("observations", path / "observations.parquet")
    scorecard.write(scorecard.scorecard(found), path / "scorecard.json")
    scorecard.write(scorecard.details(found), path / "report.json")
    for name in figures.FIGURES:
        figures.png(name, found, path / f"{name}.png")
    (path / "report.html").write_text(page.page(found), encoding="utf-8")
    return verdict.plain(found, path / "report.html")
