"""What a load test takes besides Locust's own options, told by a real Locust."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest._run_folders import must_be_writable, point_latest_to
from loadtest._session import Session
from loadtest._target import TargetError
from pipeline.workload_file import WorkloadError

ROOT = Path(__file__).parents[2]
OURS = (
    "--workload", "--stack", "--authentication", "--most-in-flight", "--repeat", "--runs", "--no-report", "--embedded",
)  # fmt: skip


def test_ours_have_a_help_of_their_own_for_locusts_cannot_have_them() -> None:
    asked = [sys.executable, "-m", "locust", "-f", "loadtest/", "--help-forebay"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)

    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    assert set(OURS) <= set(listed)
    assert "--tags" not in done.stdout
    assert "-u, -r and -t are ignored" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"repeat": 0}, "--repeat 0"),
        ({"most_in_flight": 0}, "--most-in-flight 0: nothing would ever be sent"),
        ({"most_in_flight": -1}, "--most-in-flight -1"),
        ({"runs": __file__}, "--runs: .* is a file. Give another folder"),
        ({"runs": f"{__file__}/my/runs"}, "--runs: .*test_options.py is a file. Give another folder"),
        ({"runs": "/proc/my/runs"}, "--runs: .* cannot be written: .* Give another folder"),
        ({"embedded": ""}, "--embedded names no command"),
        ({"embedded": "'local"}, "No closing quotation"),
        ({"host": "http://[::1"}, "is no URL"),
        ({"host": "ftp://host"}, "is no URL"),
        ({"workload": "."}, "there is no workload"),
        ({"workload": "x" * 300}, "cannot be looked for"),
    ],
)
def test_what_is_no_option_is_said_before_anything_starts(tmp_path, given, says):
    told = {
        "workload": "smoke", "stack": "", "authentication": "", "most_in_flight": 10, "repeat": 1,
        "runs": str(tmp_path), "no_report": True, "embedded": "false", "host": None,
    } | given  # fmt: skip
    environment = SimpleNamespace(host=told["host"], parsed_options=Namespace(**told))

    with pytest.raises((TargetError, WorkloadError), match=says):
        Session(environment, lambda _: None).prepare()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "make"), [("latest", Path.touch), ("latest", Path.mkdir), ("latest.new", Path.touch)])
def test_what_is_somebody_elses_is_not_replaced_by_the_link_to_the_last_run(tmp_path, name, make) -> None:
    theirs = tmp_path / name
    make(theirs)
    with pytest.raises(OSError, match=f"{theirs} is no link to a run"):
        must_be_writable(tmp_path / "out")
    with pytest.raises(OSError, match=f"{theirs} is no link to a run"):
        point_latest_to(tmp_path / "out" / "run")
    assert list(tmp_path.iterdir()) == [theirs]
    assert not theirs.is_symlink()


def test_a_link_of_an_earlier_run_is_turned_even_if_that_run_is_gone(tmp_path) -> None:
    for run in ("first", "second"):
        (tmp_path / "latest.new").symlink_to("left by a run that was killed")
        must_be_writable(tmp_path / "out")
        point_latest_to(tmp_path / "out" / run)
        assert (tmp_path / "latest").readlink() == Path("out", run)
