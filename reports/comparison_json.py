"""A comparison for a machine: comparison.json, whose keys docs/reading-the-report.md has."""

import json
from typing import TYPE_CHECKING, Any

from reports.comparison_evidence import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.comparison import Compared, Comparison, Side


def to_json(comparison: "Comparison") -> dict[str, Any]:
    """The comparison for a machine; docs/reading-the-report.md has its keys."""
    return {
        "format": 1,
        "comparable": True,
        "because": [],
        "worse": comparison.worse,
        "a": _side_json(comparison.a),
        "b": _side_json(comparison.b),
        "method": {
            "noise": comparison.method,
            "confidence": CONFIDENCE,
            "correction": "holm",
            "tested": comparison.tested,
            "margin": comparison.margin,
        },
        "figures": [_figure_json(one) for one in comparison.figures],
        "settings": [{"name": name, "a": a, "b": b} for name, a, b in comparison.settings],
        "only": list(comparison.only),
    }


def refused(error: Exception) -> dict[str, Any]:
    """The same where no comparison could be made."""
    return {"format": 1, "comparable": False, "because": [str(error)], "worse": None}


def _side_json(one: "Side") -> dict[str, Any]:
    run = one.runs[0].run
    return {
        "name": one.name,
        "runs": list(one.ids),
        "left_out": list(one.left_out),
        "target": run.target,
        "workload": run.workload_name,
        "seed": run.seed,
    }


def _figure_json(one: "Compared") -> dict[str, Any]:
    evidence = one.evidence
    return {
        "buffer": one.way,
        "figure": one.figure.path,
        "unit": one.figure.unit,
        "a": list(one.a),
        "b": list(one.b),
        "change": None if evidence is None else evidence.change,
        "change_low": None if evidence is None else evidence.low,
        "change_high": None if evidence is None else evidence.high,
        "relative": None if evidence is None else evidence.relative,
        "p": None if evidence is None else evidence.p,
        "p_adjusted": one.p,
        "block_s": None if evidence is None else evidence.block_s,
        "verdict": one.verdict,
        "why": one.why,
    }


def as_text(document: "Mapping[str, Any]") -> str:
    """A comparison's document as it stands in a file."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
