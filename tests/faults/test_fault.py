"""What a plan of faults may say, and which of its faults strikes a call."""

import pytest

from local.faults.fault import Edge, Effect, Fault, PlanError, read_faults
from local.faults.injector import Injector

ANSWER = {"edge": "rekognition", "effect": "answer"}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "a plan is an object"),
        ({"faults": {}}, "a plan is an object"),
        ({"faults": ["kill"]}, r"faults\[0\]: it is no object"),
        ({"faults": [{**ANSWER, "wait": 1}]}, "it has wait; a fault has"),
        ({"faults": [{"edge": "mars", "effect": "answer"}]}, "edge is 'mars'; there are rekognition"),
        (
            {"faults": [ANSWER, {"edge": "sqs", "effect": "kill"}]},
            r"faults\[1\]: kill is nothing that can happen at sqs",
        ),
        ({"faults": [{"edge": "function", "effect": "answer"}]}, "answer is nothing that can happen at function"),
        ({"faults": [{**ANSWER, "from": "now"}]}, "from is 'now', which is no number"),
        ({"faults": [{**ANSWER, "until": True}]}, "until is True, which is no number"),
        ({"faults": [{**ANSWER, "requests": []}]}, "requests is no object of runs"),
        ({"faults": [{**ANSWER, "requests": {"r": [1]}}]}, "requests of r is no object"),
        ({"faults": [{**ANSWER, "requests": {"r": {"x": 1}}}]}, "'x': 1 is no number with its tries"),
        ({"faults": [{**ANSWER, "requests": {"r": {"1": 0}}}]}, "'1': 0 is no number with its tries"),
        ({"faults": [{**ANSWER, "requests": {"r": {"1": True}}}]}, "'1': True is no number with its tries"),
    ],
)
def test_what_is_no_plan_is_refused_with_its_place(document: object, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        read_faults(document)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def injector(clock: Clock, *faults: dict[str, object]) -> Injector:
    made = Injector(clock)
    made.put(read_faults({"faults": list(faults)}))
    return made


def tries(made: Injector, *requests: tuple[str, int], times: int = 5) -> list[bool]:
    return [made.find(Edge.REKOGNITION, lambda: requests) is not None for _ in range(times)]


def test_a_request_is_struck_for_as_many_tries_as_the_plan_says() -> None:
    made = injector(Clock(), {**ANSWER, "requests": {"run": {"3": 2, "4": None}}})
    assert tries(made, ("run", 3)) == [True, True, False, False, False]
    assert tries(made, ("run", 4)) == [True] * 5
    assert tries(made, ("run", 5)) == tries(made, ("another", 3)) == [False] * 5


def test_every_request_of_a_batch_that_is_struck_has_used_up_a_try() -> None:
    made = injector(Clock(), {**ANSWER, "requests": {"run": {"1": 1, "2": 1}}})
    assert tries(made, ("run", 1), ("run", 2), ("run", 9), times=2) == [True, False]


def test_a_fault_without_requests_strikes_all_that_comes_in_its_time_and_asks_for_no_request() -> None:
    clock = Clock()
    made = injector(clock, {**ANSWER, "from": 101.0, "until": 103.0})

    def not_asked() -> list[tuple[str, int]]:
        raise AssertionError("what the call carries does not matter here")

    struck = []
    for clock.now in (100.9, 101.0, 102.9, 103.0):
        struck.append(made.find(Edge.REKOGNITION, not_asked) is not None)
    assert struck == [False, True, True, False]
    clock.now = 102.0
    assert made.find(Edge.DYNAMODB, not_asked) is None


def test_a_plan_takes_the_place_of_the_one_before_and_tells_what_it_did() -> None:
    clock = Clock()
    made = injector(clock, ANSWER)
    fault = made.find(Edge.REKOGNITION, list)
    assert fault is not None
    assert (fault.effect, fault.status, fault.code) == (Effect.ANSWER, 500, "InternalServerError")
    made.strike(fault)
    clock.now = 105.0
    made.strike(fault)
    assert made.told() == [
        {"edge": "rekognition", "effect": "answer", "struck": 2, "first_at": 100.0, "last_at": 105.0}
    ]
    made.put([])
    assert made.find(Edge.REKOGNITION, list) is None
    assert made.told() == []


def test_a_fault_is_read_whole() -> None:
    (fault,) = read_faults(
        {"faults": [{"edge": "function", "effect": "kill", "after_ms": 80, "requests": {"run": {"7": None}}}]}
    )
    assert fault == Fault(Edge.FUNCTION, Effect.KILL, after_ms=80, left={("run", 7): None})
