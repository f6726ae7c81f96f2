"""`--repeat`: several runs of one load in one go, and what stays of them when they are broken off."""

import json
import signal

import pytest

from pipeline.repeats import RepeatsFolder

WORKLOAD = """\
name: tiny
why: a test
seed: 1
route: /orders
rate: [[0, 30], [{seconds}, 30]]
cut_off_s: 20
images: [{{photo: coffee.jpg, weight: 3, width: 150}}]
"""


@pytest.fixture
def start(tmp_path, start_locust):
    """Starts Locust on a route for so many seconds."""

    def begin(seconds, *arguments):
        workload = tmp_path / "tiny.yaml"
        workload.write_text(WORKLOAD.format(seconds=seconds))
        return start_locust("--headless", "--workload", workload, "--runs", tmp_path / "runs", *arguments)

    return begin


def test_repeats_send_the_same_schedule_each_into_a_run_of_its_own(start, tmp_path, answering_server):
    run = start(1, "--host", answering_server(), "--repeat", "2", "--no-report")

    code = run.end()
    group = RepeatsFolder((tmp_path / "latest").resolve())
    first, second = group.runs
    assert (group.wanted, group.path.name) == (2, f"{first.path.name}-x2")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(
        [first.path.name, second.path.name, group.path.name]
    )
    told = [run.described() for run in (first, second)]
    assert told[0]["workload"] == told[1]["workload"]
    assert told[0]["buffers"][0]["scheduled"] == told[1]["buffers"][0]["scheduled"] > 10
    assert code == (0 if all(each["valid"] for each in told) else 1), run.output
    assert "repeat 2 of 2" in run.output
    assert f"forebay report {tmp_path / 'runs' / group.path.name}" in run.lines[-1]


def test_ctrl_c_in_the_second_leaves_the_first_whole_and_the_summary_partial(start, tmp_path, answering_server):
    run = start(2, "--host", answering_server(), "--repeat", "3")
    run.wait_for(r"(?s)repeat 2 of 3.*route +\d+ s +offered")

    run.process.send_signal(signal.SIGINT)

    assert run.end() == 1
    group = RepeatsFolder((tmp_path / "latest").resolve())
    first, second = (run.described() for run in group.runs)
    assert first["buffers"][0]["drained"]
    assert "it was stopped before its end" in second["invalid_because"]
    assert all((run.path / "report.html").exists() for run in group.runs)
    told = json.loads((group.path / "scorecard.json").read_text())["repeats"]
    assert (told["wanted"], told["partial"], len(told["runs"])) == (3, True, 2)
    assert told["counted"] == ([first["id"]] if first["valid"] else [])
    assert "1 of 3 runs never began" in told["invalid_because"]
    assert "PARTIAL, " in run.output


def test_no_repeat_at_all_is_refused_before_anything_starts(start):
    run = start(1, "--host", "http://127.0.0.1:1", "--repeat", "0")

    assert run.end() == 1
    assert "--repeat 0: a run takes place once or more" in run.output
