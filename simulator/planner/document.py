"""The answer as JSON, whole: the question, every candidate tried or not, the crossover and the sensitivity."""

import json
import math
from dataclasses import asdict, is_dataclass
from typing import Any

from pipeline.prices import AS_OF, REGION
from simulator.planner import ceilings, template, unmet
from simulator.planner.crossover import Cell
from simulator.planner.plan import Plan
from simulator.planner.search import Search, Tried
from simulator.planner.trial import Outcome


def to_json(plan: Plan) -> str:
    """The document as a text. The same plan, the same bytes. What is infinite, such as a request's end, is null."""
    return json.dumps(document(plan), indent=2, allow_nan=False) + "\n"


def document(plan: Plan) -> dict[str, Any]:
    """The document."""
    question = plan.search.question
    chosen = plan.search.chosen
    return {
        "target": "simulated",
        "question": _plain(question),
        "prices": {"region": REGION, "as_of": AS_OF, "currency": "USD"},
        **_search(plan.search),
        "parameters": None if chosen is None else template.parameters(question, chosen.candidate),
        "bounds": [] if chosen is not None else unmet.bounds(plan.search),
        "remedies": [] if chosen is not None else unmet.remedies(plan.search),
        "crossover": [_cell(cell) for cell in plan.cells],
        "sensitivity": [
            {
                "input": influence.name,
                "share": influence.share,
                "published": influence.published,
                "smaller": _outcome(influence.smaller),
                "larger": _outcome(influence.larger),
            }
            for influence in plan.influences
        ],
        "relieved": None
        if plan.relieved is None
        else {"downstream_per_s": plan.relieved.question.downstream_per_s, **_search(plan.relieved)},
    }


def _search(search: Search) -> dict[str, Any]:
    return {
        "chosen": _tried(search, search.chosen),
        "runner_up": _tried(search, search.runner_up),
        "tried": [_tried(search, tried) for tried in search.tried],
        "pruned": [_plain(pruned) for pruned in search.pruned],
    }


def _tried(search: Search, tried: Tried | None) -> dict[str, Any] | None:
    if tried is None:
        return None
    lowest = ceilings.of(search.question, tried.candidate)[0]
    return {
        "settings": str(tried.candidate),
        "candidate": _plain(tried.candidate),
        "seeds": tried.seeds,
        "outcome": _outcome(tried.outcome),
        "ceiling": _plain(lowest),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "buffer": cell.candidate.buffer,
        "settings": cell.candidate.settings,
        "spike_per_s": cell.spike_per_s,
        "holds": cell.holds,
        "because": cell.because,
        "outcome": None if cell.outcome is None else _outcome(cell.outcome),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    bill = outcome.bill
    return {
        **{name: value for name, value in _plain(outcome).items() if name != "bill"},
        "meets": outcome.meets,
        "month": None
        if bill is None
        else {
            "usd": bill.usd,
            "usd_per_million": _plain(bill.usd_per_million),
            "delivered": bill.delivered,
            "downstream_usd": bill.downstream_usd,
            "lines": [
                {"item": line.item, "price": line.price, "quantity": line.quantity, "usd": line.usd}
                for line in bill.lines
            ],
        },
    }


def _plain(value: Any) -> Any:
    """Only what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
