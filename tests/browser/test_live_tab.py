"""The tab alone, in a page that has no more than Locust's row of tabs, with figures that are made for it."""

import json
from pathlib import Path

import pytest

from loadtest._live import LiveView
from loadtest._observation import Observation
from loadtest._workload import read

pytestmark = pytest.mark.browser

STATIC = Path(__file__).parents[2] / "loadtest" / "static"
PAGE = """\
<html><link rel="icon" href="data:,"><body><div id="root"><div role="tablist">
<button role="tab" aria-selected="true">Forebay</button></div></div>
<link rel="stylesheet" href="./forebay/live.css"><script src="./forebay/live.js" defer></script></body></html>
"""
ROUTE = "/orders/" + "a-long-way-" * 8
WORKLOAD = f"""\
name: {"long-" * 11}name
why: Something to look at.
seed: 1
TARGET
rate: [[0, 10], [10, 10]]
cut_off_s: 5
"""


@pytest.fixture
def show(watch, tmp_path):
    """The tab of a run that made these observations; `drained` is None while its turn goes on."""

    def shown(target, *observations, drained=None, faults=None):
        (tmp_path / "w.yaml").write_text(WORKLOAD.replace("TARGET", target))
        live = LiveView()
        live.began("20261127T034536Z-long", read(tmp_path / "w.yaml"))
        way = observations[0].buffer
        live.turn_began(way, 0.0)
        for each in observations:
            live.observed(each)
        if drained is not None:
            live.turn_ended(way, drained=drained)
        if faults is not None:
            live.ended(faults)
        tester = watch(width=390, height=844)
        answers = {
            "": ("text/html", PAGE),
            "live.json": ("application/json", json.dumps(live.to_json())),
            **{name: (kind, (STATIC / name).read_text()) for name, kind in (
                ("live.js", "text/javascript"), ("live.css", "text/css"),
            )},
        }  # fmt: skip

        def answer(route):
            kind, body = answers[route.request.url.rpartition("/")[2]]
            route.fulfill(content_type=kind, body=body)

        tester.page.route("**/*", answer)
        tester.page.goto("http://127.0.0.1/")
        tester.page.locator("#forebay article").first.wait_for()
        return tester

    return shown


def told(page):
    """The first turn's figures, by their labels."""
    figures = page.locator("#forebay article").first.locator(".figure").all()
    return {figure.locator("span").inner_text(): figure.locator("b").inner_text() for figure in figures}


def of_route(second, offered, accepted, **further):
    unknown = (None,) * 8
    return Observation("route", second * 1_000.0, offered, accepted, *unknown, **further)


def test_of_a_route_only_what_its_answers_tell_is_shown(show):
    tester = show(f"route: {ROUTE}", of_route(5, 50, 30, rejected=4, unanswered=3, dropped=2))
    page = tester.page

    assert told(page) == {
        "offered": "50", "accepted": "30", "refused": "4", "waiting": "11", "no answer": "3", "never sent": "2",
    }  # fmt: skip
    assert page.locator("#forebay h3").inner_text() == f"POST {ROUTE}"
    assert page.locator("#forebay path.backlog").count() == 1
    assert page.locator("#forebay path.completed").count() == 0
    tester.assert_no_wider_than_the_window()
    tester.assert_quiet()


@pytest.mark.parametrize(
    ("accepted", "further", "drained", "says"),
    [
        (100, {}, True, "all answered"),
        (60, {"rejected": 40}, True, "all answered"),
        (60, {"unanswered": 40}, True, "ended, 40 without an answer"),  # none waits any more, which is not the same
        (60, {"unanswered": 10}, False, "ended, 40 without an answer"),  # thirty were cut off
        (100, {}, None, "waits for the last answers"),
    ],
)
def test_a_route_does_not_drain_but_is_answered_or_not(show, accepted, further, drained, says):
    page = show("route: /x", of_route(12, 100, accepted, **further), drained=drained).page

    assert page.locator("#forebay .status").inner_text() == says


@pytest.mark.parametrize(
    ("faults", "says"), [(None, "waits for its turn"), (("it was stopped before its end",), "its turn never came")]
)
def test_a_turn_to_come_waits_only_as_long_as_the_run_goes_on_and_takes_no_place_on_a_phone(show, faults, says):
    observation = Observation("sqs", 5_000.0, 50, 30, 20, 0, 10, 0, 1, 0, 0, 1.0)
    page = show("buffers: [sqs, sns]", observation, faults=faults).page

    assert page.locator("#forebay article.waits .status").inner_text() == says
    assert page.locator("#forebay svg:visible").count() == 1


def test_what_waits_for_its_answer_is_not_counted_as_not_accepted(show):
    observation = Observation("sqs", 5_000.0, 50, 30, 20, 0, 10, 0, 1, 0, 0, 1.0, rejected=4, unanswered=3)
    page = show("buffers: [sqs]", observation).page

    figures = told(page)
    assert figures["not accepted"] == "7"
    assert (figures["offered"], figures["accepted"], figures["completed"], figures["backlog"]) == (
        "50",
        "30",
        "20",
        "10",
    )
