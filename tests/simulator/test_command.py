"""`forebay simulate` as a user meets it."""

import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.run import RunFolder
from simulator import simulation
from simulator.command import simulate
from simulator.scenario_file import SCENARIOS

SMALL = """\
name: small
arrivals: {rate: [[0, 100], [3, 100]]}
function: {error_rate: 0.1, per_record_ms: {p50: 40, p99: 90}}
"""
# Long enough to be interrupted wherever it runs: a thousand records/s of one second each, for hours.
LONG = """\
name: long
until_s: 100000
arrivals: {rate: [[0, 1000], [10000, 1000]]}
function: {error_rate: 0.1}
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(simulate, arguments)


def test_the_first_line_says_it_is_simulated_and_a_table_follows(run, small):
    done = run(small)

    assert done.exit_code == 0
    first, *others = done.stdout.splitlines()
    assert first.startswith("Simulated")
    assert "nothing was measured" in first
    assert [line.split() for line in others if line.startswith("lost")] == [["lost", "0"]]
    assert done.stderr == ""


def test_two_runs_say_and_write_the_same_bytes(run, small, tmp_path):
    once, again = (run(small, "--json", str(tmp_path / name)) for name in ("a.json", "b.json"))

    assert once.stdout == again.stdout
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["name"] == "small"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "small.yaml"]


def test_json_on_stdout_leaves_the_words_to_stderr(run, small):
    done = run(small, "--json", "-")

    assert json.loads(done.stdout)["target"] == "simulated"
    assert done.stderr.startswith("Simulated")


def test_several_scenarios_stand_side_by_side(run, small):
    done = run(small, str(SCENARIOS / "workload-spike.yaml"), "--json", "-")

    assert [told["name"] for told in json.loads(done.stdout)] == ["small", "workload-spike"]
    assert "SQS, small" in done.stderr
    assert "SQS, workload-spike" in done.stderr


def test_a_setting_of_the_command_line_holds(run, small):
    done = run(small, "--json", "-", "--set", "buffer=sns", "--set", "arrivals={burst: 7}")

    told = json.loads(done.stdout)
    assert (told["buffer"], told["offered"]) == ("sns", 7)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["brust"], "there is no scenario 'brust': did you mean burst?"),
        (["burst", "--set", "mapping.batch_size=0"], "--set mapping.batch_size=0: mapping.batch_size: 0: AWS takes"),
        (["burst", "--set", "function.reserved_concurrency=950"], "scenario burst: "),  # AWS keeps 100 unreserved
        (["burst", "burst", "--report", "out"], "2 scenarios are of sqs; a report compares buffers, one scenario each"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(run, arguments, says):
    refused = run(*arguments)

    assert refused.exit_code == 1
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""


def test_a_json_file_that_cannot_be_written_is_named(run, small, tmp_path):
    out = tmp_path / "missing" / "out.json"

    refused = run(small, "--json", str(out))

    assert refused.exit_code == 1
    assert f"{out} cannot be written: No such file or directory" in refused.stderr


def test_a_report_is_built_and_takes_the_place_of_an_earlier_one(run, small, tmp_path, monkeypatch):
    # The next test looks at drawings; here they would only take time.
    monkeypatch.setattr("reports.figures.svg", lambda *_: "<svg></svg>")
    monkeypatch.setattr("reports.figures.png", lambda _name, _findings, path: path.write_bytes(b""))
    folder = tmp_path / "out" / "report"

    first = run(small, "--report", str(folder))
    (folder / "left-over").touch()
    second = run(small, "--report", str(folder), "--set", "seed=2")

    assert first.stdout.splitlines()[-1] == f"Report: {folder / 'report.html'}"
    assert second.exit_code == 0
    assert RunFolder(folder).described()["seed"] == 2
    assert "simulated" in (folder / "report.html").read_text(encoding="utf-8")
    assert not (folder / "left-over").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_two_reports_of_one_scenario_are_the_same_bytes(run, small, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"

    run(small, "--report", str(one))
    run(small, "--report", str(other))

    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }
    assert {"report.html", "scorecard.json", "timeline.png", "joined.parquet"} <= {path.name for path in one.iterdir()}


def test_a_folder_of_something_else_is_left_alone(run, small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years", encoding="utf-8")

    refused = run(small, "--report", str(tmp_path / "mine"))

    assert refused.exit_code == 1
    assert "is not empty and holds no simulation" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_measured_run_is_never_replaced(run, small, tmp_path):
    (tmp_path / "run.json").write_text('{"target": "aws"}', encoding="utf-8")

    assert run(small, "--report", str(tmp_path)).exit_code == 1
    assert RunFolder(tmp_path).described() == {"target": "aws"}


def test_a_simulator_that_loses_records_ends_with_an_error(run, small, monkeypatch):
    whole = simulation.simulate

    def losing(*given):
        result = whole(*given)
        return replace(result, completed=result.completed - 3, lost=3)

    monkeypatch.setattr(simulation, "simulate", losing)

    done = run(small)

    assert done.exit_code == 1
    assert "3 were LOST by the simulator" in " ".join(done.stdout.split())


def start(scenario, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", "from simulator.command import simulate; simulate()", str(scenario), *arguments],
        **options,
    )


def test_a_bar_is_shown_on_a_terminal_and_ctrl_c_leaves_nothing(tmp_path):
    (tmp_path / "long.yaml").write_text(LONG, encoding="utf-8")
    watched, terminal = pty.openpty()
    process = start(
        tmp_path / "long.yaml", "--json", str(tmp_path / "out.json"), "--report", str(tmp_path / "report"),
        stdout=subprocess.PIPE, stderr=terminal, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while b"Simulating long" not in shown:
        shown += os.read(watched, 1_000)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    while True:
        try:
            piece = os.read(watched, 1_000)
        except OSError:  # the terminal is gone with who wrote to it
            break
        shown += piece
        if not piece:
            break
    os.close(watched)

    assert process.returncode == 130
    assert stdout == b""
    assert b"Stopped; nothing half-written is left." in shown
    assert b"Traceback" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["long.yaml"]
