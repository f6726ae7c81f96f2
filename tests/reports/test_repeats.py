"""The repeats of a run, summed up."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from pipeline.repeats import RepeatsFolder
from pipeline.run import RunError
from reports.command import report
from reports.repeats import Repeats, Spread, card, repeats, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.run import RunFolder

GOLDEN = Path(__file__).parent / "golden" / "repeats-scorecard.json"


@pytest.fixture(scope="module")
def folder(write_run: "Callable[..., RunFolder]", tmp_path_factory: pytest.TempPathFactory) -> RepeatsFolder:
    """Three repeats, as `--repeat 3` leaves them."""
    runs = tmp_path_factory.mktemp("repeats")
    for number in (1, 2, 3):
        write_run(runs / f"run-{number}", scale=0.1, repeat=number)
    (runs / "run-1-x3").mkdir()
    made = RepeatsFolder(runs / "run-1-x3")
    made.describe(["run-1", "run-2", "run-3"], 3)
    return made


@pytest.fixture(scope="module")
def summed(folder: RepeatsFolder) -> Repeats:
    """What they come to."""
    return repeats(folder)


@pytest.mark.parametrize(
    ("values", "expected", "why"),
    [
        ([], Spread(None, None, None, None, None, 0), "no run has it"),
        ([None, None], Spread(None, None, None, None, None, 0), "nor has any of these"),
        ([4.0], Spread(4.0, 4.0, 4.0, None, None, 1), "one run has no spread"),
        ([3.0, None, 1.0], Spread(2.0, 1.0, 3.0, None, None, 2), "a run without it does not count"),
        ([5.0, 1.0, 2.0, 4.0, 3.0], Spread(3.0, 1.0, 5.0, None, None, 5), "between five lies the median with 93.75 %"),
        ([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], Spread(3.5, 1.0, 6.0, 1.0, 6.0, 6), "between six with 96.9 %"),
        ([float(n) for n in range(1, 10)], Spread(5.0, 1.0, 9.0, 2.0, 8.0, 9), "of nine the outermost can go: 96.1 %"),
    ],
)
def test_a_spread_is_the_runs_order_statistics(values: list[float | None], expected: Spread, why: str) -> None:
    assert spread(values) == expected, why


def test_the_summary_is_the_golden_one(summed: Repeats) -> None:
    text = json.dumps(card(summed), indent=2) + "\n"
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert json.loads(text) == _nearly(json.loads(GOLDEN.read_text(encoding="utf-8"))), (
        "FOREBAY_GOLDEN=write pytest tests/reports writes it anew"
    )


def _nearly(value: object) -> object:
    if isinstance(value, dict):
        return {key: _nearly(each) for key, each in value.items()}
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def test_the_report_of_repeats_is_built_into_their_folder(folder: RepeatsFolder, summed: Repeats) -> None:
    made = CliRunner().invoke(report, [str(folder.path)])
    assert made.exit_code == 0, made.output
    assert "3 runs of the same load differ by up to" in made.stdout
    assert "PARTIAL" not in made.stdout
    assert {path.name for path in folder.path.iterdir()} == {"repeats.json", "scorecard.json", "report.html"}
    assert json.loads((folder.path / "scorecard.json").read_text()) == card(summed)
    html = (folder.path / "report.html").read_text()
    assert 'href="../run-2/report.html"' in html
    assert "the same schedule (seed 7)" in html
    assert 'id="partial"' not in html
    assert "<script" not in html


def test_what_was_broken_off_is_partial_and_sums_up_the_runs_that_count(
    folder: RepeatsFolder, write_run: "Callable[..., RunFolder]", tmp_path: Path
) -> None:
    write_run(tmp_path / "whole", scale=0.1, repeat=1)
    broken = write_run(tmp_path / "broken", scale=0.1, repeat=2)
    broken.describe(
        broken.described() | {"valid": False, "invalid_because": ["it was stopped before its end"], "ended_at": 1.0}
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "group").mkdir()
    partial = RepeatsFolder(tmp_path / "group")
    partial.describe(["whole", "broken", "empty"], 4)
    made = CliRunner().invoke(report, [str(partial.path)])
    told = json.loads((partial.path / "scorecard.json").read_text())
    assert told["repeats"]["partial"] is True
    assert told["repeats"]["valid"] is False
    assert told["repeats"]["runs"] == ["whole", "broken", "empty"]
    assert told["repeats"]["counted"] == ["whole"]
    reasons = told["repeats"]["invalid_because"]
    assert reasons[0] == "broken: it was stopped before its end"
    assert "empty holds no run" in reasons[1]
    assert reasons[2] == "1 of 4 runs never began"
    assert told["buffers"]["sqs"]["latency_ms.p50"]["n"] == 1
    assert "PARTIAL, 1 of 4 runs count:" in made.stdout
    assert "This summary is partial." in (partial.path / "report.html").read_text()


def test_where_no_run_counts_the_summary_says_so_and_has_no_figures(
    write_run: "Callable[..., RunFolder]", tmp_path: Path
) -> None:
    broken = write_run(tmp_path / "broken", scale=0.05, repeat=2)
    broken.describe(broken.described() | {"valid": False, "invalid_because": ["it was late"]})
    (tmp_path / "group").mkdir()
    RepeatsFolder(tmp_path / "group").describe(["broken"], 2)
    made = CliRunner().invoke(report, [str(tmp_path / "group")])
    assert made.exit_code == 0, made.output
    assert "None of the runs counts." in made.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not as --repeat writes it"),
        ('{"wanted": 2, "runs": []}', "is not as --repeat writes it"),
        ('{"wanted": 2, "runs": ["../../etc"]}', "is not as --repeat writes it"),
        ('{"wanted": "2", "runs": ["a"]}', "is not as --repeat writes it"),
        ('{"wanted": 2, "runs": ["gone"]}', "is gone, which"),
    ],
)
def test_a_damaged_description_is_an_error_that_says_what_is_wrong(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "repeats.json").write_text(content)
    with pytest.raises(RunError, match=says):
        repeats(RepeatsFolder(tmp_path))


def test_a_folder_without_a_description_holds_no_repeats(tmp_path: Path) -> None:
    assert not RepeatsFolder(tmp_path).is_one
    with pytest.raises(RunError, match="holds no repeats"):
        _ = RepeatsFolder(tmp_path).runs
