"""`forebay report`: from a run's folder to its report, as often as wanted."""

from pathlib import Path
from typing import Final

import click

from pipeline.run import RunError, RunFolder

_RUNS: Final = Path(__file__).parent / "runs"
_LATEST: Final = Path(__file__).parent / "latest"


@click.command()
@click.argument("run", required=False)
def report(run: str | None) -> None:
    """Build the report of RUN: a run's folder or its id below reports/runs. Without RUN, the latest.

    Writes scorecard.json, report.json, report.html, PNG figures and Parquet tables into the run's folder.
    """
    # The libraries behind the report take seconds to import, and --help should not.
    from reports.build import build

    try:
        built = build(RunFolder(_folder(run)))
    except RunError as error:
        raise click.ClickException(str(error)) from error
    click.echo(built)


def _folder(run: str | None) -> Path:
    if run is None:
        if not _LATEST.exists():
            raise RunError(f"there is no {_LATEST}: run `make bench` first, or name a run's folder")
        return _LATEST
    for path in (Path(run), _RUNS / run):
        if path.is_dir():
            return path
    known = sorted(path.name for path in _RUNS.glob("*")) if _RUNS.is_dir() else []
    have = f"there are {', '.join(known[-5:])}" if known else "there is none yet: `make bench` makes one"
    raise RunError(f"no run {run!r}, neither as a folder nor below {_RUNS}; {have}")
