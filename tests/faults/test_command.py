"""`forebay faults`, and one real cell of it: the embedded AWS, a load, a fault, and the account."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loadtest._faults import _command, _matrix_run
from loadtest._faults._cell import Asked, Cell
from loadtest._faults._command import faults
from loadtest._faults._plan import Plan
from loadtest._target import BufferState, TargetError
from loadtest._workload import Workload
from pipeline.run import REQUEST_COLUMNS, RowWriter, RunFolder

FOREBAY = Path(sys.executable).with_name("forebay")

# A result is stored and DynamoDB's answer lost, for one request in five; each is called back.
MATRIX = """
name: one-cell
why: That a lost answer is nobody's second result.
seed: 5
buffers: [sqs]
callback_every: 1
settings:
  small:
    why: Quick.
    local: {rekognition_median_ms: 20, account_concurrency: 6, parameter: {KinesisFanOut: false}}
    tries: {sqs: 5}
loads:
  tiny: {rate: [[0, 6], [2, 6]], cut_off_s: 240}
faults:
  - name: write-answer-lost
    what: The connection breaks off in place of the answer of a write that was done.
    rates: [0.2]
    setting: small
    load: tiny
    does: {edge: dynamodb, effect: break-off, requests: first}
    expect: {all: {completed: accepted, dead_lettered: 0, struck: bad}}
    because: The SDK writes again, and the first result stands.
"""


@pytest.mark.end_to_end
def test_a_real_cell_accounts_for_every_request(tmp_path: Path) -> None:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    done = subprocess.run(
        [FOREBAY, "faults", tmp_path / "matrix.yaml", "--out", tmp_path / "runs"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "latest" / "faults.json").read_text())
    (cell,) = document["cells"]
    assert cell["as_expected"], cell
    assert cell["accepted"] == cell["completed"] > 5
    assert (cell["lost"], cell["visible_duplicates"], cell["untold"]) == (0, 0, 0)
    assert cell["struck"] == cell["bad"] >= 1
    assert cell["duplicates"] == cell["bad"], "each lost answer is a result that was written once more"
    assert cell["called_back"] == cell["accepted"]
    assert document["run"]["valid"]
    assert "every cell is as expected" in done.stdout
    assert (tmp_path / "latest" / "report.html").exists()


def test_the_list_runs_nothing() -> None:
    said = CliRunner().invoke(faults, ["--list"])
    assert said.exit_code == 0
    assert "poison" in said.output
    assert "0.01, 0.05, 0.1" in said.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--only", "gremlins"], "there is no fault gremlins; there are poison"), (["nowhere.yaml"], "does not exist")],
)
def test_what_is_not_there_is_said_before_anything_starts(arguments: list[str], says: str) -> None:
    said = CliRunner().invoke(faults, arguments)
    assert said.exit_code != 0
    assert says in said.output


class TargetWithoutProcesses:
    """An embedded AWS that starts, or does not, and nothing else."""

    options: Mapping[str, Any] = {}
    refusal = ""

    def __init__(self, command: str) -> None:
        pass

    def open(self, workload: Workload) -> None:
        if self.refusal:
            raise TargetError(self.refusal)

    def state(self, buffer: str | None, run: str) -> BufferState:
        return BufferState()

    def close(self) -> None:
        pass


class InterruptedTrial:
    """A trial in which somebody presses Ctrl-C after `sent` requests."""

    sent = 0

    def __init__(self, asked: Asked, target: object, folder: RunFolder, *_: object, **__: object) -> None:
        self._cell = Cell(asked, "sqs", Plan({}), 5, 0.0)
        self._requests = folder.requests(0)

    def run(self) -> list[Cell]:
        with RowWriter(self._requests, REQUEST_COLUMNS) as rows:
            for _ in range(self.sent):
                rows.write(*REQUEST_COLUMNS)
        signal.raise_signal(signal.SIGINT)
        return [self._cell]


@pytest.fixture
def run_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    monkeypatch.setattr(_matrix_run, "EmbeddedTarget", TargetWithoutProcesses)
    monkeypatch.setattr(_matrix_run, "Trial", InterruptedTrial)
    arguments = ["--only", "poison", "--buffer", "sqs", "--out", str(tmp_path / "runs")]
    return lambda: CliRunner().invoke(faults, arguments)


def test_ctrl_c_before_a_request_leaves_no_run_and_says_so(tmp_path: Path, run_one: Callable[[], Result]) -> None:
    said = run_one()
    assert said.exit_code == 130
    assert said.output.endswith("Stopped before a request was sent: there is nothing to report, and no run is kept.\n")
    assert "forebay report" not in said.output
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]


def test_an_embedded_aws_that_never_starts_leaves_no_run_and_says_why(
    tmp_path: Path, run_one: Callable[[], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TargetWithoutProcesses, "refusal", "no memory")
    said = run_one()
    assert said.exit_code == 1
    assert "no memory" in said.output.splitlines()[-1]
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]


def test_ctrl_c_after_a_request_keeps_the_run(
    tmp_path: Path, run_one: Callable[[], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InterruptedTrial, "sent", 1)
    monkeypatch.setattr(_command, "_reported", lambda folder: bool(folder.described()["cells"]))
    said = run_one()
    assert said.exit_code == 130
    assert "Not whole: it was stopped before its end" in said.output
    (kept,) = (tmp_path / "runs").iterdir()
    assert (tmp_path / "latest").resolve() == kept.resolve()
    assert RunFolder(kept).described()["invalid_because"] == ["it was stopped before its end"]
