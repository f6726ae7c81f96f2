"""The answer in words: for an architect, at a terminal."""

import textwrap
from typing import Final

from pipeline.prices import AS_OF, REGION
from simulator.planner import ceilings, chart, template, unmet
from simulator.planner.candidate import BUFFER_NAMES
from simulator.planner.chart import rate, seconds, usd
from simulator.planner.crossover import breaks_between
from simulator.planner.plan import Plan
from simulator.planner.question import Question
from simulator.planner.search import Search, Tried
from simulator.scenario import BUFFERS

_WIDTH: Final = 100
_STRONGEST: Final = 6
HEAD: Final = "Simulated, by AWS's documented rules: nothing ran, and nothing was measured."


def answer(plan: Plan) -> str:
    """The whole answer. The first line says that it is simulated."""
    question = plan.search.question
    parts = [HEAD, asked(question)]
    chosen = plan.search.chosen
    if chosen is None:
        parts.append(_unmet(plan.search))
        if plan.relieved is not None:
            parts.append(_relieved(plan.relieved))
    else:
        parts += [_choice(plan.search, chosen), _why(plan.search, chosen), _next(plan, chosen), _hangs_on(plan, chosen)]
        parts.append(_paste(question, chosen))
    parts += [_pruned(plan.search), _unknown()]
    return "\n\n".join(part for part in parts if part)


def asked(question: Question) -> str:
    """The question, so that the answer stands on its own."""
    latency = question.latency
    behind = (
        "no limit behind the function"
        if question.downstream_per_s is None
        else f"a downstream of {question.downstream_per_s:,.4g}/s"
    )
    order = ", in the order of each key" if question.ordered else ""
    budget = "" if question.budget_usd is None else f", for {usd(question.budget_usd)} a month at the most"
    return _filled(
        f"Asked: {rate(question.spike_per_s)} for {seconds(question.spike_s)} on top of "
        f"{question.baseline_per_s:,.4g}/s, {behind}, {latency.name} <= {seconds(latency.within_s)}{order}{budget}; "
        f"{_lost(question)}."
    )


def _lost(question: Question) -> str:
    at_most = question.lost.at_most
    return f"at the most {at_most:.3g} of what was accepted may be lost" if at_most else "nothing accepted may be lost"


def _choice(search: Search, chosen: Tried) -> str:
    question, outcome = search.question, chosen.outcome
    bill = outcome.bill
    assert bill is not None, "every candidate of a search is priced"
    refused = f"{outcome.rejected:.2%} are refused" if outcome.rejected else "none is refused"
    lost = f"{outcome.lost:.2%} are lost" if outcome.lost else "none is lost"
    worked_off = (
        "" if outcome.worked_off_s is None else f" The last of the spike is done {_after(outcome.worked_off_s)}."
    )
    downstream = (
        f", beside what the downstream charges ({usd(bill.downstream_usd)} if it is Rekognition)"
        if bill.downstream_usd
        else ""
    )
    return "\n".join(
        [
            f"Choose {BUFFER_NAMES[chosen.candidate.buffer]}: {chosen.candidate.settings}.",
            _filled(
                f"{question.latency.name} is {seconds(outcome.latency_s)}, the median {seconds(outcome.p50_s)}; "
                f"{refused} and {lost}. The backlog grows to {outcome.backlog:,}, with {outcome.concurrency:,} "
                f"invocations at once.{worked_off} {_how(chosen)}"
            ),
            _filled(
                f"It costs {usd(bill.usd)} a month, {usd(bill.usd_per_million)} for a million delivered: the "
                f"baseline and {question.spikes_per_month:g} spikes, by AWS's list prices in {REGION} as of "
                f"{AS_OF}{downstream}."
            ),
        ]
    )


def _how(tried: Tried) -> str:
    outcome = tried.outcome
    seeds = f"the worst of {tried.seeds} seeds" if tried.seeds > 1 else "one seed"
    if outcome.scale == 1:
        return f"({outcome.simulated:,} requests of the spike simulated, whole; {seeds}.)"
    return (
        f"({outcome.simulated:,} requests of the spike simulated, at 1/{outcome.scale:.3g} of every rate and capacity; "
        f"{seeds}.)"
    )


def _after(worked_off_s: float) -> str:
    return f"{seconds(worked_off_s)} after it ends" if worked_off_s > 0 else "as it ends"


def _why(search: Search, chosen: Tried) -> str:
    question = search.question
    meeting = [one for one in search.tried if one.outcome.meets]
    lowest = ceilings.of(question, chosen.candidate)[0]
    lines = [
        f"It is the cheapest of {len(meeting)} that meet the objective, of {len(search.tried)} that were simulated.",
    ]
    if question.downstream_per_s is not None:
        soonest = ceilings.soonest_s(question, question.downstream_per_s)
        lines.append(
            f"No buffer gets below {seconds(soonest)}: {question.latency.share:.4g} x {question.spike_requests:,.0f} "
            f"requests / {question.downstream_per_s:,.4g}/s - {question.spike_s:g} s."
            if soonest > 0
            else "The downstream keeps up with the spike."
        )
    lines.append(f"Its lowest ceiling is {rate(lowest.peak_per_s)} at the peak, {lowest.limit}: {lowest.because}.")
    lines += [
        _against(question, chosen, tried, runner_up=tried == search.runner_up)
        for tried in sorted(search.best_of_each, key=lambda tried: (tried != search.runner_up, tried.usd))
        if tried.candidate.buffer != chosen.candidate.buffer
    ]
    return "Why\n" + "\n".join(_item(line) for line in lines)


def _against(question: Question, chosen: Tried, other: Tried, *, runner_up: bool) -> str:
    name = f"{'Runner-up, ' if runner_up else ''}{other.candidate}"
    outcome = other.outcome
    if not outcome.meets:
        missed = chart.in_words(", ".join(outcome.missed))
        return f"{name}: the nearest of its kind, and still {missed} ({unmet.reached(question, other)})."
    more = other.usd / chosen.usd - 1 if chosen.usd else 0.0
    price = f"{more:.0%} dearer" if more >= 0.01 else "as dear"
    reached = f"{question.latency.name} of {seconds(outcome.latency_s)}"
    return f"{name}: would do, {price} at {usd(other.usd)} a month, with a {reached}."


def _next(plan: Plan, chosen: Tried) -> str:
    question = plan.search.question
    edge = breaks_between(plan.cells, chosen.candidate, question.spike_per_s)
    if edge is None:
        said = "These settings hold for all sizes up to ten times the spike."
    else:
        holds, breaks = edge
        cell = next(c for c in plan.cells if c.candidate == chosen.candidate and c.spike_per_s == breaks)
        lowest = min(ceilings.of(question, chosen.candidate), key=lambda ceiling: ceiling.peak_per_s)
        spike = max(0.0, lowest.peak_per_s - question.baseline_per_s)
        limit = f". Arithmetic says no later than {rate(spike)}, for {lowest.limit}"
        said = f"These settings hold up to {rate(holds)}; at {rate(breaks)}: {chart.in_words(cell.because)}{limit}."
    legend = f"{question.latency.name} where the objectives hold (* the cheapest), else what breaks; settings as above."
    return "\n".join(
        ["What breaks next", _item(said), "", textwrap.indent(chart.table(question, plan.cells), "  "), f"  {legend}"]
    )


def _hangs_on(plan: Plan, chosen: Tried) -> str:
    name, usual = plan.search.question.latency.name, seconds(chosen.outcome.latency_s)
    lines = []
    for influence in plan.influences[:_STRONGEST]:
        small, large = (
            seconds(outcome.latency_s) + ("" if outcome.meets else f" ({chart.in_words(', '.join(outcome.missed))})")
            for outcome in (influence.smaller, influence.larger)
        )
        told = "" if influence.published else " (AWS does not publish it)"
        lines.append(f"{influence.name}{told}: {small} at {-influence.share:+.0%}, {large} at {influence.share:+.0%}")
    return f"What the answer hangs on most ({name}, now {usual})\n" + "\n".join(_item(line) for line in lines)


def _paste(question: Question, chosen: Tried) -> str:
    found = template.parameters(question, chosen.candidate)
    beyond = [_item(need) for need in template.beyond(question, chosen.candidate)]
    return "\n".join(
        [
            "To paste: parameters of infra.yaml",
            f"  {template.as_command(found)}",
            "",
            textwrap.indent(template.as_yaml(found), "  "),
            *beyond,
        ]
    )


def _unmet(search: Search) -> str:
    question = search.question
    head = f"Nothing meets {question.latency.name} <= {seconds(question.latency.within_s)} for this spike."
    bounds = "\n".join(_item(bound) for bound in unmet.bounds(search))
    remedies = "\n".join(_item(remedy) for remedy in unmet.remedies(search))
    change = f"\n\nWhat would have to change, one of these at the least\n{remedies}" if remedies else ""
    return f"{head}\n\nWhat bounds it\n{bounds}{change}"


def _relieved(search: Search) -> str:
    question, chosen = search.question, search.chosen
    assert question.downstream_per_s is not None, "it is the downstream that was raised"
    head = f"With a downstream of {rate(question.downstream_per_s)} (simulated)"
    if chosen is None:
        return f"{head}: not even then. {_unmet(search)}"
    reached = f"{question.latency.name} {seconds(chosen.outcome.latency_s)}"
    said = (
        f"{chosen.candidate}: {reached}, {usd(chosen.usd)} a month beside what the downstream charges. Ask again with "
        "that --downstream for the whole answer."
    )
    return f"{head}\n{_item(said)}"


def _pruned(search: Search) -> str:
    if not search.pruned:
        return ""
    lines = [
        f"{BUFFER_NAMES[pruned.buffer]}, {pruned.count}: {pruned.reason}"
        for pruned in sorted(search.pruned, key=lambda pruned: BUFFERS.index(pruned.buffer))
    ]
    return "Not simulated, by arithmetic\n" + "\n".join(_item(line) for line in lines)


def _unknown() -> str:
    return "What nobody outside AWS knows\n" + "\n".join(
        _item(line)
        for line in (
            "latency without load: fitted to one measurement by a third party of 2022, not AWS's word",
            "back-off and jitter of retries, and how fast pollers give way: assumed; varied above where they matter",
            "how soon a Kinesis stream on demand grows past twice its 30-day peak (within 15 min): not offered here",
        )
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH)


def _item(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
