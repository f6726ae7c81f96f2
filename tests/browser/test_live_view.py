"""Locust's page and our tab in it, used as a load tester does: by clicks, while a run goes on."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "loadtest" / "embedded_stand_in.py"
# 15 arrivals a second against at most 10 deliveries: a backlog to see, and soon gone.
WORKLOAD = """\
name: seen
why: Something to look at.
seed: 1
buffers: [sns, sqs]
rate: [[0, 15], [3, 15]]
cut_off_s: 30
images: [{photo: coffee.jpg, width: 150}]
local: {rate: 10}
"""


@contextlib.contextmanager
def running(tmp_path, *arguments):
    """Locust with its page open to a browser; yields the page's address."""
    (tmp_path / "seen.yaml").write_text(WORKLOAD)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "locust.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "locust", "-f", ROOT / "loadtest", "--workload", tmp_path / "seen.yaml",
                "--runs", tmp_path / "runs", "--embedded", f"{sys.executable} {STAND_IN}", "--web-port", str(port),
                *arguments,
            ],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        page = f"http://127.0.0.1:{port}/"
        until = time.monotonic() + 45
        while not _answers(page):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield page
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert "Traceback" not in log.read_text()


@pytest.fixture
def locust(tmp_path):
    with running(tmp_path) as page:
        yield page


@pytest.fixture
def locust_without_reports(tmp_path):
    with running(tmp_path, "--no-report") as page:
        yield page


def _answers(page):
    try:
        return requests.get(page, timeout=5).ok
    except requests.ConnectionError:
        return False


def see_it_move(page, buffer):
    """Wait until the number and the curve have both moved on, each from what it was."""
    turn = page.locator("#forebay article", has=page.locator("h3", has_text=buffer))
    turn.locator("path.completed").wait_for(state="attached")
    number, curve = turn.evaluate(
        """turn => [turn.querySelector(".of-completed b").textContent,
                    turn.querySelector("path.completed").getAttribute("d")]"""
    )
    page.wait_for_function(
        """([buffer, number, curve]) => [...document.querySelectorAll("#forebay article")].some(turn =>
            turn.querySelector("h3").textContent.startsWith(buffer)
            && turn.querySelector("path.completed").getAttribute("d") !== curve
            && Number(turn.querySelector(".of-completed b").textContent) > Number(number))""",
        arg=[buffer, number, curve],
    )


def see_that_the_sums_hold(report):
    """Accepted = completed + failed + dead-lettered + unfinished + lost, on the page as a reader adds it up."""
    lines = report.locator("#sums li").all_inner_texts()
    assert lines
    for line in lines:
        accepted, *ends = (int(number.replace(",", "")) for number in re.findall(r"\b[\d,]+\b", line))
        assert accepted == sum(ends) > 0, line
        assert len(ends) == 5


def test_a_load_tester_starts_a_run_stops_it_starts_another_and_watches_it_drain(locust, watch):
    tester = watch()
    page = tester.page
    page.goto(locust)

    page.get_by_role("button", name="Start").click()
    page.get_by_role("tab", name="Forebay").click()
    page.locator("#forebay h2", has_text="-seen").wait_for()
    first = page.locator("#forebay h2").inner_text()
    see_it_move(page, "SNS")

    page.get_by_role("button", name="Stop").click()
    page.get_by_role("link", name="Open the report").wait_for()
    assert "it was stopped before its end" in page.locator("#forebay ul.bad").inner_text()
    assert page.locator("#forebay article.cut-off").count() == 1
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    partial = opened.value
    assert "This report is partial." in partial.locator("#invalid").inner_text()
    assert "sqs: its turn never came" in partial.locator("#invalid").inner_text()
    see_that_the_sums_hold(partial)
    beside = urljoin(partial.url, partial.get_by_role("link", name="joined.parquet").get_attribute("href"))
    assert requests.get(beside, timeout=5).content[:4] == b"PAR1"
    partial.close()

    page.get_by_role("button", name="New").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("first => document.querySelector('#forebay h2').textContent !== first", arg=first)
    assert "-seen" in page.locator("#forebay h2").inner_text()
    see_it_move(page, "SNS")
    page.locator("#forebay .status", has_text=re.compile(r"^(sending|draining), about \d+ s left$")).first.wait_for()
    page.locator("#forebay .figure", has_text=re.compile(r"^\d+ s\s*oldest, at most \d+ s$")).first.wait_for()
    page.locator("#forebay article.draining, #forebay article.drained").first.wait_for()
    page.locator("#forebay article.drained").nth(1).wait_for()
    for turn in page.locator("#forebay article").all():
        sent, accepted, completed, left = (
            turn.locator(f".of-{name} b").inner_text() for name in ("offered", "accepted", "completed", "backlog")
        )
        assert sent == accepted == completed != "0"
        assert left == "0"
        assert re.fullmatch(r"drained \d+ s after all was sent", turn.locator(".status").inner_text())
    page.get_by_role("link", name="Open the report").wait_for()
    assert page.locator("#forebay .phase").first.inner_text().startswith("Ended")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    opened.value.locator("#figure-timeline .wide svg").wait_for()
    see_that_the_sums_hold(opened.value)
    opened.value.close()

    page.get_by_role("tab", name="Statistics").click()
    assert page.locator("#forebay").is_hidden()
    tester.assert_quiet()


def test_on_a_phone_the_tab_can_be_read_by_day_and_by_night_and_touches_no_edge(locust_without_reports, watch):
    for dark in (False, True):
        tester = watch(width=390, height=844, dark=dark)
        page = tester.page
        page.add_init_script(f"localStorage.setItem('theme', '{'dark' if dark else 'light'}')")
        page.goto(locust_without_reports)
        if not dark:
            page.get_by_role("button", name="Start").click()
        page.get_by_role("tab", name="Forebay").click()
        page.locator("#forebay article path.backlog").first.wait_for(state="attached")

        assert page.locator("#forebay").get_attribute("data-theme") == ("dark" if dark else "light")
        for drawing in page.locator("#forebay svg:visible").all():
            box = drawing.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert 250 < box["width"] <= 390
        tester.assert_no_wider_than_the_window()
        tester.assert_readable("#forebay")
        tester.assert_quiet()
