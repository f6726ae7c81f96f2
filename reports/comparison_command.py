"""`forebay compare`: which differences between two runs exceed the noise, in words, as a page, and for CI."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.finite_range import FiniteRange
from pipeline.repeats import RepeatsFolder
from pipeline.run import RunError, RunFolder
from reports.run_argument import folder_of

if TYPE_CHECKING:
    from reports.comparison import Side
    from reports.findings import Findings

_WORSE = 1
_NOT_COMPARED = 2
_INTERRUPTED = 130


@click.command()
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the comparison there as a page.")
@click.option("--json", "json_out", type=click.Path(dir_okay=False, path_type=Path), help="Write it there as JSON.")
@click.option(
    "--margin",
    metavar="PERCENT",
    type=FiniteRange(min=0),
    default=1.0,
    show_default=True,
    help="How far a figure may change without being called. 0 asks of every change.",
)
def compare(run_a: str, run_b: str, html: Path | None, json_out: Path | None, margin: float) -> None:
    """Say which differences between RUN_A (before) and RUN_B (after) exceed the noise.

    Each is a run's folder or its id below reports/runs, or the same of repeats (--repeat N). Repeats are judged by how
    far runs differ, which is what you want: five of each side see a change of three times that. Two single runs are
    judged by the noise within them; where requests wait for each other too long for that, no call is made.

    \b
      locust -f loadtest/ --headless --repeat 5       (before the change, and after)
      forebay compare 20261126T120000Z-spike-x5 20261126T140000Z-spike-x5 --html comparison.html

    \b
    Exit code: 0 if B is no worse, 1 if it is worse in something beyond the noise, 2 if they cannot be compared
    (another workload or target, a run that is not valid, nothing that can be told from noise), or not written.
    """
    # The libraries behind the report take seconds to import, and --help should not.
    from reports import comparison_json, comparison_page
    from reports.comparison import NotComparableError, compare

    try:
        compared = compare(_side(run_a), _side(run_b), margin / 100)
    except (RunError, NotComparableError) as error:
        click.echo(f"A and B cannot be compared: {error}", err=True)
        if json_out is not None:
            _write(json_out, comparison_json.as_text(comparison_json.refused(error)))
        sys.exit(_NOT_COMPARED)
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing half-written is left.", err=True)
        sys.exit(_INTERRUPTED)
    if json_out is not None:
        _write(json_out, comparison_json.as_text(comparison_json.to_json(compared)))
    if html is not None:
        _write(html, comparison_page.page(compared))
    click.echo(comparison_page.plain(compared))
    sys.exit(_WORSE if compared.worse else 0)


def _side(run: str) -> "Side":
    from reports.comparison import side
    from reports.findings import find

    path = folder_of(run)
    repeats = RepeatsFolder(path)
    folders = repeats.runs if repeats.is_one else [RunFolder(path)]
    # Reading takes seconds a run, and a bar is for who watches.
    with click.progressbar(
        length=len(folders), label=f"Reading {path.name}", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def read(folder: RunFolder) -> "Findings":
            found = find(folder)
            bar.update(1)
            return found

        return side(path.name, folders, read)


def _write(path: Path, text: str) -> None:
    from reports.whole_file import write_whole

    try:
        write_whole(path, partial(Path.write_text, data=text, encoding="utf-8"))
    except OSError as error:
        click.echo(f"{path} cannot be written: {error.strerror}", err=True)
        sys.exit(_NOT_COMPARED)
