"""Attach, a result's write, its push and a connection's end, step by step in every order that hypothesis finds.

Each actor is a greenlet that stops before every operation on a table, a queue or a connection, so that another may go
first. What must come of it: whoever has shown the secret and was answered "attached" is sent the result at least once,
if its connection lives; a stranger is sent nothing, ever.
"""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.notifications import Notification
from pipeline.ownership import Ownership
from tests.websocket_functions.world import RESULT, World, api_error

MAKER = "maker"  # the connection that the request came by
OWNERS = ("owner-1", "owner-2")
STRANGERS = ("stranger-1", "stranger-2")
# Ten are to the end of any.
STEPS = st.sampled_from((1, 2, 3, 10))
AT_ONCE = 3


def pause() -> None:
    """Let others go first; outside of an actor there is nobody."""
    if getcurrent().parent is not None:
        getcurrent().parent.switch()


def every_schedule(first: int, second: int) -> Iterator[tuple[bool, ...]]:
    """All orders of so many steps of one actor and so many of another; True is the first one's turn."""
    for turns in combinations(range(first + second), first):
        yield tuple(turn in turns for turn in range(first + second))


def test_an_owner_is_told_whichever_step_comes_first() -> None:
    schedules = list(every_schedule(5, 7))
    for schedule in schedules:
        world = World()
        world.connections["c1"] = 0
        world.before = pause
        answers: list[dict[str, Any]] = []

        def attach(world: World = world, answers: list[dict[str, Any]] = answers) -> None:
            answers.append(world.attach())

        def work_and_push(world: World = world) -> None:
            pause()
            world.store()
            pause()
            assert not world.push('{"request_id": "id1", "attach": "..."}').failures

        actors = {True: greenlet(attach), False: greenlet(work_and_push)}
        for turn in schedule:
            actors[turn].switch()
        assert all(actor.dead for actor in actors.values()), "a step more than this test knows of"
        while world.queue:
            assert not world.push(world.queue.pop()).failures

        assert answers == [{"type": "attached", "request_id": "id1"}]
        assert world.pushed["c1"], schedule
        assert not world.watchers
    assert len(schedules) == 792


def has_room(machine: "Interleavings") -> bool:
    """Few at once: else hypothesis begins many and ends none."""
    return len(machine.actors) < AT_ONCE


class Interleavings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.before = pause
        self.actors: list[greenlet] = []
        self.in_flight: dict[greenlet, str] = {}
        self.attached: set[str] = set()
        self.told = False

    @initialize(by_websocket=st.booleans(), pending=st.booleans())
    def connect(self, by_websocket: bool, pending: bool) -> None:
        self.maker = MAKER if by_websocket else None
        for connection_id in (MAKER, *OWNERS, *STRANGERS):
            self.world.connections[connection_id] = 0
        if pending:
            self.world.pending["id1"] = Ownership(RESULT.attach, done=False)

    def _start(self, what: Callable[[], Any], steps: int, message: str | None = None) -> None:
        actor = greenlet(what)
        self.actors.append(actor)
        if message is not None:
            self.in_flight[actor] = message
        self._go_on(actor, steps)

    def _go_on(self, actor: greenlet, steps: int) -> None:
        for _ in range(steps):
            actor.switch()
        if actor.dead:
            self.actors.remove(actor)

    def _attach(self, connection_id: str, secret: str) -> None:
        if self.world.attach(connection_id, secret)["type"] == "attached":
            self.attached.add(connection_id)

    @precondition(has_room)
    @rule(
        whom=st.sampled_from([*product(OWNERS, ["secret"]), *product(STRANGERS, ["guess", RESULT.attach])]),
        steps=STEPS,
    )
    def somebody_attaches(self, whom: tuple[str, str], steps: int) -> None:
        self._start(lambda: self._attach(*whom), steps)

    def _work(self) -> None:
        """What a worker does with the record: write first, then tell."""
        pause()
        self.world.results.setdefault("id1", RESULT)
        pause()
        message = Notification("id1", connection_id=self.maker, attach=RESULT.attach).push
        assert message is not None
        self.world.queue.append(message)
        self.told = True

    @precondition(has_room)
    @rule(steps=STEPS)
    def a_worker_begins(self, steps: int) -> None:
        self._start(self._work, steps)

    def _push(self, body: str) -> None:
        if self.world.push(body).failures:
            self.world.queue.append(body)
        self.in_flight.pop(getcurrent(), None)

    @precondition(lambda self: self.world.queue and has_room(self))
    @rule(data=st.data(), steps=STEPS)
    def a_push_begins(self, data: st.DataObject, steps: int) -> None:
        body = self.world.queue.pop(data.draw(st.integers(0, len(self.world.queue) - 1)))
        self._start(lambda: self._push(body), steps, body)

    @precondition(lambda self: self.actors)
    @rule(data=st.data(), steps=STEPS)
    def an_actor_goes_on(self, data: st.DataObject, steps: int) -> None:
        self._go_on(data.draw(st.sampled_from(self.actors)), steps)

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def an_actors_process_dies(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.actors))
        actor.throw(GreenletExit)
        self.actors.remove(actor)
        # Its message becomes visible again.
        if actor in self.in_flight:
            self.world.queue.append(self.in_flight.pop(actor))

    @rule(connection_id=st.sampled_from((MAKER, *OWNERS)), gone=st.booleans())
    def a_connection_ends_or_its_next_post_fails(self, connection_id: str, gone: bool) -> None:
        if gone:
            self.world.gone.add(connection_id)
        else:
            self.world.post_errors[connection_id] = [api_error(500)]

    @invariant()
    def no_stranger_is_sent_anything(self) -> None:
        assert not [name for name in STRANGERS if self.world.pushed[name]]

    def teardown(self) -> None:
        for actor in self.actors:
            while not actor.dead:
                actor.switch()
        if not self.told:
            # Its buffer delivers a record until it is done.
            self._work()
        self.world.post_errors.clear()
        while self.world.queue:
            assert not self.world.push(self.world.queue.pop(0)).failures
        waiting = self.attached & set(OWNERS) | ({self.maker} if self.maker else set())
        for connection_id in waiting - self.world.gone:
            assert self.world.pushed[connection_id], f"{connection_id} was never told"
        for connection_id in STRANGERS:
            assert not self.world.pushed[connection_id]
        assert not [name for name in self.attached & set(OWNERS) if ("id1", name) in self.world.watchers]


Interleavings.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestInterleavings = Interleavings.TestCase
