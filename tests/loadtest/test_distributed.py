"""A run from several processes: the schedule of one, each arrival once, on one clock; not valid if a worker is lost."""

import signal
import socket
import time
from types import SimpleNamespace

import gevent
import pytest
import requests

from loadtest._counts import Counts
from loadtest._image import LoadImage
from loadtest._schedule import draw
from loadtest._target import TargetError
from loadtest._target_clock import beside_worker, target_clock
from loadtest._turn import Turn, TurnClock
from loadtest._way import Way, of_route
from loadtest._worker import Worker
from loadtest._worker_messages import PING, TURN, report_to_message, turn_from_message, turn_to_message
from loadtest._worker_pool import WorkerPool
from loadtest._workload import read
from pipeline.rate import Knot, Rate
from pipeline.run import RunFolder, read_rows

WORKLOAD = """\
name: tiny
why: a test
seed: 5
route: /v1/any/images
rate: [[0, 60], [{seconds}, 60]]
cut_off_s: 20
images: [{{photo: coffee.jpg, width: 64}}, {{photo: rocket.jpg, width: 64}}]
groups: {{number: 5}}
"""


@pytest.fixture
def locust(tmp_path, start_locust):
    """Starts Locust processes on one workload, without a report."""

    def start(url, *arguments, seconds=2):
        workload = tmp_path / "tiny.yaml"
        workload.write_text(WORKLOAD.format(seconds=seconds))
        aim = ("--workload", workload, "--host", f"{url}/prod", "--runs", tmp_path / "runs", "--no-report")
        return start_locust(*aim, *arguments)

    return start


@pytest.fixture
def latest(tmp_path):
    return RunFolder(tmp_path / "latest")


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def assert_the_schedule_of_one(latest, tmp_path, url, workers):
    """The rows of all workers together are the schedule, and the server was asked for each exactly once."""
    workload = read(tmp_path / "tiny.yaml")
    schedule = draw(workload.rate, workload.seed, [1, 1], workload.groups.weights)
    described = latest.described()
    starts_at = described["buffers"][0]["started_at"]
    by_worker = [list(read_rows(path)) for path in latest.all_requests()]
    rows = sorted((row for rows in by_worker for row in rows), key=lambda row: row["sequence"])
    assert [row["sequence"] for row in rows] == list(schedule.sequences)
    assert [row["intended_at"] - starts_at for row in rows] == pytest.approx(
        [time * 1_000 for time in schedule.times], abs=0.01
    )
    assert [row["image"] for row in rows] == [["coffee-64", "rocket-64"][image] for image in schedule.images]
    assert [sorted(row["sequence"] for row in rows) for rows in by_worker] == [
        list(schedule.sequences[worker::workers]) for worker in range(workers)
    ]
    asked = requests.get(f"{url}/told", timeout=5).json()
    assert sorted(asked["sequences"]) == list(schedule.sequences)
    assert [asked["bodies"][str(n)]["group"] for n in schedule.sequences] == [f"g{each}" for each in schedule.groups]
    late = [reason for reason in described["invalid_because"] if reason.startswith("the load generator was late")]
    assert described["invalid_because"] == late
    generator = described["generator"]
    assert generator["workers"] == len(generator["worker_clocks"]) == workers
    # All of them run on this machine: what is measured has to be no offset at all.
    clocks = generator["worker_clocks"]
    assert all(abs(clock["offset_ms"]) <= clock["within_ms"] + 1 for clock in clocks)
    assert generator["target_clock_ms"]["at_least"] <= 1
    assert generator["target_clock_ms"]["at_most"] >= -1
    assert all(clock["target_ms"]["at_least"] <= 1 and clock["target_ms"]["at_most"] >= -1 for clock in clocks)


def test_two_processes_send_the_schedule_of_one_each_arrival_once(locust, latest, tmp_path, answering_server):
    url = answering_server()

    run = locust(url, "--headless", "--processes", 2)
    code = run.end()

    assert_the_schedule_of_one(latest, tmp_path, url, 2)
    assert code == (0 if latest.described()["valid"] else 1), run.output
    assert "Traceback" not in run.output


def test_a_master_and_workers_send_the_schedule_of_one_each_arrival_once(locust, latest, tmp_path, answering_server):
    url, port = answering_server(), _free_port()
    master = locust(url, "--headless", "--master", "--master-bind-port", port, "--expect-workers", 3)
    workers = [locust(url, "--worker", "--master-port", port) for _ in range(3)]

    master.end()

    assert_the_schedule_of_one(latest, tmp_path, url, 3)
    assert "Traceback" not in master.output
    for worker in workers:
        worker.end()
        assert "Traceback" not in worker.output


def test_a_worker_that_dies_makes_the_run_invalid_and_says_so(locust, latest, answering_server):
    run = locust(answering_server(), "--headless", "--processes", 2, seconds=60)
    run.wait_for("offered")

    run.children()[0].kill()

    assert run.end() == 1, run.output
    described = latest.described()
    assert not described["valid"]
    assert any("is lost, and what it had still to send with it" in reason for reason in described["invalid_because"])
    rows = [row["sequence"] for path in latest.all_requests() for row in read_rows(path)]
    assert len(rows) == len(set(rows)) < described["buffers"][0]["scheduled"]
    # What came back before it died is on record, and the other worker stopped in order.
    assert {sequence % 2 for sequence in rows} == {0, 1}


def test_ctrl_c_while_workers_are_waited_for_ends_those_that_are_there(locust, start_locust, answering_server):
    port = _free_port()
    run = locust(answering_server(), "--headless", "--master", "--master-bind-port", port, "--expect-workers", 2)
    worker = start_locust("--worker", "--master-port", port)
    run.wait_for("0 of 2|1 of 2")

    run.process.send_signal(signal.SIGINT)

    assert run.end() == 1
    assert "locust: stopped before its run began" in run.output
    assert "Traceback" not in run.output
    worker.end()


def test_ctrl_c_in_mid_run_reaches_every_process_and_still_leaves_every_row(locust, latest, answering_server):
    run = locust(answering_server(), "--headless", "--processes", 2, seconds=60)
    run.wait_for("offered")

    # As a terminal does.
    for process in (*run.children(), run.process):
        process.send_signal(signal.SIGINT)

    assert run.end() == 1, run.output
    described = latest.described()
    assert "it was stopped before its end" in described["invalid_because"]
    assert described["generator"]["lost_rows"] == 0
    rows = [row["sequence"] for path in latest.all_requests() for row in read_rows(path)]
    assert len(rows) == len(set(rows)) == described["buffers"][0]["offered"] > 0


IMAGES = (LoadImage("a", b"abc", None, b'{"image":{"bytes":"YWJj"},"run":{"id":'),)


def a_turn(**further):
    schedule = draw(Rate([Knot(0, 50), Knot(2, 50)]), 1, [1], [1, 2])
    return Turn(of_route("/x")[0], "http://h", "r.route", schedule, IMAGES, time.time() + 1, **further)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_part_of_a_turn_travels_whole(workers):
    turn = a_turn()

    parts = [turn_from_message(turn_to_message(turn, number, workers, 0.25, 9)) for number in range(workers)]

    assert [part.schedule for part in parts] == [turn.schedule.share(number, workers) for number in range(workers)]
    assert {part.way for part in parts} == {Way("route", None, route="/x")}
    assert {(part.images, part.starts_at, part.clock_offset_s) for part in parts} == {(IMAGES, turn.starts_at, 0.25)}


def test_a_worker_whose_clock_is_ahead_sends_and_writes_by_the_runs_clock():
    on_time, ahead = TurnClock(a_turn()), TurnClock(a_turn(clock_offset_s=5.0))

    # Its own clock says five seconds more than the run's at the same moment: its second 0 is five later by its own.
    assert ahead.second() - on_time.second() == pytest.approx(-5.0, abs=0.5)


class Told:
    """What a worker tells, and how it is told, in this process."""

    def __init__(self):
        self.listeners, self.reports = {}, []

    def register_message(self, name, listener):
        self.listeners[name] = listener

    def send_message(self, name, data=None):
        self.reports.append(data)


@pytest.mark.parametrize(("silent_s", "goes_on"), [(1.0, True), (11.0, False)])
def test_a_worker_that_hears_no_master_sends_nothing_more(silent_s, goes_on, caplog):
    told = Told()
    worker = Worker(told, lambda *_: None, lambda: silent_s)
    message = turn_to_message(a_turn(), 0, 1, 0.0, 10)

    told.listeners[TURN](msg=SimpleNamespace(data=message))
    # Between its report and its end others have a turn.
    with gevent.Timeout(60):
        while not told.reports or worker.in_a_run != goes_on:
            gevent.sleep(0.001)

    assert ("has not been heard for 10 s" in caplog.text) != goes_on
    worker.close()


class FakeMaster:
    """Workers that answer in this process; `ahead` is how far each one's clock is, in seconds."""

    def __init__(self, ahead, silent=()):
        self.ahead, self.silent = ahead, silent
        self.listeners, self.told = {}, []

    def register_message(self, name, listener):
        self.listeners[name] = listener

    def send_message(self, name, data=None, client_id=None):
        self.told.append((name, client_id, data))
        if name == PING and client_id not in self.silent:
            at = {"asked_at": data["asked_at"], "at": time.time() + self.ahead[client_id]}
            self.listeners["forebay-pong"](msg=SimpleNamespace(node_id=client_id, data=at))

    def report(self, worker, run_id="r.route", **further):
        told = {"counts": Counts(), "rows": b"", "accepted": [], "ended": False, "failure": None} | further
        message = report_to_message(run_id, told.pop("counts"), told.pop("rows"), told.pop("accepted"), **told)
        self.listeners["forebay-report"](msg=SimpleNamespace(node_id=worker, data=message))


@pytest.fixture
def pool(tmp_path):
    def make(ahead, connected=None, **further):
        master = FakeMaster(ahead, **further)
        return master, WorkerPool(master, lambda: list(ahead) if connected is None else connected, most_in_flight=100)

    return make


def test_each_workers_clock_is_measured_and_its_turn_told_by_it(pool, tmp_path):
    master, workers = pool({"a": 0.0, "b": 12.5, "c": -3.0})

    workers.open(RunFolder(tmp_path))
    workers.begin(a_turn(), lambda *_: None)

    offsets = [clock["offset_ms"] for clock in workers.described["worker_clocks"]]
    assert offsets == pytest.approx([0, 12_500, -3_000], abs=200)
    assert all(0 <= clock["within_ms"] < 200 for clock in workers.described["worker_clocks"])
    told = [turn_from_message(data).clock_offset_s * 1_000 for name, _, data in master.told if name == TURN]
    assert told == pytest.approx(offsets, abs=0.001)


def test_counts_rows_and_ids_of_all_workers_come_together(pool, tmp_path):
    master, workers = pool({"a": 0, "b": 0})
    accepted = []
    workers.open(RunFolder(tmp_path))
    workers.begin(a_turn(), lambda *each: accepted.append(each))
    assert [worker for name, worker, _ in master.told if name == TURN] == ["a", "b"]

    master.report("a", counts=Counts(offered=3, accepted=2), rows=b"abc", accepted=[(0, "x")])
    master.report("b", counts=Counts(offered=2), rows=b"d", accepted=[(1, "y")], ended=True)
    master.report("b", run_id="another.route", counts=Counts(offered=99))
    master.report("stranger", counts=Counts(offered=99))
    assert (workers.counts, workers.busy) == (Counts(offered=5, accepted=2), True)
    master.report("a", counts=Counts(offered=4, accepted=4), rows=b"def", ended=True)

    assert (workers.counts, workers.busy, workers.failure) == (Counts(offered=6, accepted=4), False, None)
    assert accepted == [(0, "x"), (1, "y")]
    workers.close()
    assert [(tmp_path / f"requests-{number}.rows").read_bytes() for number in (0, 1)] == [b"abcdef", b"d"]


def test_a_worker_that_is_gone_or_fails_is_a_failure_of_the_turn_unless_its_part_had_ended(pool, tmp_path):
    connected = ["a", "b"]
    master, workers = pool({"a": 0, "b": 0}, connected)
    workers.open(RunFolder(tmp_path))
    workers.begin(a_turn(), lambda *_: None)
    assert workers.failure is None

    connected.remove("b")
    assert "the worker b is lost" in workers.failure
    master.report("b", ended=True)
    assert workers.failure is None
    master.report("a", failure="OSError('disk')", ended=True)
    assert "the worker a: OSError('disk')" in workers.failure


def test_what_cannot_be_distributed_is_refused(pool, tmp_path, monkeypatch):
    with pytest.raises(TargetError, match="patterns run in one process"):
        pool({"a": 0})[1].open(RunFolder(tmp_path), clients_wait=True)
    with pytest.raises(TargetError, match="no worker is connected"):
        pool({})[1].open(RunFolder(tmp_path))
    monkeypatch.setattr("loadtest._worker_pool._PING_S", 0.01)
    with pytest.raises(TargetError, match="the worker b does not answer"):
        pool({"a": 0, "b": 0}, silent=["b"])[1].open(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("target", "worker", "expected"),
    [
        ((0, 0), (0, 0), (0, 0)),
        ((5, 8), (0, 0), (5, 8)),
        ((5, 8), (3, 1), (1, 6)),  # the worker is ahead by 2 to 4, so the target is by 1 to 6 more
        ((5, 8), (-3, 0), (8, 11)),  # behind the run, and so farther from a target that is ahead
    ],
)
def test_how_far_the_target_is_ahead_of_a_worker_follows_from_both(target, worker, expected):
    assert beside_worker(
        dict(zip(("at_least", "at_most"), target, strict=True)),
        dict(zip(("offset_ms", "within_ms"), worker, strict=True)),
    ) == dict(zip(("at_least", "at_most"), expected, strict=True))


def test_a_target_that_tells_no_time_has_no_offset():
    assert target_clock("http://127.0.0.1:1") is None
