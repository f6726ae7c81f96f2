"""The queue as its driver sees it, and long polling."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from delivery.protocol import End, Facts
from local.message_attribute import MessageAttribute
from local.queue import InvalidReceiptError, Queue, Received, Sending
from tests.wire.virtual_time import run
from tests.wire.world import STARTED_AT, Clock, make_queue


def bodies(received: list[Received]) -> list[str]:
    return [one.message.sending.body for one in received]


async def send_at(queue: Queue, clock: Clock, at: float, body: str) -> None:
    await asyncio.sleep(STARTED_AT + at - clock.now)
    queue.send([Sending(body)])


def test_a_long_poll_answers_as_soon_as_a_message_comes() -> None:
    clock = Clock()
    queue = make_queue("q", clock)

    async def main() -> list[Received]:
        sender = asyncio.create_task(send_at(queue, clock, 7.5, "x"))
        received = await queue.receive(10, wait=20)
        await sender
        return received

    assert bodies(run(clock, main())) == ["x"]
    assert clock.now == pytest.approx(STARTED_AT + 7.5, abs=0.01)


@pytest.mark.parametrize("own", [True, False], ids=["the queue's own wait", "the call's wait"])
def test_a_long_poll_of_an_empty_queue_ends_empty_after_its_wait(own: bool) -> None:
    clock = Clock()
    queue = make_queue("q", clock, receive_wait=5 if own else 20)
    assert run(clock, queue.receive(10, wait=None if own else 5)) == []
    assert clock.now == pytest.approx(STARTED_AT + 5, abs=0.01)


def test_a_long_poll_sees_a_delayed_message_and_one_that_comes_back() -> None:
    clock = Clock()
    queue = make_queue("q", clock, visibility_timeout=12)

    async def main() -> list[tuple[float, list[str]]]:
        queue.send([Sending("delayed", delay=4)])
        seen = []
        for _ in range(2):
            received = await queue.receive(1, wait=20)
            seen.append((round(clock.now - STARTED_AT, 1), bodies(received)))
        return seen

    assert run(clock, main()) == [(4.0, ["delayed"]), (16.0, ["delayed"])]


def test_each_message_goes_to_one_of_those_that_wait() -> None:
    clock = Clock()
    queue = make_queue("q", clock)

    async def main() -> list[list[Received]]:
        waiting = [asyncio.create_task(queue.receive(1, wait=20)) for _ in range(5)]
        await send_at(queue, clock, 1, "a")
        await send_at(queue, clock, 2, "b")
        return await asyncio.gather(*waiting)

    assert sorted(body for received in run(clock, main()) for body in bodies(received)) == ["a", "b"]


def test_a_poll_whose_client_went_away_takes_no_message() -> None:
    clock = Clock()
    queue = make_queue("q", clock)

    async def main() -> None:
        gone = asyncio.create_task(queue.receive(1, wait=20))
        await asyncio.sleep(1)
        gone.cancel()
        await asyncio.sleep(0)
        queue.send([Sending("x")])

    run(clock, main())
    assert queue.counts() == (1, 0, 0)


def test_a_mapping_that_drains_the_machine_decides_when_payloads_go() -> None:
    clock = Clock()
    dead = make_queue("dead", clock)
    queue = make_queue("q", clock, dead_letter_queue=dead, max_receive_count=1)
    told: list[int] = []
    queue.subscribe(lambda offer: told.extend(offer.ids))
    attributes = {"a": MessageAttribute("String", "1")}
    queue.send([Sending(body, attributes) for body in "abc"])
    done, lost, poison = told
    lease = queue.machine.receive(clock(), 10)
    assert lease is not None
    first = queue.received(done, queue.receipt_handle(done, lease.number), 1)
    clock.advance(1)
    assert queue.received(done, first.receipt_handle, 2).first_received_at == first.first_received_at
    queue.machine.delete(clock(), lease.number, [done])
    assert queue.message(done).sending.body == "a"
    queue.apply(queue.machine.drain())
    queue.apply(Facts(expired=[(lost, End.RETENTION)]))
    clock.advance(31)
    assert queue.machine.receive(clock(), 10) is None
    queue.apply(queue.machine.drain())
    for id_ in (done, lost, poison):
        with pytest.raises(KeyError):
            queue.message(id_)
    moved = dead.message(0)
    assert (moved.message_id, moved.sending.attributes, moved.moved_from) == ("q-3", attributes, queue.arn)


@pytest.mark.parametrize("handle", ["", "x", "AAAA", "MToxOmFybjphd3M6c3FzOnI6MTpvdGhlcg==", "MToxOg==", "é"])
def test_a_receipt_of_another_queue_is_refused(handle: str) -> None:
    queue = make_queue("q", Clock())
    with pytest.raises(InvalidReceiptError):
        queue.delete(handle)
    with pytest.raises(InvalidReceiptError):
        queue.change_visibility(handle, 5)


class AnyUse(RuleBasedStateMachine):
    """Whatever is done, each message is in exactly one place: in the queue, in the dead-letter queue, or deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.dead = make_queue("dead", self.clock)
        self.queue = make_queue("q", self.clock, dead_letter_queue=self.dead, max_receive_count=3)
        self.sent: set[str] = set()
        self.deleted: set[str] = set()
        self.held: list[Received] = []

    @rule(bodies=st.lists(st.text(st.characters(codec="ascii"), max_size=3), max_size=4), delay=st.integers(0, 20))
    def send(self, bodies: list[str], delay: int) -> None:
        for message in self.queue.send([Sending(body, delay=delay) for body in bodies]):
            assert not isinstance(message, str)
            self.sent.add(message.message_id)

    @rule(most=st.integers(1, 10), timeout=st.sampled_from([None, 0, 5, 60]))
    def receive(self, most: int, timeout: float | None) -> None:
        received = run(self.clock, self.queue.receive(most, visibility_timeout=timeout))
        assert len(received) <= most
        for one in received:
            assert one.message.message_id not in self.deleted
            assert one.count <= 3
        self.held += received

    @rule(index=st.integers(0, 5))
    def delete(self, index: int) -> None:
        if index < len(self.held):
            held = self.held.pop(index)
            before = self.left()
            self.queue.delete(held.receipt_handle)
            self.deleted |= before - self.left()

    @rule(index=st.integers(0, 5), timeout=st.integers(0, 60))
    def change_visibility(self, index: int, timeout: int) -> None:
        if index < len(self.held):
            self.queue.change_visibility(self.held[index].receipt_handle, timeout)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def left(self) -> set[str]:
        return {message.message_id for message in self.queue._messages.values()}

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        dead = {message.message_id for message in self.dead._messages.values()}
        assert self.left() | dead | self.deleted == self.sent
        assert not self.left() & dead
        assert not self.deleted & dead
        assert sum(self.queue.counts()) == len(self.left())


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=60, stateful_step_count=30)
