"""The report of a simulation: marked as one wherever it is read, and without what only a run that ran has."""

import json
import re
from typing import TYPE_CHECKING

import pytest

from reports import figures, findings, scorecard, verdict
from reports.drawing import Form
from reports.page import page
from simulator.duration import Fixed, Lognormal
from simulator.run_folder import write
from simulator.scenario import Burst, Function, MappingSettings, Rate, Scenario
from simulator.simulation import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from reports.findings import Findings

SPIKE = Rate(((0.0, 50.0), (20.0, 50.0)))
SCENARIOS = (
    Scenario(
        name="queue",
        arrivals=SPIKE,
        mapping=MappingSettings(maximum_concurrency=2),
        function=Function(per_record_ms=Fixed(30)),
    ),
    # Of 300 at once, ten run and the others are throttled; what fails is kept nowhere.
    Scenario(
        name="topic",
        buffer="sns",
        arrivals=SPIKE,
        mapping=MappingSettings(maximum_retry_attempts=0, on_failure=False),
        function=Function(reserved_concurrency=2, error_rate=0.1),
    ),
    Scenario(name="fifo", buffer="sqs-fifo", arrivals=SPIKE, function=Function(per_record_ms=Fixed(5))),
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> "Findings":
    return findings.find(write(tmp_path_factory.mktemp("run"), [simulate(scenario) for scenario in SCENARIOS]))


@pytest.fixture(scope="module")
def text(found: "Findings") -> str:
    """What a reader sees of the page, drawings apart."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(figures, "svg", lambda *_: "")
        html = re.sub(r"(?s)<(style|head)\b.*?</\1>", "", page(found))
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_it_says_that_it_is_simulated_in_every_place(found: "Findings", text: str, tmp_path: "Path") -> None:
    said = verdict.verdict(found)

    assert said.headline.startswith("Simulated: ")
    assert "Nothing ran" in said.load
    assert "Nothing ran" in verdict.plain(found, tmp_path)
    assert "target simulated" in text
    assert "What was simulated" in text
    assert scorecard.scorecard(found)["run"]["target"] == "simulated"
    assert scorecard.scorecard(found)["run"]["simulated"]["scenarios"]["sns"]["function"]["reserved_concurrency"] == 2


def test_it_speaks_of_no_generator_no_date_and_no_machine(text: str) -> None:
    for absent in (
        "generator",
        "1970",
        "on one machine",
        "sent late",
        "recognition calls",
        "How soon",
        "image",
    ):
        assert absent not in text, absent


def test_it_has_the_stages_of_a_simulation(found: "Findings") -> None:
    assert list(found.stages) == ["buffer", "work"]
    for buffer in found.buffers.values():
        assert list(buffer.stages) == ["buffer", "work"]
        mean = sum(stage.share or 0.0 for stage in buffer.stages.values())
        # The queue's work is its 30 ms, the rest of the mean is waiting.
        assert mean > (buffer.stages["work"].share or 0.0) > 4


def test_a_way_to_the_buffer_that_takes_time_is_a_stage(tmp_path: "Path") -> None:
    slow = Scenario(arrivals=Burst(50), transit_ms=Lognormal(20, 90))

    found = findings.find(write(tmp_path, [simulate(slow)]))

    assert list(found.stages) == ["gateway", "buffer", "work"]
    assert found.buffers["sqs"].stages["gateway"].times.n == 50


def test_the_sums_are_those_of_the_simulation(found: "Findings") -> None:
    for scenario in SCENARIOS:
        result, buffer = simulate(scenario), found.buffers[scenario.buffer]
        assert (buffer.account.offered, buffer.account.completed) == (result.offered, result.completed)
        assert buffer.account.lost == result.expired
        assert buffer.observed.peak_concurrency == result.peak_concurrency
        assert buffer.observed.throttles == result.throttles


def test_what_was_given_up_in_silence_is_said(found: "Findings", text: str) -> None:
    lost = found.buffers["sns"].account.lost

    assert lost > 0
    assert f"of what is lost, the model gave up {lost} RetriesExhausted" in text


def test_the_bill_stands_line_by_line(found: "Findings", text: str) -> None:
    assert "What it would cost" in text
    turn = found.run.turn("sns")
    assert turn is not None
    assert re.search(rf"in all for all that was sent [\d.]+ {turn.cost['total']:.2g}\d* [\d.]+", text)
    assert "SNS publishes" in text
    cost = found.buffers["sns"].cost
    assert cost is not None
    assert cost.total == turn.cost["total"]
    assert cost.per_million_delivered == pytest.approx(turn.cost["per_million_completed"], rel=1e-3)
    assert (cost.per_million_accepted or 0) < (cost.per_million_delivered or 0), "one in ten was given up"
    assert not cost.unobserved


def test_settings_stand_once_where_they_are_the_same_and_by_buffer_where_not(text: str) -> None:
    shared, own = text.split("What was simulated")[1], text.split("Settings in which they differ")[1]

    assert "function.timeout_s 60" in shared
    assert "mapping.maximum_concurrency 2" in own
    assert "function.reserved_concurrency null" in own
    assert "mapping.on_failure false" in own


@pytest.mark.usefixtures("without_drawings")
def test_a_simulator_that_lost_records_makes_the_report_invalid(tmp_path: "Path") -> None:
    folder = write(tmp_path, [simulate(Scenario(arrivals=Burst(50)))])
    told = folder.described()
    told |= {"valid": False, "invalid_because": ["sqs: the simulator lost 3 records"]}
    folder.description.write_text(json.dumps(told), encoding="utf-8")

    assert "the simulator lost 3 records" in page(findings.find(folder))


def test_a_panel_is_as_high_as_the_busiest_buffer_wherever_it_stands(found: "Findings") -> None:
    panels = figures.figure("timeline", found, Form.PAGE).axes
    throttles = max(buffer.timeline.throttles.max() for buffer in found.buffers.values())

    # SQS, drawn first, has none.
    assert throttles > 0
    assert {axes.get_ylim()[1] >= throttles for axes in panels[-3:]} == {True}
    assert {axes.get_ylim()[0] for axes in panels} == {0.0}
