"""`--repeat`: several runs of one load in one go, and what stays of them when they are broken off."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.repeats import RepeatsFolder

LOADTEST = Path(__file__).parents[2] / "loadtest"
WORKLOAD = """\
name: tiny
why: a test
seed: 1
{ways}
rate: [[0, 30], [{seconds}, 30]]
cut_off_s: 20
images: [{{photo: coffee.jpg, weight: 3, width: 150}}]
"""


@pytest.fixture
def start(tmp_path):
    """Starts Locust on a workload; yields the process and the lines it has written so far."""
    started = []

    def begin(ways, seconds, *arguments):
        (tmp_path / "tiny.yaml").write_text(WORKLOAD.format(ways=ways, seconds=seconds))
        process = subprocess.Popen(
            [
                sys.executable, "-m", "locust", "-f", str(LOADTEST), "--headless", "--workload", tmp_path / "tiny.yaml",
                "--runs", tmp_path / "runs", *arguments,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
        reader.start()
        started.append((process, reader))
        return process, lines

    yield begin
    for process, reader in started:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def test_repeats_send_the_same_schedule_each_into_a_run_of_its_own(start, tmp_path, answering_server):
    process, lines = start("route: /orders", 1, "--host", answering_server(), "--repeat", "2", "--no-report")

    code = process.wait(timeout=60)
    group = RepeatsFolder((tmp_path / "latest").resolve())
    first, second = group.runs
    assert (group.wanted, group.path.name) == (2, f"{first.path.name}-x2")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(
        [first.path.name, second.path.name, group.path.name]
    )
    told = [run.described() for run in (first, second)]
    assert told[0]["workload"] == told[1]["workload"]
    assert told[0]["buffers"][0]["scheduled"] == told[1]["buffers"][0]["scheduled"] > 10
    assert code == (0 if all(each["valid"] for each in told) else 1), lines
    assert "repeat 2 of 2" in "".join(lines)
    assert f"forebay report {tmp_path / 'runs' / group.path.name}" in lines[-1]


def test_ctrl_c_in_the_second_leaves_the_first_whole_and_the_summary_partial(start, tmp_path, answering_server):
    process, lines = start("route: /orders", 2, "--host", answering_server(), "--repeat", "3")
    until = time.monotonic() + 60
    while not re.search(r"(?s)repeat 2 of 3.*route +\d+ s +offered", "".join(lines)):
        assert process.poll() is None, lines
        assert time.monotonic() < until, lines
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=60) == 1
    group = RepeatsFolder((tmp_path / "latest").resolve())
    first, second = (run.described() for run in group.runs)
    assert first["buffers"][0]["drained"]
    assert "it was stopped before its end" in second["invalid_because"]
    assert all((run.path / "report.html").exists() for run in group.runs)
    told = json.loads((group.path / "scorecard.json").read_text())["repeats"]
    assert (told["wanted"], told["partial"], len(told["runs"])) == (3, True, 2)
    assert told["counted"] == ([first["id"]] if first["valid"] else [])
    assert "1 of 3 runs never began" in told["invalid_because"]
    assert "PARTIAL, " in "".join(lines)


def test_no_repeat_at_all_is_refused_before_anything_starts(start):
    process, lines = start("route: /orders", 1, "--host", "http://127.0.0.1:1", "--repeat", "0")

    assert process.wait(timeout=60) == 1
    assert "--repeat 0: a run takes place once or more" in "".join(lines)
