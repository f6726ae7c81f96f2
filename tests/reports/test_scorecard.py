"""scorecard.json against the one that was read and found right; FOREBAY_GOLDEN=write writes it anew."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reports.scorecard import details, scorecard, to_json

if TYPE_CHECKING:
    from reports.findings import Findings

GOLDEN = Path(__file__).parent / "golden" / "scorecard.json"
BUFFER_KEYS = {
    "offered", "accepted", "rejected", "completed", "failed", "dead_lettered", "unfinished", "lost", "duplicates",
    "latency_ms", "stages_ms", "drain_s", "peak_backlog", "throttles", "cold_starts", "peak_concurrency",
    "reordered", "cost", "response_ms",
}  # fmt: skip


def alike(found: Any, wanted: Any, path: str = "") -> None:
    """Equal, but for the last digits of floats, which are the mathematics library's and not ours."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), path
        for key in wanted:
            alike(found[key], wanted[key], f"{path}.{key}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6), path
    else:
        assert found == wanted, path


def test_the_scorecard_is_the_golden_one(sample_findings: "Findings") -> None:
    text = to_json(scorecard(sample_findings))
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    alike(json.loads(text), json.loads(GOLDEN.read_text(encoding="utf-8")))


def test_it_has_the_keys_that_were_agreed_and_no_others(sample_findings: "Findings") -> None:
    card = scorecard(sample_findings)
    assert set(card) == {"run", "buffers"}
    assert {"id", "target", "workload", "seed", "valid", "invalid_because", "started_at", "simulated"} <= set(
        card["run"]
    )
    for buffer in card["buffers"].values():
        assert set(buffer) == BUFFER_KEYS
        assert list(buffer["latency_ms"]) == ["p50", "p90", "p95", "p99", "p99_9", "max", "n"]
        assert list(buffer["stages_ms"]) == ["gateway", "buffer", "cold_start", "work", "write"]
        for stage in buffer["stages_ms"].values():
            assert list(stage) == ["p50", "p90", "p99", "n"]


def test_too_few_samples_give_null_and_never_a_figure(sample_findings: "Findings") -> None:
    card = scorecard(sample_findings)["buffers"]
    assert card["sns"]["latency_ms"]["p99"] is not None
    assert card["sns"]["latency_ms"]["p99_9"] is None
    assert card["kinesis"]["stages_ms"]["cold_start"] == {"p50": None, "p90": None, "p99": None, "n": 18}


def test_what_stood_in_for_aws_is_named_and_what_aws_would_be_given_is_not(sample_findings: "Findings") -> None:
    named = scorecard(sample_findings)["run"]["simulated"]
    assert named == {
        "account_concurrency": 40,
        "rekognition_rate": 50.0,
        "rekognition_median_ms": 300.0,
        "rekognition_model": "local-efficientnet-lite0",
    }
    aws = replace(sample_findings, run=replace(sample_findings.run, target="aws"))
    assert scorecard(aws)["run"]["simulated"] is None


def test_the_details_are_json_and_hold_every_interval(sample_findings: "Findings") -> None:
    held = json.loads(to_json(details(sample_findings)))
    p99 = held["buffers"]["sns"]["time_to_result_ms"]["p99"]
    assert p99["low"] < p99["value"] < p99["high"]
    assert held["buffers"]["kinesis"]["account"]["accepted_unanswered"] == 2
    assert held["scorecard"]["buffers"]["sqs"]["dead_lettered"] == 3
