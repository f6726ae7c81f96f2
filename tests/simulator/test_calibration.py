"""The calibration: what was published and measured, beside what the simulator says."""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner

from delivery.environments import Account, Environments
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Offer, Ok
from delivery.quotas import Quotas
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_queue import SqsQueue
from local.recorder import DecisionRecorder
from pipeline.run import OBSERVATION_COLUMNS, REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter, RunFolder
from simulator.calibration import command, further, idle, measurement
from simulator.calibration.cell import Cell, cells
from simulator.calibration.embedded import Foretold, scenario
from simulator.calibration.fitting import fit, quantiles
from simulator.calibration.measurement import Measurement, MeasurementError, from_json, read, to_json
from simulator.calibration.published import groups
from simulator.calibration.reasons import UnexplainedError, reasons
from simulator.calibration.recording import Told, told_of
from simulator.duration import Lognormal, RecordedTimes, Transit
from simulator.scenario import BUFFERS, Fixed, RecordedKeys
from simulator.transits import PUBLISHED

STORED = read(command.MEASURED)[0]


def test_the_page_is_what_the_code_and_the_stored_measurement_give() -> None:
    result = CliRunner().invoke(command.calibrate, ["--check"])
    assert result.exit_code == 0, result.output


def test_a_page_that_was_edited_is_told_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "calibration.md"
    page.write_text("one line\n", encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "render", lambda _: "another line\n")
    result = CliRunner().invoke(command.calibrate, ["--check"])
    assert result.exit_code == 1
    assert "-one line\n+another line" in result.output
    assert page.read_text(encoding="utf-8") == "one line\n"


def test_check_and_measure_are_not_asked_for_together() -> None:
    result = CliRunner().invoke(command.calibrate, ["--check", "--measure"])
    assert result.exit_code == 2
    assert "choose one" in result.output


@pytest.mark.parametrize("buffer", BUFFERS)
def test_the_published_transits_are_what_the_documented_fit_gives(buffer: str) -> None:
    published = groups()["idle_latency"].rows[buffer]
    assert fit(idle.PLANS[buffer], published) == PUBLISHED[buffer]  # type: ignore[index]


def test_a_fit_from_afar_comes_back_to_figures_that_a_transit_can_have() -> None:
    true = Transit(20.0, tail_ms=5.0, tail_sigma=1.2)
    plan = replace(idle.PLANS["sqs"], start=Transit(10, tail_ms=9, tail_sigma=0.7))
    assert quantiles(fit(plan, quantiles(true))) == pytest.approx(quantiles(true), rel=0.02)


def test_a_transit_draws_what_it_says() -> None:
    transit = Transit(100, spread_ms=20, tail_ms=5, tail_sigma=0.5, rare=0.1, rare_ms=1_000)
    drawn = transit.seconds(np.random.default_rng(1), 200_000)
    assert drawn.min() > 0.1
    assert (drawn > 1).mean() == pytest.approx(0.1, abs=0.005)
    assert drawn.mean() == pytest.approx(transit.mean_s, rel=0.01)


@pytest.mark.parametrize("numbers", [{"base_ms": -1}, {"base_ms": 0, "rare": 1.1}, {"base_ms": 0, "rare": math.nan}])
def test_a_transit_that_cannot_be_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"a chance of|no time"):
        Transit(**numbers)


def test_an_idle_polled_stream_waits_evenly_up_to_a_second_beside_its_transit() -> None:
    found = idle.simulated(replace(idle.scenario("kinesis"), transit_ms=Fixed(0)), ("p10", "p50", "p90"))
    assert found == pytest.approx({"p10": 100, "p50": 500, "p90": 900}, abs=15)


@pytest.mark.parametrize(
    ("error", "holds", "why"),
    [
        (0.10, True, "just within"),
        (-0.10, True, "below as above"),
        (0.11, False, "beyond"),
        (None, False, "what is not modelled does not hold"),
    ],
)
def test_a_cell_holds_within_its_tolerance(error: float | None, holds: bool, why: str) -> None:
    simulated = None if error is None else 100.0 * (1 + error)
    assert Cell(100.0, simulated, 0.1000001).holds is holds


def test_what_was_given_is_marked() -> None:
    row = cells({"p50": 10, "p90": 20}, {"p50": 10, "p90": 22}, given=("p50",))
    assert [cell.given for cell in row.values()] == [True, False]


@pytest.mark.parametrize(
    ("measured", "simulated", "error", "holds"),
    [(100, 114, 0.14, True), (100, 80, -0.2, False), (0, 0, 0.0, True), (0, 3, math.inf, False)],
)
def test_a_foretold_figure_is_off_by_a_share_of_the_measured_one(
    measured: float, simulated: float, error: float, holds: bool
) -> None:
    figure = Foretold(measured, simulated, simulated, simulated)
    assert figure.error == pytest.approx(error)
    assert figure.holds is holds


def test_a_cell_that_fails_without_a_reason_stops_the_page() -> None:
    assert reasons("burst", {"burst-cold": []}, {}) == []
    with pytest.raises(UnexplainedError, match="burst-cold of burst fails at p50"):
        reasons("burst", {"burst-cold": ["p50"]}, {"burst-cold": "cold"})


def test_a_cold_burst_waits_for_a_cold_start_more_than_a_warm_one() -> None:
    published = groups()
    rows = further.bursts(published["burst"], published["cold_start"].rows["python3.12"])
    warm, cold = rows["burst-warm"]["p50"].simulated, rows["burst-cold"]["p50"].simulated
    assert warm is not None
    assert cold is not None
    assert cold - warm == pytest.approx(89, rel=0.1)


def test_the_last_few_measurements_are_kept_and_read_back_as_they_were() -> None:
    others = [replace(STORED, measured_at=day) for day in ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")]
    assert from_json(to_json([STORED, *others])) == [STORED, *others[:3]]


def test_the_measured_turn_becomes_a_scenario_with_the_templates_own_settings() -> None:
    asked = scenario(STORED, "sqs")
    assert asked.mapping.batch_size == STORED.parameters["SqsBatchSize"]
    assert asked.mapping.maximum_concurrency == STORED.parameters["SqsMaximumConcurrency"]
    assert asked.function.in_batch_concurrency == STORED.parameters["InBatchConcurrency"]
    assert asked.function.invocation_ms == STORED.turns["sqs"].traits.invocation_ms
    assert asked.function.per_record_ms == RecordedTimes(STORED.turns["sqs"].record_times_ms)
    assert asked.quotas["account_concurrency"] == 10
    assert asked.downstream.sdk_attempts is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "no format"),
        ('{"format": 1, "runs": []}', "another format"),
        ('{"format": 2}', "no runs"),
        ("[]", "no object"),
        ("half", "no JSON"),
    ],
)
def test_what_is_no_measurement_is_refused_with_the_cure(text: str, why: str) -> None:
    with pytest.raises(MeasurementError, match="--measure"):
        from_json(text)


def test_a_measurement_that_was_never_made_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="forebay calibrate --measure"):
        read(tmp_path / "measured.json")


def test_a_measurement_of_another_format_does_not_stand_in_the_way_of_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tmp_path / "measured.json"
    measured.write_text('{"format": 1, "runs": []}', encoding="utf-8")
    monkeypatch.setattr(command, "MEASURED", measured)
    monkeypatch.setattr(command, "PAGE", command.PAGE.parent / "calibration.md")
    monkeypatch.setattr(command, "_measured", lambda: STORED)
    monkeypatch.setattr(command, "render", lambda _: command.PAGE.read_text(encoding="utf-8"))
    assert CliRunner().invoke(command.calibrate, ["--measure"]).exit_code == 0
    assert read(measured) == [STORED]


def test_a_stream_is_simulated_with_the_very_keys_of_the_run() -> None:
    keys = STORED.turns["kinesis"].hash_keys
    assert len(keys) == STORED.turns["kinesis"].outcome.offered
    assert scenario(STORED, "kinesis").partition_keys == RecordedKeys(keys)
    assert STORED.turns["kinesis-efo"].hash_keys != keys
    assert STORED.turns["sqs"].hash_keys == ()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of 100 requests a second apart, half of which met a start of 500 ms, each in a batch of its own."""
    folder = RunFolder(tmp_path)
    folder.describe(
        {
            "valid": True,
            "invalid_because": [],
            "target": "local",
            "started_at": 0.0,
            "buffers": [{"buffer": "sqs", "drained": True}],
            "versions": {"python": "3.11", "platform": "Linux"},
            "options": {
                "account_concurrency": 10,
                "rekognition_rate": 50.0,
                "rekognition_median_ms": 300.0,
                "parameters": {"InBatchConcurrency": 5},
                "quotas": {"account_concurrency": 10, "sqs_pollers_start": 5},
            },
        }
    )

    def write(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
        with RowWriter(path, columns) as writer:
            for row in rows:
                writer.write(*(row.get(column) for column in columns))

    sent = [
        {"buffer": "sqs", "sequence": n, "intended_at": n * 1_000.0, "status": 202, "bytes": 50} for n in range(100)
    ]
    results = [
        {
            "buffer": "sqs",
            "sequence": n,
            "status": "SUCCEEDED",
            "accepted_at": n * 1_000.0 + 8,
            "received_at": n * 1_000.0 + 20,
            "stored_at": n * 1_000.0 + 420,
            "init_ms": 500.0 if n % 2 else 0.0,
            "environment": f"e{n}",
            "attempts": 1,
            "batch_size": 1,
        }
        for n in range(100)
    ]
    seen = {"buffer": "sqs", "throttles": 7, "cold_starts": 50}
    write(folder.requests(0), REQUEST_COLUMNS, sent)  # type: ignore[arg-type]
    write(folder.results, RESULT_COLUMNS, results)  # type: ignore[arg-type]
    write(folder.observations, OBSERVATION_COLUMNS, [seen])
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> list[str]:
    """What the run's machine decided: one cold invocation, and two warm ones of 430 and 450 ms."""
    path = tmp_path / "decisions.jsonl"
    recorder = DecisionRecorder.to_file(path)
    quotas = Quotas.with_overrides({"account_concurrency": 10})
    account = recorder.make("account", Account, quotas)
    environments = recorder.make("function", Environments, account, quotas)
    queue = recorder.make("queue", SqsQueue, quotas=quotas)
    mapping = recorder.make("mapping", SqsMapping, queue, capacity=environments, random=Random(1), quotas=quotas)
    for sent_at, took_s in ((0.0, 5.0), (10.0, 0.43), (12.0, 0.45)):
        queue.offer(sent_at, Offer([int(sent_at)], 100))
        (invocation,) = mapping.poll(sent_at)
        mapping.settle(sent_at + took_s, invocation, Ok())
    recorder.close()
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def test_a_run_is_measured_by_its_own_rows(run: RunFolder, recording: list[str]) -> None:
    measured = Measurement.of_run(run, recording)
    turn = measured.turns["sqs"]
    outcome = turn.outcome
    assert (outcome.offered, outcome.completed, outcome.throttles, outcome.cold_starts) == (100, 100, 7, 50)
    assert (outcome.drain_s, outcome.p50_ms, outcome.p90_ms) == (0.42, 420.0, 420.0)
    assert turn.traits.record_ms == Lognormal(400.0, 400.0)
    # 30 and 50 ms more than the batches that lay in them; the 90th percentile is 48, the 10th 32.
    assert turn.traits.invocation_ms.p50_ms == 40.0
    assert turn.traits.invocation_ms.p99_ms == pytest.approx(40 * 1.5**0.908, rel=0.01)
    assert turn.hash_keys == ()
    assert turn.record_times_ms == (400.0,) * 100
    assert measured.replayed == 9
    assert (turn.traits.gateway_ms, turn.traits.cold_start_ms) == (Lognormal(8.0, 8.0), Lognormal(500.0, 500.0))
    assert turn.traits.payload_bytes == 50
    assert measured.quotas == {"account_concurrency": 10}


def test_a_records_time_counts_from_its_turn_in_the_batch_and_the_times_stand_in_the_order_of_these() -> None:
    batch = [
        {"sequence": n, "environment": "e", "received_at": 0.0, "stored_at": at, "attempts": attempts}
        for n, at, attempts in ((0, 300.0, 1), (1, 100.0, 1), (2, 350.0, 2), (3, 320.0, 1))
    ]
    # Of two strands the second takes record 2 at 100, the first record 3 at 300; record 2 had to wait for the quota.
    assert measurement._Rows([], batch, [])._unhindered_ms(2) == [300.0, 100.0, 20.0]


def test_the_keys_of_a_stream_are_those_it_took_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    recorder = DecisionRecorder.to_file(path)
    quotas = Quotas()
    account = recorder.make("account", Account, quotas)
    environments = recorder.make("function", Environments, account, quotas)
    stream = recorder.make("stream", KinesisStream, 2, quotas)
    recorder.make("mapping", KinesisMapping, stream, capacity=environments, random=Random(1), quotas=quotas)
    largest = (1 << 128) - 1
    too_large = quotas.kinesis_record_bytes + 1
    stream.offer(1.0, Offer([0], 10, hash_keys=[largest]))
    stream.offer(2.0, Offer([1, 2], [too_large, 10], hash_keys=[5, 7]))
    recorder.close()
    assert told_of(path.read_text(encoding="utf-8").splitlines())["kinesis"].hash_keys == [largest, 7]


def test_a_run_of_which_a_request_never_came_to_its_stream_is_no_measurement(
    run: RunFolder, recording: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "told_of", lambda _: {"sqs": Told(hash_keys=[1] * 99)})
    with pytest.raises(MeasurementError, match="of 100 requests 99 came to the stream"):
        Measurement.of_run(run, recording)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid": False, "invalid_because": ["it was late"]}, "it was late"),
        ({"target": "aws"}, "its target was aws"),
        ({"buffers": [{"buffer": "sqs", "drained": False}]}, "sqs did not drain"),
    ],
)
def test_a_run_that_proves_nothing_is_no_measurement(
    run: RunFolder, recording: list[str], change: dict[str, object], said: str
) -> None:
    run.describe(run.described() | change)
    with pytest.raises(MeasurementError, match=said):
        Measurement.of_run(run, recording)
