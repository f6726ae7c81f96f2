"""`forebay simulate`: from scenario files to what they show, in words, as JSON, and as a report."""

import contextlib
import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator.result import Result
    from simulator.scenario import Scenario

# What a shell says of a command that Ctrl-C ended.
_INTERRUPTED: Final = 130
_STEPS: Final = 1_000


@click.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@click.option(
    "--json",
    "json_out",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the figures there as JSON; - is stdout, and the words go to stderr.",
)
@click.option(
    "--report",
    "report_folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Build the report of a run there, with its rows: a new folder, or one of an earlier simulation.",
)
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting that goes before the files': mapping.batch_size=10, buffer=sns, 'arrivals={burst: 500}'.",
)
def simulate(
    scenarios: tuple[str, ...], json_out: Path | None, report_folder: Path | None, settings: tuple[str, ...]
) -> None:
    """What AWS's documented rules make of a load: nothing runs, and no account is needed.

    SCENARIO is a YAML file, or the name of one of Forebay's own: burst, spike-sqs, spike-sns, spike-kinesis, hot-key,
    poison-fifo, workload-spike. docs/simulator.md has the keys; all have defaults. The same scenario gives the same
    bytes.

    \b
      forebay simulate burst
      forebay simulate burst --set buffer=sns --json burst.json
      forebay simulate spike-sqs spike-sns spike-kinesis --report out
    """
    # numpy, and the compiler behind the downstream's model, take seconds to import, and --help should not.
    from simulator import out_file, run_folder, scorecard
    from simulator.summary import summary

    try:
        read = _read(scenarios, settings)
        if report_folder is not None:
            _refuse_folder(report_folder, read)
        results = [_run(scenario) for scenario in read]
        words = summary(results)
        if json_out is not None:
            out_file.write(json_out, scorecard.to_json(results))
        if report_folder is not None:
            words += f"\n{_report(report_folder, lambda into: run_folder.write(into, results))}"
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing half-written is left.", err=True)
        sys.exit(_INTERRUPTED)
    click.echo(words, err=str(json_out) == "-")
    if any(result.lost for result in results):
        sys.exit(1)


def _read(names: "Sequence[str]", settings: "Sequence[str]") -> "list[Scenario]":
    from pipeline.document import DocumentError
    from simulator.scenario_file import find, read

    try:
        return [read(find(name), settings) for name in names]
    except DocumentError as error:
        raise click.ClickException(str(error)) from None


def _run(scenario: "Scenario") -> "Result":
    from delivery.quotas import UnknownQuotaError
    from simulator.simulation import simulate as simulate_scenario

    try:
        with _bar(scenario.name) as progress:
            return simulate_scenario(scenario, progress)
    except (ValueError, UnknownQuotaError) as error:
        raise click.ClickException(f"scenario {scenario.name}: {error}") from None


@contextlib.contextmanager
def _bar(name: str) -> "Iterator[Callable[[float], None]]":
    """A bar on stderr; none where nobody watches."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=_STEPS, label=f"Simulating {name}", file=sys.stderr, hidden=hidden) as bar:
        yield lambda share: bar.update(int(share * _STEPS) - bar.pos)
        bar.update(_STEPS - bar.pos)


def _refuse_folder(folder: Path, scenarios: "Sequence[Scenario]") -> None:
    """Before time is spent: a folder that holds something else, or scenarios that no report can lay side by side."""
    from pipeline.run import RunError, RunFolder
    from simulator.run_folder import TARGET

    buffers = [scenario.buffer for scenario in scenarios]
    for scenario in scenarios:
        if buffers.count(scenario.buffer) > 1:
            raise click.ClickException(
                f"{buffers.count(scenario.buffer)} scenarios are of {scenario.buffer}; a report compares buffers, one "
                "scenario each. Give each a report of its own."
            )
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        simulated = RunFolder(folder).described().get("target") == TARGET
    except RunError:
        simulated = False
    if not simulated:
        raise click.ClickException(f"{folder} is not empty and holds no simulation; name a new folder")


def _report(folder: Path, write: "Callable[[Path], object]") -> str:
    """The report of a run's folder, which takes the place of an earlier one whole."""
    from pipeline.cli import main

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            fresh = Path(scratch) / folder.name
            fresh.mkdir()
            write(fresh)
            if folder.exists():
                folder.replace(Path(scratch) / "before")
            fresh.replace(folder)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from None
    # The room of reports is another one's: its command is asked for as a user asks for it.
    with contextlib.redirect_stdout(io.StringIO()):
        main(["report", str(folder)], prog_name="forebay", standalone_mode=False)
    return f"Report: {folder / 'report.html'}"
