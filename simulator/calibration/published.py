"""The published figures, as data: `published.yaml`, each group with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_FILE: Final = Path(__file__).parent / "published.yaml"

Quantiles = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one measurement: what was measured, how and by whom, and the quantiles of each row."""

    what: str
    conditions: str
    source: str
    rows: Mapping[str, Quantiles]


def groups() -> dict[str, Group]:
    """Every group by its name."""
    document: dict[str, dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        name: Group(what=entry["what"], conditions=entry["conditions"], source=entry["source"], rows=_rows(entry))
        for name, entry in document.items()
    }


def _rows(entry: Mapping[str, Any]) -> dict[str, Quantiles]:
    return dict(entry["rows"])
