import io

import pytest

from loadtest._observation import Observation
from loadtest._progress import Progress
from loadtest._workload import read
from pipeline.workload_file import find


class Terminal(io.StringIO):
    def isatty(self):
        return True


def observation(second, **figures):
    values = {
        "offered": 1_200, "accepted": 1_100, "completed": 900, "dead_lettered": 0, "backlog": 200, "in_flight": 0,
        "concurrency": 1, "throttles": 0, "cold_starts": 0, "oldest_age_s": None,
    }  # fmt: skip
    return Observation("sqs", second * 1_000, **(values | figures))


def shown(out, observations):
    clock = iter(range(100))
    progress = Progress(out, clock=lambda: next(clock))
    progress.began("r1", read(find("smoke")))
    progress.phase("sending to sqs")
    progress.turn_began("sqs", 0.0)
    for each in observations:
        progress.observed(each)
    progress.turn_ended("sqs", drained=True)
    progress.ended(())
    return out.getvalue()


def test_a_terminal_has_one_live_line_that_stands_once_the_turn_is_over():
    text = shown(Terminal(), [observation(second) for second in range(1, 9)])

    assert text.count("\r") == 10
    last = text.rpartition("\r\x1b[K")[2]
    assert last.startswith(
        "sqs            8 s  offered  1,200  accepted  1,100  completed    900  backlog    200  drained\n"
    )


def test_elsewhere_lines_come_every_five_seconds_and_nothing_is_overwritten():
    lines = shown(io.StringIO(), [observation(second) for second in range(1, 13)]).splitlines()

    assert not any("\r" in line or "\x1b" in line for line in lines)
    assert [line[:19] for line in lines if line.startswith("sqs")] == [
        "sqs            1 s ", "sqs            5 s ", "sqs           10 s ", "sqs           12 s ",
    ]  # fmt: skip
    assert lines[-1] == "the run is valid"


@pytest.mark.parametrize(
    ("figures", "there", "absent"),
    [
        ({"throttles": 7}, "throttles      7", "dead lettered"),
        ({"dead_lettered": 2}, "dead lettered      2", "throttles"),
        (
            {"throttles": 7, "oldest_age_s": 3.4, "metrics_age_s": 71.0},
            "throttles      7  oldest 3 s  (71 s ago)",
            "left",
        ),
        ({"throttles": 7, "oldest_age_s": 3.4}, "throttles      7  oldest 3 s", "ago"),  # told of this moment
        (
            {"completed": None, "backlog": None, "throttles": None},
            "all answered",
            "completed",
        ),  # a target that cannot tell
        ({"rejected": 8}, "accepted  1,100  refused      8", "no answer"),
        ({"completed": None, "unanswered": 9}, "no answer      9  backlog    200  ended", "answered"),  # not by far
        ({"completed": None, "dropped": 3}, "dropped      3  backlog    200  ended", "answered"),
    ],
)
def test_a_line_has_what_is_known_and_is_news(figures, there, absent):
    line = shown(io.StringIO(), [observation(1, **figures)]).splitlines()[-2]

    assert there in line
    assert absent not in line


def test_a_line_says_how_long_the_oldest_waits_and_how_much_longer_it_takes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    seen = [observation(2, completed=20, backlog=80), observation(4, completed=40, backlog=60, oldest_age_s=3.4)]
    live = shown(Terminal(), seen)

    # The smoke test sends for eight seconds more; what waits is then worked off at 10/s.
    assert "oldest 3 s  about 14 s left" in live
    assert "left" not in live.rpartition("\r\x1b[K")[2], "what is over takes no longer"


def test_why_a_run_is_not_valid_is_said_last():
    out = io.StringIO()

    Progress(out).ended(("it was late", "it lost rows"))

    assert out.getvalue().splitlines() == ["THE RUN IS NOT VALID:", "  - it was late", "  - it lost rows"]
