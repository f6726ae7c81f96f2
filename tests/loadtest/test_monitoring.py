import time

import gevent
import pytest
from gevent.event import Event

from loadtest._authentication import NOTHING
from loadtest._benchmark import Benchmark
from loadtest._generator import Generator
from loadtest._monitoring import collect
from loadtest._target import BufferState, Monitored, TargetError
from loadtest._workload import read
from pipeline.run import MONITORING_COLUMNS, OBSERVED_COLUMNS, read_rows


class Monitoring:
    source = "CloudWatch"

    def __init__(self, settles_s=0.0, refuses=()):
        self.settles_s, self.refuses = settles_s, refuses
        self.asked = []

    def told(self, way, request_run_id, ended_at):
        self.asked.append((way, request_run_id, ended_at))
        if way in self.refuses:
            raise TargetError(f"CloudWatch does not tell of {way}: Rate exceeded")
        return Monitored(((way, "Throttles", "Sum", 1.0, 60, 3.0, 2.0),), (f"{way}: IteratorAge: InternalError",))


class Stopping(Event):
    """Says how long was waited for; nobody waits in a test."""

    def __init__(self):
        super().__init__()
        self.waited = []

    def wait(self, timeout=None):
        self.waited.append(timeout)


def test_every_turn_is_read_and_what_is_missing_is_named(tmp_path):
    monitoring, path = Monitoring(refuses=["sns"]), tmp_path / "monitoring.rows"
    ended = time.time() - 10

    said = collect(
        monitoring, [("sns", "r.sns", ended - 60), ("sqs", "r.sqs", ended)], path, Stopping(), lambda _: None
    )

    assert monitoring.asked == [("sns", "r.sns", ended - 60), ("sqs", "r.sqs", ended)]
    assert list(read_rows(path)) == [
        dict(zip(MONITORING_COLUMNS, ("sqs", "Throttles", "Sum", 1.0, 60, 3.0, 2.0), strict=True))
    ]
    assert said["source"] == "CloudWatch"
    assert said["read_s_after"] >= 10
    assert said["missing"] == [
        "CloudWatch does not tell of sns: Rate exceeded", "sqs: IteratorAge: InternalError",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ended_s_ago", "stopped", "waits"),
    [
        (10.0, False, True),  # the last minutes are still on their way
        (200.0, False, False),  # they have arrived
        (10.0, True, False),  # who stops a run does not want to wait
    ],
)
def test_the_last_turn_is_given_time_unless_the_run_is_stopped(tmp_path, ended_s_ago, stopped, waits):
    stopping, phases = Stopping(), []
    if stopped:
        stopping.set()
    turns = [("sns", "r.sns", time.time() - ended_s_ago - 500), ("sqs", "r.sqs", time.time() - ended_s_ago)]

    collect(Monitoring(settles_s=180.0), turns, tmp_path / "monitoring.rows", stopping, phases.append)

    assert len(stopping.waited) == waits
    if waits:
        assert stopping.waited[0] == pytest.approx(180 - ended_s_ago, abs=5)
        assert "for the last minutes of CloudWatch; Ctrl-C leaves them out" in phases[0]


WORKLOAD = """\
name: tiny
why: a test
seed: 5
buffers: [sns, sqs]
rate: [[0, 20], [0.2, 20]]
cut_off_s: 1
images: [{photo: coffee.jpg, width: 64}]
"""


class Target:
    """A target that answers nobody, and is monitored."""

    kind = "aws"
    api_url = "http://127.0.0.1:1"
    outputs, options, callback_receiver, showing = {}, None, None, NOTHING

    def __init__(self, monitoring):
        self.monitoring = monitoring

    def open(self, workload):
        pass

    def accepted(self, request_run_id, sequence, request_id):
        pass

    def renew(self):
        return False

    def state(self, buffer, request_run_id):
        return BufferState(completed=0, throttles=4, oldest_age_s=2.5, metrics_age_s=70.0)

    def results(self, way, request_run_id):
        return iter(())

    def dead_letters(self, buffer, request_run_id, since):
        return iter(())

    def close(self):
        pass


class Observer:
    """Stops the run as soon as it waits for its monitoring."""

    def __init__(self):
        self.benchmark = None

    def __getattr__(self, _):
        return lambda *_, **__: None

    def phase(self, text):
        if "for the last minutes of" in text:
            # From where Locust stops a run, too: not from the run itself.
            gevent.spawn(self.benchmark.stop)


def test_a_run_is_monitored_when_its_turns_are_over_and_whoever_does_not_wait_for_it_spoils_nothing(tmp_path):
    (tmp_path / "tiny.yaml").write_text(WORKLOAD)
    monitoring, observer = Monitoring(settles_s=600.0), Observer()
    benchmark = Benchmark(
        read(tmp_path / "tiny.yaml"), Target(monitoring), Generator(lambda *_: None), tmp_path / "runs", [observer]
    )
    observer.benchmark = benchmark

    benchmark.run()

    described = benchmark.folder.described()
    assert [way for way, _, _ in monitoring.asked] == ["sns", "sqs"]
    assert [ended * 1_000 for _, _, ended in monitoring.asked] == [turn["ended_at"] for turn in described["buffers"]]
    assert len(list(read_rows(benchmark.folder.monitoring))) == 2
    assert described["monitoring"]["source"] == "CloudWatch"
    assert "it was stopped before its end" not in described["invalid_because"]
    seen = list(read_rows(benchmark.folder.observations))
    assert {row["metrics_age_s"] for row in seen} == {70.0}
    assert all(tuple(row) == OBSERVED_COLUMNS for row in seen)
