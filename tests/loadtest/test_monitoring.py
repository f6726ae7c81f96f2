import time

import pytest
from gevent.event import Event

from loadtest._monitoring import collect
from loadtest._target import Monitored, TargetError
from pipeline.run import MONITORING_COLUMNS, read_rows


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
