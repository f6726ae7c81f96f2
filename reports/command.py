"""`forebay report`: from a run's folder to its report, as often as wanted."""

import click

from pipeline.repeats import RepeatsFolder
from pipeline.run import RunError, RunFolder
from reports.imported_for_good import imported_for_good
from reports.run_argument import folder_of


@click.command()
@click.argument("run", required=False)
def report(run: str | None) -> None:
    """Build the report of RUN: a run's folder or its id below reports/runs. Without RUN, the latest.

    Writes scorecard.json, report.json, report.html, PNG figures and Parquet tables into the run's folder. Of repeats
    (--repeat N) it writes scorecard.json and report.html: each figure's median and spread over the runs.
    """
    try:
        path = folder_of(run)
        repeats = RepeatsFolder(path)
        # The libraries behind the report take seconds to import, and --help should not.
        if repeats.is_one:
            from reports.repeats_build import build_repeats

            built = build_repeats(repeats)
        else:
            with imported_for_good("reports.build"):
                from reports.build import build
            built = build(RunFolder(path))
    except RunError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"the report cannot be written into {path}: {error.strerror}. The report of a copy of that folder can: "
            "forebay report COPY"
        ) from None
    click.echo(built)
