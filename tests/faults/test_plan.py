"""Which requests a fault strikes: the same of the same seed, through each buffer."""

import pytest

from loadtest._faults._matrix import Cause, Tries
from loadtest._faults._plan import Plan, document, draw
from local.faults.fault import Edge, Effect, read_faults

RUNS = {"sns": "run.sns", "sqs": "run.sqs", "kinesis": "run.kinesis"}


def cause(requests: Tries | None = None, **more: object) -> Cause:
    return Cause(**{"edge": "rekognition", "effect": "answer", "requests": requests, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "requests", "struck"), [(0.001, 1_000, 1), (0.001, 60, 1), (0.05, 120, 6), (1.0, 7, 7)]
)
def test_a_rate_strikes_its_share_and_one_at_the_least(rate: float, requests: int, struck: int) -> None:
    plan = draw(cause("first"), rate, requests, "seed")
    assert len(plan.bad) == struck
    assert set(plan.bad) <= set(range(requests))
    assert set(plan.bad.values()) == {1}
    assert set(draw(cause("every"), rate, requests, "seed").bad.values()) == {None}


def test_the_same_seed_draws_the_same_plan_and_another_another() -> None:
    first, again, other = (draw(cause("random"), 0.1, 500, seed) for seed in ("1", "1", "2"))
    assert first == again != other


def test_at_random_each_try_is_struck_with_the_same_chance() -> None:
    plan = draw(cause("random"), 0.1, 20_000, "seed")
    once = sum(tries is not None and tries >= 1 for tries in plan.bad.values())
    twice = sum(tries is not None and tries >= 2 for tries in plan.bad.values())
    assert once == pytest.approx(2_000, rel=0.1)
    assert twice == pytest.approx(200, rel=0.3)


@pytest.mark.parametrize(("tries", "doomed"), [(3, 2), (2, 3), (1, 4), (None, None)])
def test_who_fails_at_every_try_of_a_buffer_is_doomed(tries: int | None, doomed: int | None) -> None:
    assert Plan({1: 1, 2: 2, 3: 3, 4: None}).doomed(tries) == doomed


def test_a_fault_of_a_time_strikes_nobody_in_particular_and_needs_no_plan() -> None:
    window = cause(from_s=2.0, for_s=8.0, status=503, code="ServiceUnavailable")
    assert draw(window, None, 100, "seed") == Plan({})
    (fault,) = read_faults({"faults": document(window, Plan({}), RUNS, 1_000.0, "seed")})
    assert (fault.edge, fault.effect, fault.status) == (Edge.REKOGNITION, Effect.ANSWER, 503)
    assert (fault.since, fault.until, fault.left) == (1_002.0, 1_010.0, None)


def test_a_buffer_s_own_api_is_an_edge_each() -> None:
    refused = document(cause(edge="api", for_s=1.0), Plan({}), {**RUNS, "kinesis-efo": "run.efo"}, 0.0, "seed")
    assert [fault["edge"] for fault in refused] == ["sns", "sqs", "kinesis"]


def test_each_buffer_s_requests_are_struck_alike_each_at_a_moment_of_its_own() -> None:
    kill = cause("first", edge="function", effect="kill", after_ms={"sqs": (20.0, 80.0)})
    plan = draw(kill, 0.05, 100, "seed")
    faults = read_faults({"faults": document(kill, plan, {"sqs": "run.sqs"}, 0.0, "seed")})
    assert [fault.left for fault in faults] == [{("run.sqs", number): 1} for number in plan.bad]
    moments = [fault.after_ms for fault in faults]
    assert all(20 <= moment <= 80 for moment in moments)
    assert len(set(moments)) > 1
    assert document(kill, plan, {"sqs": "run.sqs"}, 0.0, "seed") == document(
        kill, plan, {"sqs": "run.sqs"}, 9.0, "seed"
    )


@pytest.mark.parametrize("edge", ["code", "process"])
def test_what_the_runner_does_by_its_own_hand_is_not_in_the_plan(edge: str) -> None:
    assert document(cause(edge=edge, effect="deploy", from_s=6.0), Plan({}), RUNS, 0.0, "seed") == []
