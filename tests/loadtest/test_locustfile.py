"""Locust itself, as a user starts it, in a process of its own."""

import json
import re
import signal
import socket
import time
from collections import Counter

import psutil
import pytest
import requests

from pipeline.request import BUFFERS
from pipeline.run import RunFolder, read_rows
from reports.findings import find
from reports.scorecard import scorecard

WORKLOAD = """\
name: tiny
why: a test
seed: 1
{ways}
rate: [[0, 30], [{seconds}, 30]]
cut_off_s: {cut_off}
images: [{images}]
local: {{{local}}}
"""
SMALL = "{photo: coffee.jpg, weight: 3, width: 150}"
ALL = ", ".join(BUFFERS)
LARGE = "{photo: coffee.jpg, width: 1200}"


@pytest.fixture
def locust(tmp_path, stand_in, start_locust):
    def start(*arguments, embedded=stand_in, seconds=1, cut_off=20, buffers=ALL, images=SMALL, local="", patterns=""):
        workload = tmp_path / "tiny.yaml"
        ways = patterns or f"buffers: [{buffers}]"
        workload.write_text(WORKLOAD.format(seconds=seconds, cut_off=cut_off, ways=ways, images=images, local=local))
        aim = ["--embedded", embedded] if embedded else []
        return start_locust("--workload", workload, "--runs", tmp_path / "runs", *aim, *arguments)

    return start


@pytest.fixture
def latest(tmp_path):
    return RunFolder(tmp_path / "latest")


def ended_valid(run, latest, seconds=240):
    """The run ended and found nothing wrong but, on a busy machine, its own lateness."""
    code = run.end(seconds)
    described = latest.described()
    late = [reason for reason in described["invalid_because"] if reason.startswith("the load generator was late")]
    assert described["invalid_because"] == late, run.output
    assert code == (1 if late else 0)
    return described


def sequences(rows, buffer):
    return sorted(row["sequence"] for row in rows if row["buffer"] == buffer)


def test_a_headless_run_goes_through_each_buffer_and_reports(locust, latest):
    run = locust("--headless", images=f"{SMALL}, {LARGE}")

    described = ended_valid(run, latest)
    rows = list(read_rows(latest.requests(0)))
    results = list(read_rows(latest.results))
    assert [turn["buffer"] for turn in described["buffers"]] == list(BUFFERS)
    for turn in described["buffers"]:
        assert turn["drained"]
        assert not turn["cut_off"]
        assert sequences(rows, turn["buffer"]) == list(range(turn["scheduled"]))
        assert sequences(results, turn["buffer"]) == list(range(turn["scheduled"]))
        assert turn["lateness_ms"]["n"] == turn["scheduled"]
        assert turn["lateness_ms"]["p99"] <= turn["lateness_ms"]["max"] <= described["generator"]["lateness_ms"]["max"]
    assert {row["status"] for row in rows} == {202}
    # The same schedule for each: the same images at the same seconds.
    images = Counter((row["sequence"], row["image"]) for row in rows)
    assert set(images.values()) == {len(BUFFERS)}
    assert {row["image"] for row in rows} == {"coffee-150", "coffee-1200"}
    joined = {(row["buffer"], row["sequence"]): row["request_id"] for row in rows}
    assert all(joined[row["buffer"], row["sequence"]] == row["request_id"] for row in results)
    scorecard = json.loads((latest.path / "scorecard.json").read_text())
    for buffer in BUFFERS:
        figures = scorecard["buffers"][buffer]
        assert figures["accepted"] == figures["completed"] == len(sequences(rows, buffer))
        assert figures["lost"] == figures["unfinished"] == 0
    for turn in described["buffers"]:
        seen = [row for row in read_rows(latest.observations) if row["buffer"] == turn["buffer"]]
        assert seen[-1]["offered"] == seen[-1]["accepted"] == seen[-1]["completed"] == turn["scheduled"]
        assert seen[-1]["backlog"] == 0
        assert [row["offered"] for row in seen] == sorted(row["offered"] for row in seen)
        assert all(row["at"] > turn["started_at"] for row in seen)
    assert "report.html" in run.lines[-1]
    assert ("the run is valid" in run.output) == described["valid"]


EVERY_PATTERN = """\
patterns: [sync, polling-0.25s, callback, websocket]
buffer: sqs
via: [proxy, handler]
warm_up: 2
"""
WAYS = [
    "sync", "polling-0.25s", "polling-0.25s-handler", "callback", "callback-handler", "websocket",
]  # fmt: skip


def test_clients_of_every_pattern_know_all_their_results_and_the_table_has_the_last_word(locust, latest):
    run = locust("--headless", patterns=EVERY_PATTERN, images=f"{SMALL}, {LARGE}", cut_off=60)

    described = ended_valid(run, latest, seconds=240)
    assert [turn["buffer"] for turn in described["buffers"]] == described["ways"] == WAYS
    assert all(turn["drained"] for turn in described["buffers"])
    rows, known = list(read_rows(latest.requests(0))), list(read_rows(latest.known(0)))
    results = list(read_rows(latest.results))
    schedules = []
    for turn in described["buffers"]:
        way = turn["buffer"]
        sent = {row["sequence"]: row for row in rows if row["buffer"] == way}
        assert sorted(sent) == sequences(known, way) == sequences(results, way) == list(range(turn["scheduled"]))
        assert turn["known"] == turn["scheduled"]
        first = min(row["intended_at"] for row in sent.values())
        schedules.append([sent[each]["intended_at"] - first for each in sorted(sent)])
        stored = {row["sequence"]: row["stored_at"] for row in results if row["buffer"] == way}
        for row in (row for row in known if row["buffer"] == way):
            request = sent[row["sequence"]]
            assert row["request_id"] == request["request_id"]
            assert row["request_id"].startswith("h-") == (way.endswith("handler") or way == "websocket")
            # A poll may find the result before its second write has stamped it.
            assert row["known_at"] > max(request["responded_at"] - 1, stored[row["sequence"]] - 50)
            assert row["calls"] >= (2 if way.startswith("polling") else 1)
    assert all(schedule == pytest.approx(schedules[0], abs=0.01) for schedule in schedules)
    card = json.loads((latest.path / "scorecard.json").read_text())
    assert list(card["time_to_know"]) == WAYS
    assert all(way["lost"] == way["untold"] == 0 for way in card["time_to_know"].values())
    assert card["time_to_know"]["websocket"]["requests_per_result"] > 1
    assert {door["invocations"] for door in card["doors"].values()} == {0, 1}
    table = run.output.rindex("Time to know, from the intended send")
    assert table > run.output.rindex("accepted =")
    assert all(name in run.output[table:] for name in ("Synchronous", "Polling every 0.25 s", "Callback", "WebSocket"))


def test_clients_who_are_never_told_are_cut_off_and_on_record(locust, latest):
    run = locust(
        *("--headless", "--no-report"),
        patterns="patterns: [callback, websocket]\nbuffer: sqs\n", cut_off=3, local="mute_every: 4",
    )  # fmt: skip

    described = ended_valid(run, latest)
    known = list(read_rows(latest.known(0)))
    for turn in described["buffers"]:
        untold = [row for row in known if row["buffer"] == turn["buffer"] and row["known_at"] is None]
        assert turn["cut_off"]
        assert len(untold) == turn["scheduled"] - turn["known"] > 0
        # A client may give up a moment before its turn is over.
        given_up = re.compile(r"not known when the turn ended|request \S+ has no result after .+")
        assert all(given_up.fullmatch(row["error"]) for row in untold), untold
    card = scorecard(find(latest))
    assert all(way["untold"] > 0 for way in card["time_to_know"].values())


def test_a_patterns_run_stopped_in_the_middle_leaves_no_process_receiver_included(locust, latest):
    run = locust("--headless", "--no-report", patterns="patterns: [callback]\nbuffer: sqs\n", seconds=30)
    run.wait_for(r"callback +\d+ s +offered")
    children = run.children()

    run.process.send_signal(signal.SIGINT)

    assert run.end() == 1, run.output
    accepted = {row["sequence"] for row in read_rows(latest.requests(0)) if row["status"] == 202}
    assert set(sequences(read_rows(latest.known(0)), "callback")) == accepted
    assert len(children) >= 2
    assert not any(child.is_running() for child in children)


def test_a_pattern_that_does_not_work_is_said_before_its_turn(locust, latest):
    """Every request into the stand-in's queue is lost, and so are those that warm it up."""
    run = locust(
        "--headless", "--no-report", patterns="patterns: [websocket]\nbuffer: sqs\nwarm_up: 2\n", local="lose_every: 1"
    )

    assert run.end() == 1
    assert latest.described()["buffers"] == []
    assert "2 of 2 requests to warm websocket up failed" in run.output


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("callback", "this target cannot call back"), ("websocket", "this target tells no WebSocketUrl")],
)
def test_a_pattern_that_the_target_does_not_serve_is_refused_at_once(locust, pattern, says):
    run = locust(
        "--headless", "--host", "http://127.0.0.1:1", embedded=None, patterns=f"patterns: [{pattern}]\nbuffer: sqs\n"
    )

    assert run.end() != 0
    assert says in run.output
    assert "Traceback" not in run.output


@pytest.mark.end_to_end
def test_the_embedded_aws_itself_takes_a_run_and_every_request_ends_in_a_result(locust, latest):
    run = locust(
        *("--headless", "--no-report"),
        embedded=None, seconds=0.5, cut_off=60, buffers="kinesis", images=f"{SMALL}, {LARGE}",
    )  # fmt: skip

    described = ended_valid(run, latest)
    rows, results = list(read_rows(latest.requests(0))), list(read_rows(latest.results))
    assert described["buffers"][0]["drained"]
    assert described["options"]["account_concurrency"] > 0
    assert described["stack"]["ApiUrl"].startswith("http://127.0.0.1:")
    assert {row["status"] for row in rows} == {202}
    assert {row["status"] for row in results} == {"SUCCEEDED"}
    assert sequences(results, "kinesis") == sequences(rows, "kinesis")
    assert all(row["accepted_at"] <= row["received_at"] <= row["recognised_at"] <= row["stored_at"] for row in results)
    assert any("Coffee" in label["name"] or "Espresso" in label["name"] for row in results for label in row["labels"])


def test_what_the_gateway_refuses_is_no_fault_of_the_run_and_stands_in_locusts_own_statistics(
    locust, latest, answering_server
):
    url = answering_server("--status", "429")

    run = locust("--headless", "--no-report", "--print-stats", "--host", f"{url}/prod", embedded=None, buffers="sqs")

    ended_valid(run, latest)
    assert re.search(r"POST +/v1/sqs/images +\d+ +\d+\(100\.00%\)", run.output), run.output
    assert "HTTP 429" in run.output
    assert "forebay report" in run.lines[-1]


def test_dropped_arrivals_make_the_run_invalid_and_the_exit_code_one(locust, latest, answering_server):
    url = answering_server("--stall-after", "5", "--stall-s", "1")

    run = locust(
        "--headless", "--no-report", "--most-in-flight", "3", "--host", f"{url}/prod",
        embedded=None, buffers="sqs", cut_off=2,
    )  # fmt: skip

    assert run.end() == 1, run.output
    described = latest.described()
    assert not described["valid"]
    assert described["generator"]["dropped"] == described["buffers"][0]["dropped"] > 0
    assert any("were never sent" in reason for reason in described["invalid_because"])
    assert "THE RUN IS NOT VALID" in run.output


def test_a_buffer_that_does_not_drain_is_cut_off_and_the_next_finds_a_new_embedded_aws(locust, latest):
    run = locust("--headless", "--no-report", buffers="sns, sqs", cut_off=2, local="lose_every: 10")

    described = ended_valid(run, latest)
    assert [turn["cut_off"] for turn in described["buffers"]] == [True, True]
    assert "emptying the buffers" in run.output
    results = list(read_rows(latest.results))
    for turn in described["buffers"]:
        assert 0 < len(sequences(results, turn["buffer"])) < turn["scheduled"]


def test_sigterm_stops_a_run_and_leaves_no_process(locust, latest):
    run = locust("--headless", "--no-report", seconds=30)
    run.wait_for(r"sns +\d+ s +offered")
    embedded = run.children()

    run.process.send_signal(signal.SIGTERM)

    assert run.end() == 1, run.output
    assert "it was stopped before its end" in latest.described()["invalid_because"]
    assert embedded
    assert not any(child.is_running() for child in embedded)


def test_a_run_stopped_by_ctrl_c_is_described_reported_and_leaves_no_process(locust, latest):
    run = locust("--headless", seconds=30)
    run.wait_for(r"sns +\d+ s +offered")
    embedded = run.children()

    run.process.send_signal(signal.SIGINT)

    assert run.end() == 1, run.output
    described = latest.described()
    assert "it was stopped before its end" in described["invalid_because"]
    assert [turn["buffer"] for turn in described["buffers"]] == ["sns"]
    rows = list(read_rows(latest.requests(0)))
    assert len(rows) == described["buffers"][0]["offered"] < described["buffers"][0]["scheduled"]
    assert described["generator"]["lost_rows"] == 0
    accepted = {row["sequence"] for row in rows if row["status"] == 202}
    assert set(sequences(read_rows(latest.results), "sns")) <= accepted
    assert "This report is partial." in (latest.path / "report.html").read_text()
    card = json.loads((latest.path / "scorecard.json").read_text())
    assert card["run"]["partial"]
    (sums,) = card["buffers"].values()
    assert sums["offered"] == len(rows) == sums["accepted"] + sum(sums["rejected"].values())
    assert sums["accepted"] == len(accepted)
    ends = ("completed", "failed", "dead_lettered", "unfinished", "lost")
    assert sums["accepted"] == sum(sums[end] for end in ends)
    assert not sums["lost"], "nothing is known to be lost that was not waited for"
    assert embedded
    assert not any(child.is_running() for child in embedded)


def test_an_embedded_aws_that_ends_in_mid_run_makes_the_run_invalid_with_its_last_words(locust, latest):
    run = locust("--headless", "--no-report", local="crash_after: 20")

    assert run.end() == 1, run.output
    assert "the stand-in crashes, as it was told" in latest.described()["invalid_because"][0]
    assert len(sequences(read_rows(latest.requests(0)), "sns")) == latest.described()["buffers"][0]["offered"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--embedded", "false"), "the embedded AWS does not start: it ended with 1"),
        (("--workload", "smoek"), "did you mean smoke?"),
        (("--host", "nowhere"), "--host nowhere is no URL"),
        (("--host", "http://127.0.0.1:1", "--stack", "x"), "give one of them"),
    ],
)
def test_what_cannot_run_is_said_before_it_runs(locust, tmp_path, arguments, says):
    run = locust("--headless", *arguments)

    assert run.end() != 0
    assert says in run.output
    assert "Traceback" not in run.output
    assert not (tmp_path / "runs").exists()


def test_the_page_runs_the_workload_stops_it_and_runs_it_again(locust, latest, tmp_path):
    port = _free_port()
    page = f"http://127.0.0.1:{port}"
    run = locust("--no-report", "--web-port", port, buffers="sns")
    _until(lambda: requests.get(page, timeout=5).status_code == 200)
    listening = [each.laddr for each in psutil.Process(run.process.pid).net_connections() if each.status == "LISTEN"]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    html = requests.get(page, timeout=5).text
    assert "forebay/live.js" in html
    assert '"key": "forebay"' in html
    assert requests.get(f"{page}/forebay/live.js", timeout=5).ok
    assert requests.get(f"{page}/forebay/live.css", timeout=5).ok
    assert requests.get(f"{page}/forebay/../locustfile.py", timeout=5).status_code == 404
    assert _live(page)["run"] is None

    # A first run to its end.
    assert requests.post(f"{page}/swarm", data={"user_count": 1, "spawn_rate": 1}, timeout=5).json()["success"]
    _until(lambda: _live(page)["phase"] == "ended")
    first = _live(page)
    assert first["buffers"][0]["drained"]
    points = [dict(zip(first["columns"], point, strict=True)) for point in first["buffers"][0]["points"]]
    assert points[-1]["offered"] == points[-1]["completed"] > 0
    assert points[-1]["backlog"] == 0
    _until(lambda: requests.get(f"{page}/stats/requests", timeout=5).json()["state"] == "stopped")

    # A second one, of another workload, stopped on the way.
    (tmp_path / "long.yaml").write_text((tmp_path / "tiny.yaml").read_text().replace("[1, 30]", "[60, 30]"))
    form = {"user_count": 1, "spawn_rate": 1, "workload": str(tmp_path / "long.yaml")}
    assert requests.post(f"{page}/swarm", data=form, timeout=5).json()["success"]
    _until(lambda: _live(page)["run"] != first["run"] and len(_live(page)["buffers"][0]["points"]) > 1)
    assert requests.post(f"{page}/stop", timeout=20).ok
    _until(lambda: _live(page)["phase"] == "ended")
    assert "it was stopped before its end" in _live(page)["invalid_because"]

    # A third with a workload that is not there: said on the page, and the next start works.
    form["workload"] = "smoek"
    requests.post(f"{page}/swarm", data=form, timeout=5)
    _until(lambda: "did you mean smoke?" in str(_live(page)["invalid_because"]))
    _until(lambda: requests.get(f"{page}/stats/requests", timeout=5).json()["state"] == "stopped")
    form["workload"] = str(tmp_path / "tiny.yaml")
    assert requests.post(f"{page}/swarm", data=form, timeout=5).json()["success"]
    _until(lambda: _live(page)["run"] is not None and _live(page)["buffers"][0]["drained"])

    run.process.send_signal(signal.SIGINT)
    assert run.end() in (0, 1)
    assert "Traceback" not in run.output
    assert len(list((tmp_path / "runs").iterdir())) == 3


def _live(page):
    return requests.get(f"{page}/forebay/live.json", timeout=5).json()


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _until(true, seconds=60):
    until = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < until
        time.sleep(0.1)
