"""`forebay plan` as an architect meets it."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.planner.command import plan

ROOT = Path(__file__).parents[3]
SMALL = [
    "--spike", "100/s", "--for", "60s", "--baseline", "5/s", "--downstream", "50/s", "--objective", "p99 <= 5m",
    "--processes", "2",
]  # fmt: skip
UNMET = ["--spike", "80/s", "--for", "20s", "--baseline", "2.4/s", "--downstream", "2/s", "--processes", "1"]
TINY = [
    "--spike", "40/s", "--for", "10s", "--downstream", "20/s", "--objective", "p90 <= 2m", "--per-record", "100ms",
    "--order", "per-key", "--keys", "50",
]  # fmt: skip
LARGE = [
    "--spike", "100000/s", "--for", "60s", "--baseline", "5000/s", "--objective", "p99 <= 5m", "--per-record", "20ms",
    "--no-api", "--processes", "2",
]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small example of docs/planner.md, asked once: its words, its JSON and its folder."""
    folder = tmp_path_factory.mktemp("plan")
    out = folder / "plan.json"
    ran = CliRunner().invoke(plan, [*SMALL, "--json", str(out), "--report", str(folder / "report")])
    assert ran.exit_code == 0, ran.output
    return ran.output, json.loads(out.read_text(encoding="utf-8")), folder


def test_the_small_example_is_right_by_the_hand_calculation_in_the_docs(small):
    _, document, _ = small
    # 6,300 requests come in 60 s, of which 99 % are 6,237; at 50/s they take 124.7 s: 64.7 s after the spike.
    soonest_s = 0.99 * 105 * 60 / 50 - 60
    meeting = [tried for tried in document["tried"] if tried["outcome"]["meets"]]
    assert meeting
    for tried in document["tried"]:
        latency_s = tried["outcome"]["latency_s"]
        # The downstream's bucket holds a second's worth, and arrivals are drawn: 2 s in all.
        assert latency_s is None or latency_s > soonest_s - 2
    chosen = document["chosen"]
    assert chosen["outcome"]["latency_s"] <= 300
    assert chosen["seeds"] == 3
    cheapest = min(tried["outcome"]["month"]["usd"] for tried in meeting)
    assert cheapest <= chosen["outcome"]["month"]["usd"] <= 1.02 * cheapest
    # 5/s for 730 hours and 30 spikes of 6,000.
    assert chosen["outcome"]["month"]["delivered"] == pytest.approx(5 * 730 * 3_600 + 30 * 6_000, rel=0.03)


def test_the_backlog_is_what_comes_in_less_what_the_chosen_settings_work_off(small):
    _, document, _ = small
    chosen = document["chosen"]
    # The ceiling tells the candidate's own rate: peak x 59.4 = rate x 360.
    rate_per_s = min(50.0, chosen["ceiling"]["peak_per_s"] * 59.4 / 360)
    assert chosen["outcome"]["backlog"] == pytest.approx((105 - rate_per_s) * 60, rel=0.15)


def test_the_words_say_the_same_as_the_json(small):
    words, document, _ = small
    assert words.startswith("Simulated, by AWS's documented rules")
    assert document["chosen"]["settings"].split(": ")[1] in words
    assert document["runner_up"]["settings"] in " ".join(words.split())
    assert document["runner_up"]["candidate"]["buffer"] != document["chosen"]["candidate"]["buffer"]
    for name, value in document["parameters"].items():
        assert f"{name}={value}" in words
        assert f'{name}: "{value}"' in words


def test_the_crossover_goes_ten_times_either_way_and_finds_what_breaks(small):
    words, document, _ = small
    cells = [cell for cell in document["crossover"] if cell["settings"] in document["chosen"]["settings"]]
    sizes = [cell["spike_per_s"] for cell in cells]
    assert (min(sizes), max(sizes)) == (pytest.approx(10), pytest.approx(1_000))
    # 50 x 361 / 59.4 - 5 = 299/s is the most that the downstream allows any of them.
    assert all(not cell["holds"] for cell in document["crossover"] if cell["spike_per_s"] > 299)
    assert all(cell["holds"] for cell in cells if cell["spike_per_s"] <= 100)
    assert "<- asked" in words


def test_the_picture_is_drawn(small):
    _, _, folder = small
    assert (folder / "report" / "crossover.png").read_bytes().startswith(b"\x89PNG")
    assert "p99 &lt;= 300 s" in (folder / "report" / "crossover.svg").read_text(encoding="utf-8")


def test_the_same_question_has_the_same_answer_however_many_work_on_it(tmp_path):
    answers = []
    for processes in ("1", "2"):
        out = tmp_path / f"{processes}.json"
        ran = CliRunner().invoke(plan, [*TINY, "--processes", processes, "--json", str(out)])
        assert ran.exit_code == 0, ran.output
        answers.append((ran.output, out.read_bytes()))
    assert answers[0] == answers[1]
    buffers = {tried["candidate"]["buffer"] for tried in json.loads(answers[0][1])["tried"]}
    assert buffers <= {"sqs-fifo", "kinesis", "kinesis-efo"}, "no other keeps an order"


def test_what_nothing_meets_is_said_with_what_bounds_it_and_what_would_have_to_change(tmp_path):
    out = tmp_path / "plan.json"
    ran = CliRunner().invoke(plan, [*UNMET, "--objective", "p99 <= 60s", "--json", str(out)])
    assert ran.exit_code == 3
    words = " ".join(ran.output.split())
    assert "Nothing meets p99 <= 60 s" in words
    # 0.99 x 82.4 x 20 = 1,632, at 2/s 816 s.
    assert "1,632; at 2/s they take 816 s" in words
    assert "The baseline of 2.4/s takes all that the downstream has" in words
    # 1,632 / 81 s, one second's worth being in the bucket.
    assert "more than 20/s, not 2/s" in words
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["chosen"] is None
    assert document["relieved"]["chosen"]["outcome"]["latency_s"] <= 60
    assert not document["tried"]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (["--objective", "p99 <= 200ms"], "AWS publishes no latency"),
        (["--objective", "p99.9999 <= 60s"], "takes 10,000,000 to have 10 beyond it"),
        (["--objective", "lost = 0"], "give exactly one"),
        (["--objective", "p99 <= 60s", "--objective", "p50 <= 1s"], "give exactly one"),
        (["--objective", "p99 <= 60s", "--objective", "lost = 0", "--objective", "lost = 1%"], "given twice"),
        (["--objective", "p99 <= 60s", "--spike", "0/s"], "more than 0"),
        (["--objective", "p99 <= 60s", "--downstream", "0/s"], "leave --downstream out"),
        (["--objective", "p99 <= 60s", "--quota", "sqs_poller_max=3"], "did you mean sqs_pollers_max"),
        (["--objective", "p99 <= 60s", "--quota", "sqs_pollers_max"], "NAME=NUMBER"),
        (["--objective", "p99 <= 60s", "--order", "per-key", "--in-batch", "5"], "leave --in-batch out"),
        (["--objective", "p99 <= 60s", "--per-record", "40s"], "raise --timeout"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_cure(told, says):
    ran = CliRunner().invoke(plan, [*UNMET, *told])
    assert ran.exit_code in (1, 2), ran.output
    assert says in " ".join(ran.output.split())


def test_ctrl_c_leaves_no_process_and_no_file_behind(tmp_path):
    command = [sys.executable, "-c", "from simulator.planner.command import plan; plan()", *LARGE, "--json", "out.json"]
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    # The bar moves once a trial has ended: both processes are at work.
    while b"%" not in seen.replace(b" 0%", b""):
        seen += os.read(controller, 4_096)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    # The terminal says that it is over only once no process holds it any more, those that simulate among them.
    while True:
        try:
            seen += os.read(controller, 4_096)
        except OSError:
            break
    os.close(controller)
    assert b"Stopped; nothing half-written is left." in seen
    assert b"Traceback" not in seen
    assert not list(tmp_path.iterdir())
