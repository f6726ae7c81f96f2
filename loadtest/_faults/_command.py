"""`forebay faults`: every fault through every buffer, and a page of what became of the requests."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipeline.request import BUFFERS
from pipeline.workload_file import WorkloadError

if TYPE_CHECKING:
    from loadtest._faults._matrix import Fault, Matrix
    from pipeline.request import Buffer
    from pipeline.run import RunFolder

# What a shell says of a command that Ctrl-C ended.
_INTERRUPTED: Final = 130
_FOREBAY: Final = Path(sys.executable).with_name("forebay")


@click.command()
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--only", "names", multiple=True, metavar="NAME", help="Only this fault; may be given again.")
@click.option(
    "--buffer", "buffers", type=click.Choice(BUFFERS), multiple=True, help="Only this buffer; may be given again."
)
@click.option("--seed", type=click.IntRange(min=0), help="Another seed than the file's.")
@click.option(
    "--out",
    "runs",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of runs to make this one in; without it, reports/runs.",
)
@click.option("--list", "listing", is_flag=True, help="Say which faults there are, at which rates, and run nothing.")
def faults(
    file: Path | None,
    names: tuple[str, ...],
    buffers: "tuple[Buffer, ...]",
    seed: int | None,
    runs: Path | None,
    *,
    listing: bool,
) -> None:
    """Break the embedded AWS on purpose, one fault after the other, and account for every request.

    Each fault of the matrix strikes a load through SNS, SQS and Kinesis: handlers that fail, hang, are killed or run
    out of memory; Rekognition, DynamoDB and the buffers' APIs throttling, failing or slow; answers lost after the work
    was done; records delivered twice; a deployment in the middle; servers killed. What is expected stands in FILE
    beside each of them before it is measured; without FILE it is loadtest/faults.yaml.

    \b
      forebay faults                           the whole matrix, about half an hour
      forebay faults --list                    what is in it
      forebay faults --only poison             one fault through all buffers
      forebay faults --only kill --buffer sqs

    The page and faults.json go into the run's folder, to which reports/latest leads. It ends with 0 if no request is
    lost and no client could see anything twice; with 1 otherwise. What is not as expected is said on the page. Ctrl-C
    ends it with a page of what there is.
    """
    # Locust's and Pillow's part of the house takes a second to import, and --help should not.
    from loadtest._faults._matrix import OWN, read
    from loadtest._faults._matrix_run import MatrixRun, trials_of
    from loadtest._run_folders import RUNS
    from producers.redrive.stopping import stopping

    try:
        matrix = read(file or OWN)
        chosen = _chosen(matrix, names)
    except WorkloadError as error:
        raise click.ClickException(str(error)) from None
    if listing:
        click.echo("\n".join(f"{fault.name:<24}{_rates(fault):<16}{fault.what}" for fault in chosen))
        return
    trials = trials_of(matrix, chosen, buffers or matrix.buffers)
    with stopping("Stopping, with a page of what there is; Ctrl-C again stops at once.") as stopped:
        run = MatrixRun(
            matrix,
            trials,
            matrix.seed if seed is None else seed,
            (runs or RUNS).absolute(),
            stopped,
            _tell,
            _show,
        )
        try:
            folder = run.run()
        except OSError as error:
            raise click.ClickException(f"the run cannot be written: {error}. Give another folder with --out") from None
    if folder is None and stopped():
        click.echo("Stopped before a request was sent: there is nothing to report, and no run is kept.", err=True)
        sys.exit(_INTERRUPTED)
    if folder is None or (run.faults and not run.cells):
        raise click.ClickException("; ".join(run.faults) or "no request was sent")
    good = _reported(folder)
    for fault in run.faults:
        click.echo(f"Not whole: {fault}", err=True)
    if stopped():
        sys.exit(_INTERRUPTED)
    sys.exit(0 if good and not run.faults else 1)


def _chosen(matrix: "Matrix", names: tuple[str, ...]) -> "list[Fault]":
    by_name = {fault.name: fault for fault in matrix.faults}
    if unknown := [name for name in names if name not in by_name]:
        raise WorkloadError(f"there is no fault {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [fault for fault in matrix.faults if not names or fault.name in names]


def _rates(fault: "Fault") -> str:
    return ", ".join("-" if rate is None else f"{rate:g}" for rate in fault.rates)


def _reported(folder: "RunFolder") -> bool:
    """Make the page, in a process of its own: what it needs is large. Whether all is as it has to be."""
    later = f"forebay report {folder.path}"
    made = subprocess.run([_FOREBAY, "report", folder.path], check=False)  # noqa: S603 (our own command)
    if made.returncode:
        click.echo(f"The page could not be made; try again: {later}", err=True)
        return False
    cells = json.loads((folder.path / "faults.json").read_text(encoding="utf-8"))["cells"]
    return not any(cell["lost"] or cell["visible_duplicates"] for cell in cells)


def _tell(text: str) -> None:
    _clear()
    click.echo(text)


def _show(text: str) -> None:
    """What is to be seen meanwhile; nowhere where nobody watches."""
    if sys.stderr.isatty():
        _clear()
        click.echo(text[: shutil.get_terminal_size().columns - 1], nl=False, err=True)


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
