"""Whoever goes on from the data finds each column and each key explained in docs/reading-the-report.md."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    KNOWN_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
)
from reports.scorecard import details, scorecard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.run import RunFolder
    from reports.findings import Findings

PAGE = Path(__file__).parents[2] / "docs" / "reading-the-report.md"
# Keys that are names given by a workload, a server or a setting, and not ours to explain.
NAMES_BELOW = {"buffers", "rejected", "simulated", "time_to_know", "doors", "usd", "images"}


@pytest.fixture(scope="module")
def explained() -> set[str]:
    """Every word that stands as code on the page."""
    code = re.sub(r"(?s)```.*?```", "", PAGE.read_text(encoding="utf-8"))
    return {word for text in re.findall(r"`([^`]+)`", code) for word in re.findall(r"\w+", text)}


def keys(document: Any, above: str = "") -> "Iterator[str]":
    if isinstance(document, dict):
        for key, value in document.items():
            if above not in NAMES_BELOW:
                yield key
            yield from keys(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from keys(value, above)


@pytest.mark.parametrize("table", ["joined", "observations", "knowledge"])
def test_every_column_of_a_parquet_table_is_explained(
    table: str, known_findings: "Findings", explained: set[str]
) -> None:
    columns = set(known_findings.rows.frame(f"SELECT * FROM {table} LIMIT 0").columns)
    assert len(columns) > 8
    assert columns - explained == set()


def test_every_column_of_the_raw_rows_is_explained(explained: set[str]) -> None:
    for columns in (REQUEST_COLUMNS, RESULT_COLUMNS, OBSERVATION_COLUMNS, DEAD_LETTER_COLUMNS, KNOWN_COLUMNS):
        assert set(columns) - explained == set()


def test_every_key_of_the_scorecard_is_explained(
    sample_findings: "Findings", known_findings: "Findings", explained: set[str]
) -> None:
    found = {*keys(scorecard(sample_findings)), *keys(scorecard(known_findings))}
    assert {"reordered", "per_million_accepted", "invalid_because"} <= found
    assert found - explained == set()


def test_every_key_of_the_details_is_explained(sample_findings: "Findings", explained: set[str]) -> None:
    found = set(keys(details(sample_findings)))
    assert {"closed_model", "low", "schedule_ms"} <= found
    assert found - explained == set()


def test_every_key_of_a_runs_own_description_is_explained(sample: "RunFolder", explained: set[str]) -> None:
    described = sample.described()
    assert set(described) - explained == set()
    assert {key for turn in described["buffers"] for key in turn} - explained == set()
    assert {key for image in described["images"].values() for key in image} - explained == set()
