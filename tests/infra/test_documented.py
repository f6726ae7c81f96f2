"""What README and docs say of infra.yaml's parameters and outputs, held to infra.yaml."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.template import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# `-p Name=`, `--parameter Name=`, a further one of --parameter-overrides, or `Name=false` in a text.
_GIVEN = re.compile(r"(?:-p|--parameter) '?([A-Z]\w+)=|(?<=[ `])([A-Z][a-z]\w+)=(?:true|false|\d+|YOUR-BUCKET)\b")
_ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (\S+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def parameters() -> Mapping[str, Any]:
    found: Mapping[str, Any] = load(ROOT / "infra.yaml").document["Parameters"]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_gives_a_parameter_that_there_is_not(page: Path, parameters: Mapping[str, Any]) -> None:
    given = {"".join(names) for names in _GIVEN.findall(page.read_text("utf-8"))}
    assert given <= set(parameters)


def test_the_table_of_parameters_has_their_defaults(parameters: Mapping[str, Any]) -> None:
    rows = _ROW.findall((ROOT / "docs" / "deployment.md").read_text("utf-8"))
    assert len(rows) > 5
    for names, default in rows:
        for name in re.findall(r"\w+", names):
            assert str(parameters[name]["Default"]) == default.replace("none", ""), name
