"""`forebay report`: from a run's folder to its report, as often as wanted."""

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pipeline.repeats import RepeatsFolder
from pipeline.run import RunError, RunFolder
from reports.run_argument import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.argument("run", required=False)
def report(run: str | None) -> None:
    """Build the report of RUN: a run's folder or its id below reports/runs. Without RUN, the latest.

    Writes scorecard.json, report.json, report.html, PNG figures and Parquet tables into the run's folder. Of repeats
    (--repeat N) it writes scorecard.json and report.html: each figure's median and spread over the runs.
    """
    # The libraries behind the report take seconds to import, and --help should not.
    with _for_good():
        from reports.build import build
        from reports.repeats_build import build_repeats

    try:
        path = folder_of(run)
        repeats = RepeatsFolder(path)
        built = build_repeats(repeats) if repeats.is_one else build(RunFolder(path))
    except RunError as error:
        raise click.ClickException(str(error)) from error
    click.echo(built)


@contextmanager
def _for_good() -> "Iterator[None]":
    """What is imported here, the first time, is never searched for cycles: to look through the 150,000 objects of the
    libraries again and again takes half a second of a large report, and all threads wait for it.
    """
    if "reports.build" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
