"""Where nothing meets the objectives: what bounds it, and what would have to change."""

from simulator.planner import ceilings, chart
from simulator.planner.candidate import BUFFER_NAMES
from simulator.planner.chart import rate, seconds, usd
from simulator.planner.grid import everything
from simulator.planner.question import Question
from simulator.planner.search import Search, Tried
from simulator.scenario import BUFFERS

# Limits that are the same whatever the buffer.
_SHARED = ("downstream", "API Gateway")


def bounds(search: Search) -> list[str]:
    """What bounds it, a sentence each: first what holds for all buffers, then what each comes to."""
    question = search.question
    found = [*_downstream(question), *_api(question)]
    for buffer in BUFFERS:
        grid = [candidate for candidate in everything(question) if candidate.buffer == buffer]
        lowest = [ceilings.of(question, candidate)[0] for candidate in grid]
        highest = max(lowest, key=lambda ceiling: ceiling.peak_per_s, default=None)
        if highest is not None and highest.limit not in _SHARED and highest.peak_per_s < question.peak_per_s:
            found.append(
                f"{BUFFER_NAMES[buffer]}: {highest.limit}, at most {rate(highest.peak_per_s)} of "
                f"{rate(question.peak_per_s)} at the peak ({highest.because})."
            )
    for tried in search.best_of_each:
        missed = chart.in_words(", ".join(tried.outcome.missed))
        found.append(f"{tried.candidate}: the nearest of its kind, and still {missed} ({reached(question, tried)}).")
    return found


def remedies(search: Search) -> list[str]:
    """What would do, one of these at the least. By arithmetic, but for what a simulated candidate reaches."""
    question = search.question
    if _downstream(question):
        return _downstream_remedies(question)
    if _api(question):
        wanted = question.peak_per_s * question.latency.share
        return [
            f"the API takes {rate(wanted)} or more: AWS raises its quota on request (--quota api_requests_per_s=...)",
            "the clients write to the buffer themselves (--no-api)",
        ]
    found: list[str] = []
    only_dear = [tried for tried in search.tried if tried.outcome.missed == ("budget",)]
    if only_dear:
        cheapest = min(only_dear, key=lambda tried: tried.usd)
        found.append(f"the budget is {usd(cheapest.usd)} a month or more: {cheapest.candidate}")
    only_late = [tried for tried in search.tried if tried.outcome.missed == ("late",)]
    if only_late:
        soonest = min(only_late, key=lambda tried: tried.outcome.latency_s)
        objective = f"{question.latency.name} <= {seconds(soonest.outcome.latency_s)}"
        found.append(f"the objective is {objective} or more: {soonest.candidate}")
    return found


def reached(question: Question, tried: Tried) -> str:
    """What a candidate came to, in short."""
    outcome = tried.outcome
    refused = f", {outcome.rejected:.1%} refused" if outcome.rejected else ""
    lost = f", {outcome.lost:.1%} lost" if outcome.lost else ""
    price = f", {usd(tried.usd)} a month" if "budget" in outcome.missed else ""
    return f"{question.latency.name} {seconds(outcome.latency_s)}{refused}{lost}{price}"


def _downstream(question: Question) -> list[str]:
    """Why the downstream alone rules it out; nothing if it does not."""
    per_s, latency = question.downstream_per_s, question.latency
    if per_s is None or per_s > ceilings.downstream_needed(question):
        return []
    arriving = question.spike_requests
    must, found = latency.share * arriving, []
    soonest_s = ceilings.soonest_s(question, per_s)
    if soonest_s > latency.within_s:
        found.append(
            f"The downstream, whatever stands in front of it: {latency.share:.4g} x {arriving:,.0f} requests of the "
            f"spike are {must:,.0f}; at {per_s:,.4g}/s they take {must / per_s:,.0f} s, of which {question.spike_s:g} "
            f"s are the spike's own. No buffer has a {latency.name} below {seconds(soonest_s)}."
        )
    if per_s <= question.baseline_per_s:
        found.append(
            f"The baseline of {question.baseline_per_s:,.4g}/s takes all that the downstream has: no backlog is ever "
            "worked off."
        )
    return found


def _downstream_remedies(question: Question) -> list[str]:
    per_s, baseline_per_s = question.downstream_per_s, question.baseline_per_s
    assert per_s is not None, "asked only where there is one"
    more = f"the downstream does more than {rate(ceilings.downstream_needed(question))}, not {rate(per_s)}"
    if per_s <= baseline_per_s:
        return [f"{more}; that before anything else, for it must exceed the baseline of {baseline_per_s:,.4g}/s"]
    found = [
        more,
        f"the objective is {question.latency.name} <= {seconds(ceilings.soonest_s(question, per_s))} or more",
    ]
    spike_per_s = ceilings.peak_of(question, per_s, per_s) - baseline_per_s
    if spike_per_s > 0:
        found.append(f"the spike is {rate(spike_per_s)} or less")
    return found


def _api(question: Question) -> list[str]:
    """Why the API alone rules it out; nothing if it does not."""
    return [
        f"API Gateway, whatever stands behind it: {ceiling.because}, and {rate(question.peak_per_s)} come."
        for ceiling in ceilings.api(question)
        if ceiling.peak_per_s < question.peak_per_s
    ]
