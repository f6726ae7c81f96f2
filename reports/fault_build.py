"""The whole report of a fault matrix, built into its folder."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports import fault_page, scorecard
from reports.fault_cells import find
from reports.whole_file import write_whole

if TYPE_CHECKING:
    from pipeline.run import RunFolder


def build(folder: "RunFolder") -> str:
    """Write faults.json, report.html and the Parquet tables; return the verdict.

    Raises:
        RunError: the folder holds no run of the matrix, or a damaged one.
    """
    found = find(folder)
    for table in ("joined", "observations"):
        write_whole(folder.path / f"{table}.parquet", partial(found.rows.write, table))
    for name, text in (
        ("faults.json", scorecard.to_json(fault_page.document(found))),
        ("report.html", fault_page.page(found)),
    ):
        write_whole(folder.path / name, partial(Path.write_text, data=text, encoding="utf-8"))
    return fault_page.plain(found, folder.path / "report.html")
