"""A workload with a route, at real HTTP servers, and the proof that the load is an open model."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests

from benchmarks.stall import stalling_server
from pipeline.run import RunFolder, read_rows
from reports.findings import find
from reports.route_verdict import plain
from reports.scorecard import scorecard

LOADTEST = Path(__file__).parents[2] / "loadtest"

WORKLOAD = """\
name: tiny
why: a test
seed: 5
route: {route}
rate: [[0, {rate}], [{seconds}, {rate}]]
cut_off_s: 20
images: [{{photo: coffee.jpg, width: 64}}]
"""


@pytest.fixture
def run_at(tmp_path):
    """Runs Locust as a user does; answers with its output and the run's folder."""

    def run(url, *arguments, route="/orders", rate=100, seconds=1):
        workload = tmp_path / "tiny.yaml"
        workload.write_text(WORKLOAD.format(route=route, rate=rate, seconds=seconds))
        aim = ["--host", url] if url else []
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", LOADTEST, "--headless", "--workload", workload),
                *("--runs", tmp_path / "runs", *aim, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ended, RunFolder(tmp_path / "latest")

    return run


def only_late(described):
    """On a busy machine a run may be late, and then says so; nothing else may be wrong with it."""
    return all(reason.startswith("the load generator was late") for reason in described["invalid_because"])


def test_a_stall_is_charged_for_every_request_that_was_due_in_it(run_at):
    with stalling_server("--stall-after", "60", "--stall-s", "1.5") as url:
        ended, folder = run_at(url, "--no-report", rate=200, seconds=2)
        stall = requests.get(f"{url}/stall", timeout=5).json()

    rows = list(read_rows(folder.requests(0)))
    described = folder.described()
    assert only_late(described), ended.stdout + ended.stderr
    assert stall["arrived"] == len(rows) == described["buffers"][0]["scheduled"]
    # A closed model of ten users would have met the stall with ten. These came all the same, and waited for its end.
    ends = stall["ends"] * 1_000
    waited = [row for row in rows if row["sent_at"] < ends <= row["responded_at"]]
    assert len(waited) >= stall["held"] > 50
    assert all(row["responded_at"] - row["intended_at"] >= ends - row["sent_at"] for row in waited)
    route = scorecard(find(folder))["buffers"]["route"]
    assert route["latency_ms"]["n"] == route["accepted"] == len(rows)
    assert route["latency_ms"]["max"] >= max(ends - row["intended_at"] for row in waited)
    # The slowest twentieth is all of it in the stall: as many came in it as make up for more than that.
    assert route["latency_ms"]["p95"] >= sorted(ends - row["intended_at"] for row in waited)[-len(rows) // 20]


def test_of_a_server_that_only_answers_nothing_else_is_told(run_at):
    with stalling_server("--stall-after", "0") as url:
        ended, folder = run_at(url, route="/orders?fast=1")

    described = folder.described()
    assert only_late(described), ended.stdout + ended.stderr
    assert described["target"] == "http"
    assert described["buffers"][0]["drained"]
    assert described["buffers"][0]["route"] == "/orders?fast=1"
    scorecard = json.loads((folder.path / "scorecard.json").read_text())
    assert set(scorecard["buffers"]) == {"route"}
    route = scorecard["buffers"]["route"]
    assert set(route) == {"route", "offered", "accepted", "rejected", "dropped", "latency_ms", "arrival_error_ms"}
    assert route["arrival_error_ms"]["n"] == route["offered"] == described["buffers"][0]["scheduled"]
    seen = list(read_rows(folder.observations))
    assert all(row[name] is None for row in seen for name in ("completed", "backlog", "throttles", "oldest_age_s"))
    report = (folder.path / "report.html").read_text()
    assert "Of what became of the requests behind it nothing is known" in report
    assert f"{url}/orders?fast=1" in report
    assert "No part of this is AWS" not in report
    assert {path.stem for path in folder.path.glob("*.png")} == {"over-time", "latency-to-answer"}


@pytest.mark.parametrize(("status", "taken"), [("204", True), ("302", False)])
def test_every_2xx_accepts_and_nothing_else_does(run_at, answering_server, status, taken):
    url = answering_server("--status", status)

    ended, folder = run_at(f"{url}/prod/", "--no-report", route="/v1/any/images", rate=50)

    rows = list(read_rows(folder.requests(0)))
    said = folder.described()["invalid_because"]
    none_accepted = [reason for reason in said if "Redirects are not followed" in reason]
    assert len(none_accepted) == (not taken), ended.stdout + ended.stderr
    assert all(reason in none_accepted or reason.startswith("the load generator was late") for reason in said)
    assert Counter(row["status"] for row in rows) == {int(status): len(rows)}
    assert {row["error"] is None for row in rows} == {taken}
    asked = requests.get(f"{url}/told", timeout=5).json()
    assert {body["path"] for body in asked["bodies"].values()} == {"/prod/v1/any/images"}
    assert sorted(asked["sequences"]) == sorted(row["sequence"] for row in rows)


def test_a_route_that_is_broken_off_says_last_how_much_is_on_record(start_locust, answering_server, tmp_path):
    (tmp_path / "tiny.yaml").write_text(WORKLOAD.format(route="/v1/any/images", rate=200, seconds=60))
    run = start_locust(
        "--headless", "--no-report", "--workload", tmp_path / "tiny.yaml", "--runs", tmp_path / "runs",
        "--host", f"{answering_server()}/prod",
    )  # fmt: skip
    run.wait_for("offered")

    run.process.send_signal(signal.SIGINT)

    assert run.end() == 1
    folder = RunFolder(tmp_path / "latest")
    rows = list(read_rows(folder.requests(0)))
    assert re.findall(r"offered +([\d,]+)", run.output)[-1].replace(",", "") == str(len(rows))
    *_, seen = read_rows(folder.observations)
    assert (seen["offered"], seen["accepted"]) == (len(rows), sum(row["status"] == 202 for row in rows))
    assert "KeyboardInterrupt" not in run.output, "no request was torn up by it"


def test_requests_without_an_answer_rank_as_the_slowest(run_at):
    ended, folder = run_at("http://127.0.0.1:1", "--no-report", rate=50)

    assert ended.returncode == 1
    assert "Connection refused. See that --host is where the server is" in folder.described()["invalid_because"][-1]
    found = find(folder)
    route = scorecard(found)["buffers"]["route"]
    assert route["rejected"] == {"no_answer": route["offered"]}
    assert route["latency_ms"] == dict.fromkeys(("p50", "p90", "p95", "p99", "p99_9", "max")) | {
        "n": 0,
        "endless": route["offered"],
    }
    assert "accepted nothing" in plain(found, folder.path)


@pytest.mark.parametrize(
    ("url", "arguments", "says"),
    [
        ("", (), "say which with --host URL"),
        ("http://127.0.0.1:1", ("--stack", "x"), "give one of them"),
    ],
)
def test_a_route_needs_a_host_and_no_stack(run_at, tmp_path, url, arguments, says):
    ended, _ = run_at(url, *arguments)

    assert ended.returncode != 0
    assert says in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()
