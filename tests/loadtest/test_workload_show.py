import pytest
from click.testing import CliRunner

from loadtest._command import drawing, workload
from pipeline.cli import main

GOOD = """\
name: shown
why: to be drawn
seed: 1
buffers: [sns, sqs, kinesis]
rate: [[0, 10], [10, 10], [10, 100], [12, 100], [12, 0], [30, 0]]
cut_off_s: 20
groups: {number: 20, skew: hot, share: 0.9}
images: [{photo: coffee.jpg, width: 64}]
overrides:
  kinesis: {rate: [[0, 3], [40, 3]], cut_off_s: 5}
"""


@pytest.fixture
def show(tmp_path):
    def run(text=GOOD, *options):
        path = tmp_path / "w.yaml"
        path.write_text(text)
        return CliRunner().invoke(workload, ["show", str(path), *options])

    return run


def test_the_drawing_is_as_high_as_its_arrivals_are_many():
    # Four columns of a second each: 1, 8, 4 and no arrivals; eight eighths a row, two rows.
    times = [0.5] + [1.5] * 8 + [2.5] * 4

    lines = drawing(times, 4.0, 16, rows=2)

    assert [line.partition("│")[2] for line in lines[:2]] == [" █", "▂██"]
    assert "8/s" in lines[0]
    assert lines[-1].endswith("4.00 s")


def test_one_arrival_among_many_still_shows():
    lines = drawing([0.5, *[1.5] * 1_000], 2.0, 14)

    assert lines[7].partition("│")[2] == "▁█"


def test_counts_peak_duration_seed_and_what_is_its_own_stand_below_the_drawing(show):
    shown = show(GOOD, "--width", "60")

    assert shown.exit_code == 0, shown.output
    common, own = shown.output.split("kinesis, by its overrides")
    assert "sns and sqs, one after the other" in common
    assert "in 30.0 s" in common
    assert "seed      1" in common
    assert "20, hot" in common
    assert "coffee-64" in common
    assert "20.0 s after the last arrival" in common
    assert "in 40.0 s" in own
    assert "5.00 s after the last arrival" in own
    peak = int(common.split("peak")[1].split()[0])
    assert 70 < peak < 130  # Poisson of 100
    assert max(len(line) for line in shown.output.splitlines()) <= 60
    # Nothing comes after second 12: the last columns are empty, and the busiest is full.
    bars = [line.partition("│")[2] for line in common.splitlines() if "│" in line]
    assert len(bars) == 8
    assert max(map(len, bars)) < 25
    assert "█" in bars[0]


def test_a_fault_is_said_with_its_line(show):
    shown = show(GOOD.replace("skew: hot", "skew: hto"))

    assert shown.exit_code == 1
    assert "w.yaml:7: groups.skew: 'hto' is none of uniform, zipf, hot; did you mean hot?" in shown.output


@pytest.mark.parametrize("name", ["smoke", "spike", "stall", "steady", "patterns"])
def test_every_workload_of_our_own_is_shown_by_the_command_line(name):
    shown = CliRunner().invoke(main, ["workload", "show", name])

    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(name)
    assert "█" in shown.output
