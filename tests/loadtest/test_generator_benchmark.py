"""The parts of benchmarks.generator that decide what it says."""

import subprocess
import sys
import time

import pytest
import requests

from benchmarks.cpu_meter import CpuMeter
from benchmarks.fast_server import fast_server
from benchmarks.generator import Rung, climb, highest_valid


def rung(rate, *faults):
    return Rung(rate, rate, float(rate), 0, 0.5, 2.0, 100.0, faults)


def climbed(valid_up_to, *blips):
    """What is climbed where each rate of `blips` fails once for another reason."""
    measured = []

    def measure(rate):
        measured.append(rate)
        if rate > valid_up_to or (rate in blips and measured.count(rate) == 1):
            return rung(rate, "the load generator was late")
        return rung(rate)

    return measured, list(climb(measure, 1_000, 500))


def test_rates_go_up_until_one_fails_twice():
    measured, rungs = climbed(2_000)

    assert [each.rate for each in rungs] == [1_000, 1_500, 2_000, 2_500]
    assert measured == [1_000, 1_500, 2_000, 2_500, 2_500]
    assert highest_valid(rungs).rate == 2_000


def test_a_rate_that_fails_once_is_not_the_limit():
    _, rungs = climbed(2_000, 1_500)

    assert highest_valid(rungs).rate == 2_000


def test_where_the_first_rate_fails_there_is_no_valid_one():
    _, rungs = climbed(500)

    assert [each.rate for each in rungs] == [1_000]
    assert highest_valid(rungs) is None


def test_the_fast_server_counts_what_it_took_whole():
    with fast_server() as url:
        answers = [requests.post(f"{url}/x", data=b"x" * size, timeout=5) for size in (0, 10, 500_000)]
        told = requests.get(url, timeout=5).json()

    assert [answer.status_code for answer in answers] == [202] * 3
    assert answers[0].json()["request_id"]
    assert told == {"posted": 3}


def test_the_meter_counts_what_a_process_and_its_children_use_and_nothing_beyond_its_readings():
    # It waits before its work and after it, so that the readings lie around all of it.
    work = "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    busy = f"import sys, time\nsys.stdin.readline()\n{work}sys.stdin.readline()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    began = time.time()
    with CpuMeter(process.pid) as meter:
        first = time.time()
        process.stdin.write(b"\n")
        process.stdin.flush()
        while time.time() - began < 30 and meter.used < 0.3:
            time.sleep(0.05)
        last = time.time()
        process.communicate()

    assert meter.between(first, last) >= 0.25
    with pytest.raises(ValueError, match="not between"):
        meter.between(began - 10, last)
