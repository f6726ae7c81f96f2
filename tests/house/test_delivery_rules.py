"""docs/delivery-rules.md says of every rule where it is from and what holds it; this holds the page to the code."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from delivery.quotas import Quotas

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "delivery-rules.md"
NOT_MODELLED = "## Not modelled"
# Who may read a quota: all that is not a test, and not the table itself.
ROOMS = ("delivery", "local", "simulator")

TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
NAME = re.compile(r"`([a-z0-9_]+)`")


@dataclass(frozen=True)
class Row:
    """One rule of the page."""

    rule: str
    numbers: tuple[str, ...]
    source: str
    tests: tuple[tuple[str, str], ...]


def lines() -> list[str]:
    return PAGE.read_text(encoding="utf-8").splitlines()


def rows() -> Iterator[Row]:
    for line in takewhile(lambda line: line != NOT_MODELLED, lines()):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] == "rule" or set(line) <= set("|-"):
            continue
        assert len(cells) == 4, f"a row has four cells, and no | in them: {line}"
        rule, numbers, source, tests = cells
        yield Row(rule, tuple(NAME.findall(numbers)), source, tuple(TEST.findall(tests)))


ROWS = list(rows())


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file, parametrised ones by their bare name, state machines by that of their test case."""
    found = set()
    for node in ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(name.id for name in node.targets if isinstance(name, ast.Name) and name.id.startswith("Test"))
    return frozenset(found)


def quotas_read() -> set[str]:
    """Every attribute that the code reads of anything, by name."""
    read = set()
    for room in ROOMS:
        for module in (ROOT / room).rglob("*.py"):
            if module != ROOT / "delivery" / "quotas.py":
                tree = ast.parse(module.read_text(encoding="utf-8"))
                read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return read


def test_the_page_has_rules_for_every_service() -> None:
    assert len(ROWS) > 80
    headings = [line for line in lines() if line.startswith("## ")]
    for service in ("API Gateway", "Kinesis", "SQS", "SNS", "Lambda", "Rekognition"):
        assert any(service in heading for heading in headings), service
    assert NOT_MODELLED in headings


def test_every_test_that_the_page_names_is_there() -> None:
    for path, name in TEST.findall(PAGE.read_text(encoding="utf-8")):
        assert (ROOT / "tests" / path).is_file(), f"the page names {path}, which is not in tests/"
        assert name in names_in(path), f"the page names {path}::{name}, which is not there"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule[:40])
def test_every_rule_has_a_test_and_a_source(row: Row) -> None:
    assert row.tests, "a rule without a test: write it, or list the rule under what is not modelled"
    assert row.source


@pytest.mark.parametrize("row", [row for row in ROWS if row.numbers], ids=lambda row: row.rule[:40])
def test_a_rules_confidence_is_that_of_its_numbers(row: Row) -> None:
    table = Quotas.table()
    unknown = set(row.numbers) - set(table)
    assert not unknown, f"no such number in delivery/quotas.py: {sorted(unknown)}"
    said = set(re.findall(r"\b([HML])\b", row.source))
    assert {table[name].confidence for name in row.numbers} <= said


def test_every_number_belongs_to_a_rule() -> None:
    missing = set(Quotas.table()) - {name for row in ROWS for name in row.numbers}
    assert not missing, f"no rule of the page names {sorted(missing)}"


def test_every_number_is_read_by_some_code() -> None:
    unread = set(Quotas.table()) - quotas_read()
    assert not unread, f"nobody reads {sorted(unread)}: enforce them where they hold, or take them out of the table"


def test_what_is_not_modelled_says_why() -> None:
    below = lines()[lines().index(NOT_MODELLED) :]
    told = [line for line in below if line.startswith("|")][2:]
    assert len(told) > 15
    for line in told:
        what, why = (cell.strip() for cell in line.strip("|").split("|"))
        assert what
        assert len(why.split()) > 2, line
