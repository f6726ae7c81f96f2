"""What is chosen of what was tried: outcomes made by hand, no simulation."""

from dataclasses import replace

import pytest

from simulator.planner.candidate import Candidate
from simulator.planner.crew import Crew
from simulator.planner.crossover import FACTORS, breaks_between, cheapest_at, crossover
from simulator.planner.search import Search, Tried, search
from simulator.planner.sensitivity import runs, sensitivity
from simulator.scenario import MappingSettings

SMALL = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=20))
LARGE = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=40))
PUSH = Candidate("sns", MappingSettings(), 100)


def found(question, *tried):
    return Search(question, tuple(tried), ())


@pytest.mark.parametrize(
    ("why", "small", "large", "chosen"),
    [
        ("the cheaper", {"usd": 90.0, "latency_s": 50.0}, {"usd": 100.0, "latency_s": 5.0}, SMALL),
        ("at the same price the sooner", {"usd": 99.0, "latency_s": 50.0}, {"usd": 100.0, "latency_s": 5.0}, LARGE),
        ("not the one that misses", {"usd": 1.0, "missed": ("late",)}, {"usd": 100.0}, LARGE),
        ("none if all miss", {"missed": ("late",)}, {"missed": ("lost",)}, None),
    ],
)
def test_the_cheapest_that_meets_the_objective_is_chosen(question, outcome, why, small, large, chosen):
    one = found(question(), Tried(SMALL, outcome(**small), 3), Tried(LARGE, outcome(**large), 3)).chosen
    assert (one and one.candidate) == chosen


def test_the_runner_up_is_of_another_buffer(question, outcome):
    of_three = found(
        question(),
        Tried(SMALL, outcome(usd=10.0), 3),
        Tried(LARGE, outcome(usd=20.0), 3),
        Tried(PUSH, outcome(usd=30.0), 3),
    )
    assert of_three.runner_up.candidate == PUSH


def test_of_what_is_only_too_dear_the_cheapest_is_nearest(question, outcome):
    both = found(
        question(budget_usd=5.0),
        Tried(SMALL, outcome(usd=10.0, latency_s=50.0, missed=("budget",)), 1),
        Tried(LARGE, outcome(usd=20.0, latency_s=5.0, missed=("budget",)), 1),
    )
    assert both.best_of("sqs").candidate == SMALL


def test_a_candidate_that_fails_with_another_seed_is_not_chosen(question, outcome):
    asked = question()
    lucky = {}

    def work(trial):
        # The cheapest of each buffer holds with the first seed alone.
        if trial.candidate.buffer != "sqs":
            return outcome(latency_s=90.0, missed=("late",))
        concurrency = trial.candidate.mapping.maximum_concurrency or 2_000
        lucky.setdefault(trial.candidate, []).append(trial.seed)
        late = concurrency < 30 and trial.seed != asked.seed
        return outcome(latency_s=61.0 if late else 50.0, usd=float(concurrency), missed=("late",) if late else ())

    chosen = search(asked, Crew(None, work)).chosen
    assert chosen.candidate.mapping.maximum_concurrency >= 30
    assert chosen.seeds == 3
    assert max(len(seeds) for seeds in lucky.values()) == 3


def test_the_crossover_asks_arithmetic_before_it_simulates(question, outcome):
    asked = question()
    simulated = []

    def work(trial):
        simulated.append(trial.question.spike_per_s)
        late = trial.question.spike_per_s > 1_500
        return outcome(usd=50.0, missed=("late",) if late else ())

    # 20 x 50/s x 120 s / 59.4 s = 2,020/s at the peak, and hence 1,920/s of spike, less what the pollers' growth costs.
    cells = crossover(asked, [SMALL], Crew(None, work))
    assert max(simulated) <= 1_920
    assert {cell.because for cell in cells if cell.spike_per_s > 2_000} == {"pollers' growth"}
    assert all(cell.outcome is None for cell in cells if cell.spike_per_s > 2_000)
    low, high = breaks_between(cells, SMALL, asked.spike_per_s)
    assert low <= 1_500 < high
    # Between two sizes of the table it looks more closely.
    assert high / low < FACTORS[1] / FACTORS[0]
    assert cheapest_at(cells, 1_000.0).candidate == SMALL
    assert cheapest_at(cells, 10_000.0) is None


def test_what_tips_the_answer_over_comes_first_then_what_moves_it_most(question, outcome):
    asked = question(downstream_per_s=2_000.0)

    def work(trial):
        if trial.question.downstream_per_s < asked.downstream_per_s:
            return outcome(latency_s=61.0, missed=("late",))
        return outcome(latency_s=30.0 * trial.question.spike_s / asked.spike_s)

    influences = sensitivity(asked, SMALL, outcome(latency_s=30.0), Crew(None, work))
    assert [influence.name for influence in influences[:2]] == ["the downstream's rate", "how long the spike lasts"]
    assert influences[1].smaller.latency_s == pytest.approx(24.0)
    assert influences[1].larger.latency_s == pytest.approx(36.0)


def test_what_aws_does_not_publish_is_varied_for_the_chosen_buffer_only(question, outcome):
    asked = question()
    seen = []

    def work(trial):
        seen.append(trial)
        return outcome()

    unpublished = {one.name for one in sensitivity(asked, PUSH, outcome(), Crew(None, work)) if not one.published}
    assert "async_throttle_jitter" in unpublished
    assert not any(name.startswith(("sqs_", "kinesis_")) for name in unpublished)
    assert len(seen) == runs(asked, PUSH)
    assert replace(asked, quotas={"async_throttle_jitter": 0.25}) in [trial.question for trial in seen]
