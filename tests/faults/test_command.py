"""`forebay faults`, and one real cell of it: the embedded AWS, a load, a fault, and the account."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest._faults._command import faults

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
