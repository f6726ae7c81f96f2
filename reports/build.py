"""The whole report of a run's folder, built into it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reports import description, fault_cells, joined
from reports.imported_for_good import imported_for_good

if TYPE_CHECKING:
    from pipeline.run import RunFolder


def build(folder: "RunFolder") -> str:
    """Write scorecard.json, report.json, report.html, the PNG figures and the Parquet tables; return the verdict.

    Of a fault matrix: what `fault_build` writes.

    Raises:
        RunError: the folder holds no run, a damaged one or an empty one.
    """
    if fault_cells.is_one(folder):
        return str(_imported("fault_build").build(folder))
    # The libraries that reckon and draw take as long to import as a million rows to read, which compiled code does.
    run = description.read(folder)
    rows = joined.join(folder, run.drained, meanwhile=lambda: _imported("report_files"))
    return str(_imported("report_files").write(folder, run, rows))


def _imported(name: str) -> Any:
    with imported_for_good(f"reports.{name}"):
        return import_module(f"reports.{name}")
