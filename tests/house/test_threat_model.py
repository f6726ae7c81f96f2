"""docs/security.md names the tests that hold each of its lines; they have to be there."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
THREATS = [row for row in ROWS if len(row) == 4 and row[0].strip() != "who"]


def test_there_are_threats() -> None:
    assert len(THREATS) > 15


@pytest.mark.parametrize("row", THREATS, ids=lambda row: f"{row[0].strip()}: {row[1].strip()}"[:60])
def test_what_stops_a_threat_is_held_by_tests_that_there_are(row: list[str]) -> None:
    _who, _wants, _stops, tests = row
    named = NAMED.findall(tests)

    assert ", ".join(f"`{path}::{name}`" for path, name in named) == tests.strip(), "nothing but tests"
    for path, name in named:
        assert name in functions_of(ROOT / path), f"{path} has no {name}"


def test_each_check_that_is_passed_over_is_explained() -> None:
    passed_over = yaml.safe_load((ROOT / ".checkov.yaml").read_text())["skip-check"]
    explained = [name for row in ROWS if len(row) == 3 for name in re.findall(r"CKV_AWS_\d+", row[0])]

    assert explained == passed_over


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
