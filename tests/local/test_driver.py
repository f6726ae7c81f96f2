"""The driver against a machine that is written down call by call."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest

from delivery.protocol import End, Error, Facts, Invocation, Offer, Ok, Outcome, Refusal, Slot
from local.driver import Driver
from local.event_source import outcome_of
from local.execution_environment import Answer, Ending


class Machine:
    """Gives what `to_start` holds at the next poll, and keeps what it is told."""

    def __init__(self) -> None:
        self.to_start: list[Invocation] = []
        self.facts = Facts()
        self.wakes: list[float] = []
        self.polls = 0
        self.settled: list[tuple[int, Outcome]] = []

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        raise AssertionError("a driver is told of what was taken; it offers nothing")

    def poll(self, now: float) -> list[Invocation]:
        self.polls += 1
        started, self.to_start = self.to_start, []
        return started

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        self.settled.append((invocation.number, outcome))

    def wake_at(self) -> float:
        return self.wakes.pop(0) if self.wakes else math.inf

    def pending(self) -> int:
        return len(self.to_start)

    def in_flight(self) -> int:
        return 0

    def running(self) -> int:
        return 0

    def oldest_age_s(self, now: float) -> float:
        return 1.5

    def drain(self) -> Facts:
        facts, self.facts = self.facts, Facts()
        return facts


class Source:
    """An event source whose parts can be made to fail."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.ended: list[Facts] = []

    def event(self, invocation: Invocation) -> bytes:
        self._fail("event")
        return b"{}"

    def request_id(self, invocation: Invocation) -> str:
        return f"request-{invocation.number}"

    def outcome(self, invocation: Invocation, answer: Answer) -> Outcome:
        self._fail("outcome")
        return outcome_of(answer)

    async def end(self, facts: Facts) -> None:
        self._fail("end")
        self.ended.append(facts)

    def _fail(self, part: str) -> None:
        if part == self.failing:
            raise KeyError("the record is gone")


class Function:
    """Stands in for a function: answers when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.calls: list[str] = []
        self.configuration = type("Configuration", (), {"name": "test"})

    async def invoke(self, slot: Slot, event: bytes, request_id: str) -> Answer:
        self.calls.append(request_id)
        await self.let.wait()
        return Answer(Ending.RETURNED, b"null", request_id)


def invocation(number: int) -> Invocation:
    return Invocation(number, [number], Slot(0, cold=False), start=0.0, deadline=3.0, lane=0, attempt=1)


def make(machine: Machine, source: Source, function: Function) -> Driver:
    stand_in: Any = function
    return Driver(machine, source, stand_in, lambda: 100.0)


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_offers_that_come_together_are_one_poll() -> None:
    machine, source, function = Machine(), Source(), Function()
    driver = make(machine, source, function)
    machine.to_start = [invocation(1), invocation(2)]
    for id_ in range(5):
        driver.offered(Offer([id_], 1))
    await turns()
    assert machine.polls == 1
    assert function.calls == ["request-1", "request-2"]
    assert driver.state()["accepted"] == 5
    await driver.close()


async def test_each_invocation_is_settled_once_and_polled_after() -> None:
    machine, function = Machine(), Function()
    driver = make(machine, Source(), function)
    machine.to_start = [invocation(1), invocation(2)]
    driver.wake()
    await turns()
    function.let.set()
    await turns()
    assert machine.settled == [(1, Ok()), (2, Ok())]
    assert machine.polls == 3
    await driver.close()


@pytest.mark.parametrize(("failing", "outcome"), [("event", Error(lost=True)), ("outcome", Error(lost=True))])
async def test_a_defect_of_ours_ends_an_invocation_as_an_error_and_gives_its_slot_back(
    failing: str, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    machine, function = Machine(), Function()
    function.let.set()
    driver = make(machine, Source(failing), function)
    machine.to_start = [invocation(1)]
    driver.wake()
    await turns()
    assert machine.settled == [(1, outcome)]
    assert "the record is gone" in caplog.text
    await driver.close()


async def test_a_record_that_cannot_be_let_go_of_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.facts = Facts(done=[1])
    driver = make(machine, Source("end"), Function())
    driver.wake()
    await turns()
    driver.wake()
    await turns()
    assert machine.polls == 2
    assert "could not be let go of" in caplog.text
    await driver.close()


async def test_facts_are_counted_and_handed_to_the_source() -> None:
    machine, source = Machine(), Source()
    driver = make(machine, source, Function())
    machine.facts = Facts(
        done=[1, 2], dead=[(3, End.EVENT_AGE)], expired=[(4, End.RETENTION)], throttled=7, cold_starts=2
    )
    driver.wake()
    await driver.settled()
    await turns()
    state = driver.state()
    assert (state["completed"], state["dead_lettered"], state["expired"]) == (2, 1, 1)
    assert (state["throttles"], state["cold_starts"]) == (7, 2)
    assert source.ended[0].done == [1, 2]
    await driver.close()


async def test_user_records_dropped_are_counted_and_warned_of_once_with_the_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine()
    driver = make(machine, Source(), Function())
    for dropped in (2, 0, 3):
        machine.facts = Facts(done=[1], dropped=dropped)
        driver.wake()
        await turns()
    assert driver.state()["dropped"] == 5
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "test was not given 2 user records of aggregates" in warning
    assert "keys of one shard's range" in warning
    assert "do not aggregate" in warning
    await driver.close()


async def test_a_machine_that_wants_nothing_is_left_alone_and_one_that_asks_is_woken() -> None:
    machine = Machine()
    driver = make(machine, Source(), Function())
    # Once in the past, which must not become a loop that never rests, then never.
    machine.wakes = [50.0]
    driver.wake()
    async with asyncio.timeout(10):
        while machine.polls < 2:  # noqa: ASYNC110 (a timer tells nobody)
            await asyncio.sleep(0.001)
    await turns(100)
    assert machine.polls == 2
    await driver.close()


async def test_a_closed_driver_polls_no_more() -> None:
    machine, function = Machine(), Function()
    driver = make(machine, Source(), function)
    machine.to_start = [invocation(1)]
    machine.wakes = [100.0, 100.0]
    driver.wake()
    await turns()
    await driver.close()
    polls = machine.polls
    driver.offered(Offer([1], 1))
    await turns()
    assert machine.polls == polls
    assert machine.settled == []
