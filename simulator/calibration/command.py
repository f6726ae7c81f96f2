"""`forebay calibrate`: writes docs/calibration.md, or says whether it is up to date."""

import subprocess
import sys
import tempfile
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import Final

import click
import yaml

from delivery.transcript import TranscriptError
from pipeline.run import RunError, RunFolder
from simulator.calibration.embedded import WORKLOAD
from simulator.calibration.measurement import Measurement, MeasurementError, read, to_json
from simulator.calibration.page import PAGE, render
from simulator.calibration.reasons import UnexplainedError
from simulator.replay import DifferentDecisionError

MEASURED: Final = Path(__file__).parent / "measured.json"
_ROOT: Final = Path(__file__).parents[2]
_SHOWN_LINES: Final = 20


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the page is not what the code gives.")
@click.option(
    "--measure", is_flag=True, help="First run the load test on this machine, some minutes, and store what it shows."
)
def calibrate(check: bool, measure: bool) -> None:
    """Set every published figure, and a measured load test, beside the simulator's: docs/calibration.md.

    The published figures are in simulator/calibration/published.yaml, the last measurements in measured.json.
    Measure on a machine that does nothing else: a run whose load was late is refused.
    """
    if check and measure:
        raise click.UsageError("--check writes nothing, and --measure does; choose one")
    try:
        if measure:
            MEASURED.write_text(to_json([_measured(), *_before()]), encoding="utf-8")
        page = render(read(MEASURED))
    except (MeasurementError, RunError, UnexplainedError, TranscriptError, DifferentDecisionError) as error:
        raise click.ClickException(str(error)) from None
    if not check:
        PAGE.write_text(page, encoding="utf-8")
        click.echo(PAGE.relative_to(_ROOT))
        return
    stored = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if stored != page:
        difference = unified_diff(
            stored.splitlines(), page.splitlines(), "as it stands", "as it should be", lineterm=""
        )
        shown = "\n".join(islice(difference, _SHOWN_LINES))
        raise click.ClickException(f"{PAGE.name} is out of date; run `forebay calibrate` and read it:\n{shown}")
    click.echo(f"{PAGE.name} is up to date")


def _before() -> list[Measurement]:
    """The measurements there are; those of another format are superseded by the first of this one."""
    try:
        return read(MEASURED)
    except MeasurementError:
        return []


def _measured() -> Measurement:
    """Run the load test in a process of its own, as `make bench` does, and read its run's folder."""
    with tempfile.TemporaryDirectory(prefix="forebay-calibrate-") as folder:
        runs = Path(folder) / "runs"
        recording = Path(folder) / "decisions.jsonl"
        workload = yaml.safe_load(WORKLOAD.read_text(encoding="utf-8"))
        workload["local"]["record_decisions"] = str(recording)
        recorded = Path(folder) / WORKLOAD.name
        recorded.write_text(yaml.safe_dump(workload), encoding="utf-8")
        command = [sys.executable, "-m", "locust", "-f", str(_ROOT / "loadtest"), "--headless", "--no-report"]
        ended = subprocess.run(  # noqa: S603 (our own command)
            [*command, "--workload", str(recorded), "--runs", str(runs)], cwd=_ROOT, check=False
        )
        made = sorted(runs.glob("*")) if runs.is_dir() else []
        if not made:
            raise MeasurementError(
                f"the load test did not start (it ended with {ended.returncode}); its words are above"
            )
        lines = recording.read_text(encoding="utf-8").splitlines(keepends=True)
        return Measurement.of_run(RunFolder(made[-1]), lines)
