"""`forebay report`, as a user meets it."""

import gc
import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
from click.testing import CliRunner

from reports import command, figures, run_argument
from reports.imported_for_good import imported_for_good

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.run import RunFolder

WRITTEN = {
    "scorecard.json", "report.json", "report.html", "joined.parquet", "observations.parquet", "timeline.png",
    "latency.png", "stages.png",
}  # fmt: skip


@pytest.fixture
def runs(tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> "Path":
    """An empty folder of runs in the place of the real one."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(run_argument, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(run_argument, "LATEST", tmp_path / "latest")
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def reported(sample: "RunFolder", tmp_path_factory: pytest.TempPathFactory) -> "Path":
    """A copy of the sample run, reported by a process of its own."""
    folder = shutil.copytree(sample.path, tmp_path_factory.mktemp("reported") / "r1")
    done = subprocess.run(
        [sys.executable, "-m", "reports", str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "accepted =" in done.stdout.splitlines()[0]
    return folder


def test_a_run_is_reported_into_its_folder_and_nothing_half_written_stays_behind(
    reported: "Path", sample: "RunFolder"
) -> None:
    before = {path.name for path in sample.path.iterdir()}
    assert {path.name for path in reported.iterdir()} == before | WRITTEN


# That drawings are the same as well is a test of test_figures.py.
@pytest.mark.usefixtures("without_drawings")
def test_the_latest_run_is_reported_as_it_was_by_another_process(
    reported: "Path", sample: "RunFolder", runs: "Path"
) -> None:
    shutil.copytree(sample.path, runs / "r1")
    (runs.parent / "latest").symlink_to(runs / "r1")
    made = CliRunner().invoke(command.report)
    assert made.exit_code == 0, made.output
    assert (runs / "r1" / "scorecard.json").read_bytes() == (reported / "scorecard.json").read_bytes()
    one, other = ((folder / "report.html").read_text() for folder in (runs / "r1", reported))
    assert one == re.sub(r"<svg.*?</svg>\n", "<svg></svg>", other, flags=re.DOTALL)


def test_a_report_that_is_interrupted_leaves_the_one_before(
    sample: "RunFolder", runs: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(sample.path, runs / "r1")
    (folder / "joined.parquet").write_text("before")
    before = {path.name for path in folder.iterdir()}

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "svg", interrupted)
    assert CliRunner().invoke(command.report, ["r1"]).exit_code == 1
    assert {path.name for path in folder.iterdir()} == before
    assert (folder / "joined.parquet").read_text() == "before"


def test_a_folder_that_cannot_be_written_is_told_with_the_cure(
    sample: "RunFolder", runs: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sample.path, runs / "r1")

    def refused(*_: object) -> str:
        raise PermissionError(13, "Permission denied", "timeline.png.new")

    monkeypatch.setattr(figures, "svg", refused)
    made = CliRunner().invoke(command.report, ["r1"])
    assert made.exit_code == 1
    assert made.output.startswith(f"Error: the report cannot be written into {runs / 'r1'}: Permission denied. The")


@pytest.mark.usefixtures("without_drawings")
def test_a_run_is_found_by_its_id(sample: "RunFolder", runs: "Path") -> None:
    shutil.copytree(sample.path, runs / "r1")
    made = CliRunner().invoke(command.report, ["r1"])
    assert made.exit_code == 0, made.output
    assert "accepted =" in made.output.splitlines()[0]
    assert (runs / "r1" / "report.html").exists()


def test_the_parquet_holds_a_row_for_each_request_with_its_outcome(reported: "Path") -> None:
    card = json.loads((reported / "scorecard.json").read_text())["buffers"]
    counted = duckdb.sql(f"SELECT buffer, outcome, count(*) FROM '{reported}/joined.parquet' GROUP BY ALL").fetchall()
    for buffer, outcome, number in counted:
        if outcome in card[buffer]:
            assert outcome == "rejected" or card[buffer][outcome] == number
    assert sum(number for *_, number in counted) == sum(buffer["offered"] for buffer in card.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "run `make bench` first"),
        (["nowhere"], "no run 'nowhere'"),
        (["../../etc/passwd"], "no run"),
    ],
)
def test_a_run_that_is_not_there_is_an_error_with_its_cure(runs: "Path", arguments: list[str], said: str) -> None:
    made = CliRunner().invoke(command.report, arguments)
    assert made.exit_code == 1
    assert said in made.output
    assert "make bench" in made.output
    assert "Traceback" not in made.output


def test_an_unknown_run_is_told_which_there_are(runs: "Path") -> None:
    (runs / "20261123T-spike").mkdir()
    assert "20261123T-spike" in CliRunner().invoke(command.report, ["other"]).output


def test_a_folder_that_holds_no_run_is_left_as_it_was(runs: "Path") -> None:
    (runs / "empty").mkdir()
    made = CliRunner().invoke(command.report, ["empty"])
    assert made.exit_code == 1
    assert "holds no run" in made.output
    assert list((runs / "empty").iterdir()) == []


def test_a_broken_description_is_an_error_and_no_traceback(sample: "RunFolder", runs: "Path") -> None:
    folder = shutil.copytree(sample.path, runs / "broken")
    (folder / "run.json").write_text("{")
    made = CliRunner().invoke(command.report, ["broken"])
    assert made.exit_code == 1
    assert "is not JSON" in made.output


@pytest.mark.usefixtures("without_drawings")
def test_a_run_cut_off_is_reported_and_marked(sample: "RunFolder", runs: "Path") -> None:
    folder = shutil.copytree(sample.path, runs / "cut")
    described = json.loads((folder / "run.json").read_text()) | {"ended_at": None, "valid": False}
    (folder / "run.json").write_text(json.dumps(described))
    rows = (folder / "requests-1.rows").read_bytes()
    (folder / "requests-1.rows").write_bytes(rows[:-5])
    made = CliRunner().invoke(command.report, ["cut"])
    assert made.exit_code == 0
    assert "NOT VALID: requests-1.rows breaks off" in made.output
    run = json.loads((folder / "scorecard.json").read_text())["run"]
    assert run["partial"] is True
    assert run["valid"] is False


def test_libraries_are_imported_for_good_and_what_comes_after_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_freeze_count()
    monkeypatch.setitem(sys.modules, "reports.build", sys)
    with imported_for_good("reports.build"):
        assert gc.isenabled(), "they are there already: nothing to be done"
    assert gc.get_freeze_count() == before
    monkeypatch.delitem(sys.modules, "reports.build")
    try:
        with imported_for_good("reports.build"):
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
