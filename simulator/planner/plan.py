"""The whole answer to a question: what to choose, what breaks next, and what the answer hangs on."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

from simulator.planner import ceilings
from simulator.planner.crew import Crew
from simulator.planner.crossover import FACTORS, Cell, crossover
from simulator.planner.grid import candidates
from simulator.planner.idle import IDLE_P99_S, SOURCE
from simulator.planner.question import Question
from simulator.planner.search import Search, search
from simulator.planner.sensitivity import Influence, runs, sensitivity
from simulator.scenario import BUFFERS

# A percentile of fewer requests than have ten beyond it says more about one of them than about the system.
_BEYOND: Final = 10
# How far above the least that could do, by arithmetic, the downstream is set to see what would do.
_RELIEF: Final = 1.2

# A part of the work: its name, and how many runs it takes; gives what to call after each.
Stage = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


class RefusedError(ValueError):
    """A question that nobody outside AWS can answer, or that makes no sense; the text says why, and what to ask."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. `cells` and `influences` are empty where nothing meets the objectives.

    `relieved` is then the search with a downstream large enough by arithmetic, if that is what bounds it.
    """

    search: Search
    cells: tuple[Cell, ...] = ()
    influences: tuple[Influence, ...] = ()
    relieved: Search | None = None


def plan(question: Question, crew: Crew, stage: Stage) -> Plan:
    """Answer a question.

    Raises:
        RefusedError: it cannot be answered.
        CrewError: a process that ran trials died.
    """
    refuse(question)
    count = len(candidates(question)[0])
    with stage(f"Trying {count} candidates", count) as advance:
        found = search(question, crew, advance)
    chosen = found.chosen
    if chosen is None:
        relief = relieved(question)
        if relief is None:
            return Plan(found)
        with stage("With a larger downstream", len(candidates(relief)[0])) as advance:
            return Plan(found, relieved=search(relief, crew, advance))
    others = [one.candidate for one in found.best_of_each if one.candidate != chosen.candidate]
    each = [chosen.candidate, *(other for other in others if other.buffer != chosen.candidate.buffer)]
    with stage("Smaller and larger spikes", len(each) * len(FACTORS)) as advance:
        cells = crossover(question, each, crew, advance)
    with stage("What it hangs on", runs(question, chosen.candidate)) as advance:
        influences = sensitivity(question, chosen.candidate, chosen.outcome, crew, advance)
    return Plan(found, tuple(cells), tuple(influences))


def refuse(question: Question) -> None:
    """Turn away what has no answer.

    Raises:
        RefusedError: so it is.
    """
    within_s, own_s = question.latency.within_s, question.per_record.mean_s
    least = min(BUFFERS, key=lambda buffer: IDLE_P99_S[buffer])
    if IDLE_P99_S[least] + own_s > within_s:
        raise RefusedError(
            f"{question.latency.name} <= {within_s:g} s cannot be answered for. AWS publishes no latency for any "
            f"buffer; what was measured once, idle, is a p99 of {IDLE_P99_S[least]:g} s at the best ({SOURCE}), and "
            f"the function itself takes {own_s:.3g} s. Ask for more than {IDLE_P99_S[least] + own_s:.3g} s, lower "
            "--per-record, or measure on your own account: forebay deploy, then locust -f loadtest/ --stack NAME."
        )
    # Rounded first: 1 - 0.999 is a little over a thousandth in binary.
    needed = math.ceil(round(_BEYOND / (1 - question.latency.share), 6))
    if question.spike_requests < needed:
        raise RefusedError(
            f"a spike of {question.spike_requests:,.0f} requests has no {question.latency.name} worth the name: it "
            f"takes {needed:,} to have {_BEYOND} beyond it. Ask for a lower percentile, or a longer spike."
        )
    if own_s > question.timeout_s:
        raise RefusedError(
            f"the function needs {own_s:.3g} s a record and is stopped after {question.timeout_s:g} s; raise --timeout"
        )


def relieved(question: Question) -> Question | None:
    """The question with a downstream that could do by arithmetic; None if the downstream is not what bounds it."""
    rate = question.downstream_per_s
    if rate is None:
        return None
    needed = ceilings.downstream_needed(question)
    if rate > needed:
        return None
    wanted = _RELIEF * needed
    step = 10 ** (math.floor(math.log10(wanted)) - 1)
    return replace(question, downstream_per_s=math.ceil(wanted / step) * step)
