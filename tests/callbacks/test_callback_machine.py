"""Whatever copies come, whatever fails, wherever an environment dies: a callback ends, and is alone while it POSTs."""

from collections import deque
from typing import Any

from callback_world import BUSY, GONE, OK, POLICY, REFUSED, SILENT, VISIBILITY_S, Trouble, World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

TROUBLES: st.SearchStrategy[Trouble] = st.sampled_from(
    ["none", "none", "refused", "lost", "crash before", "crash after"]
)
OUTCOMES = st.sampled_from([OK, BUSY, SILENT, GONE, REFUSED])


class Callbacks(RuleBasedStateMachine):
    """Requests are made, their messages copied and delivered, also while others are at work, and time goes by.

    What must hold while a POST is made stands in the world's post().
    """

    troubles = st.lists(TROUBLES, max_size=12)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.meanwhile = self._meanwhile
        self._others: deque[list[str]] = deque()
        self._asked: set[str] = set()
        self._missing: set[str] = set()

    @rule(script=st.lists(OUTCOMES, min_size=1, max_size=6), stored=st.sampled_from([True, True, True, False]))
    def ask(self, script: list[Any], stored: bool) -> None:
        request_id = f"r{len(self._asked)}"
        self.world.ask(request_id, *script, stored=stored)
        self._asked.add(request_id)
        if not stored:
            self._missing.add(request_id)

    @precondition(lambda self: self.world.messages)
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        self.world.copy(data.draw(st.sampled_from(self.world.messages)))

    @precondition(lambda self: self.world.visible())
    @rule(
        data=st.data(),
        others=st.lists(st.lists(st.sampled_from(["visible", "wait"]), max_size=2), max_size=2),
        takes_s=st.sampled_from([0.1, 9.0, 60.0]),
    )
    def deliver(self, data: st.DataObject, others: list[list[str]], takes_s: float) -> None:
        visible = self.world.visible()
        batch = data.draw(st.lists(st.sampled_from(visible), min_size=1, max_size=3, unique_by=lambda each: each.name))
        self.world.troubles = deque(data.draw(self.troubles))
        self.world.takes_s = takes_s
        self._others = deque(others)
        self.world.deliver(batch)
        self.world.troubles.clear()
        self._others.clear()

    @rule(seconds=st.sampled_from([0.5, 4.0, 5.0, 11.0, VISIBILITY_S, 1_000.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    def _meanwhile(self, request_id: str) -> None:
        """Another environment is given what is visible while this one's POST is out; two that are out are seen there.

        What it does takes less time than the POST may.
        """
        takes_s, self.world.takes_s = self.world.takes_s, 0.1
        for what in self._others.popleft() if self._others else ():
            if what == "wait":
                self.world.now += 4.0
            else:
                self.world.deliver(self.world.visible()[:3])
        self.world.takes_s = takes_s

    def teardown(self) -> None:
        self.world.settle()
        for request_id in self._asked:
            self._check(request_id)

    def _check(self, request_id: str) -> None:
        posts = [post for post in self.world.posts if post.request_id == request_id]
        letters = [letter for letter in self.world.letters if letter["request_id"] == request_id]
        item = self.world.item(request_id)
        acknowledged, buried = "acknowledged_at" in item, "dead_lettered_at" in item
        assert acknowledged != buried
        assert buried <= bool(letters)
        assert "holder" not in item
        assert len(posts) <= POLICY.maximum_attempts
        if request_id in self._missing:
            assert not posts
        # What was answered 2xx and could not be written down is the only thing that is POSTed again.
        acknowledgements = sum(post.outcome == OK for post in posts)
        assert acknowledgements <= 1 + self.world.troubled
        if not self.world.troubled:
            assert acknowledgements == acknowledged
            assert len(letters) == buried
            if buried:
                assert letters[0]["attempts"] == len(posts)


class Untroubled(Callbacks):
    """The same where nothing fails but receivers."""

    troubles = st.just([])


TestCallbacks = Callbacks.TestCase
TestCallbacks.settings = settings(max_examples=60, stateful_step_count=25)
TestUntroubled = Untroubled.TestCase
TestUntroubled.settings = settings(max_examples=30, stateful_step_count=25)
