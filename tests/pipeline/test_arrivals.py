"""Arrival times: the same for the load test and for a simulation of its workload."""

from pathlib import Path

import pytest

from loadtest._schedule import draw
from loadtest._workload import read
from pipeline.arrivals import poisson
from pipeline.rate import Knot, Rate
from pipeline.workload_file import WORKLOADS, WorkloadError, arrival_times, find

# Drawn before the times had a module of their own: a seed means the same load for good.
FIRST_OF_SEED_7 = [0.0697, 0.3186, 0.3436]


def test_a_seed_draws_the_times_it_always_drew():
    times = poisson(Rate([Knot(0, 10), Knot(5, 10)]), 7)

    assert list(times[:3]) == pytest.approx(FIRST_OF_SEED_7, abs=1e-4)


@pytest.mark.parametrize("path", sorted(WORKLOADS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_workloads_times_are_those_the_load_test_draws(path):
    workload = read(path)

    assert arrival_times(path) == draw(workload.rate, workload.seed, [1, 2]).times


def test_a_workload_is_found_beside_the_file_that_names_it(tmp_path):
    (tmp_path / "own.yaml").write_text("seed: 1\nrate: [[0, 100], [1, 100]]\n", encoding="utf-8")

    assert find("own.yaml", beside=tmp_path) == tmp_path / "own.yaml"
    assert find("spike", beside=tmp_path) == WORKLOADS / "spike.yaml"
    assert find(str(tmp_path / "own.yaml"), beside=Path("elsewhere")) == tmp_path / "own.yaml"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rate: [[0, 1], [9, 1]]\n", "w.yaml:1: seed is missing"),
        ("seed: 1\n", "w.yaml:1: rate is missing"),
        ("seed: 1\nrate: 5\n", "w.yaml:2: rate: it is a whole number"),
    ],
)
def test_a_workload_without_arrivals_is_refused(tmp_path, text, says):
    path = tmp_path / "w.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(WorkloadError, match=says):
        arrival_times(path)


def test_a_workload_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(WorkloadError, match="cannot be read"):
        arrival_times(tmp_path / "none.yaml")
