"""docs/simulator.md tells every key, its default, and a scenario that runs."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from simulator.scenario import Downstream, Function, MappingSettings, Scenario
from simulator.scenario_document import document
from simulator.scenario_file import SCENARIOS, read

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
TOLD_IN_TABLES_OF_THEIR_OWN = {"mapping", "function", "downstream"}


def rows() -> dict[str, str]:
    """Each key of the tables with its default, as written."""
    found = {}
    for keys, defaults in re.findall(r"^\| (`[a-z_`, ]+`) \| (.+?) \|", PAGE, re.MULTILINE):
        names = re.findall(r"`(\w+)`", keys)
        # A default that holds a comma of its own stands in backticks.
        values = re.findall(r"`[^`]*`|[^,`]+", defaults) if len(names) > 1 else [defaults]
        values = [value.strip(" `") for value in values if value.strip(" ,")]
        found |= dict(zip(names, values, strict=True))
    return found


def test_every_key_stands_in_a_table():
    keys = {entry.name for kind in (Scenario, MappingSettings, Function, Downstream) for entry in fields(kind)}

    assert set(rows()) == keys - TOLD_IN_TABLES_OF_THEIR_OWN


@pytest.mark.parametrize("kind", [MappingSettings, Function, Downstream])
def test_a_default_is_the_one_in_force(kind):
    told = rows()
    for entry in fields(kind):
        value = getattr(kind(), entry.name)
        written = yaml.safe_load(told[entry.name])
        if isinstance(written, dict):
            value = document(Scenario())["function"][entry.name]
        assert written == value, entry.name


def test_the_scenario_of_the_page_can_be_read(tmp_path):
    path = tmp_path / "spike.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")

    assert read(path).downstream == Downstream(50.0, None)


def test_every_scenario_of_ours_is_named():
    for path in SCENARIOS.glob("*.yaml"):
        assert f"`{path.stem}`" in PAGE
