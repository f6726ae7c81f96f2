"""The intake under interleavings of duplicates, crashes at any step, failures, and results that come in between.

Each attempt to take a request runs in a thread of its own, which stops before every call it makes of a table, bucket or
buffer; the machine says which goes on, and how its call ends.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.idempotency import digest_of, id_of
from pipeline.intake import IntakeError, Taken
from pipeline.outlet import PublishError, Refusal
from pipeline.result import Label, Passage, Result, Status
from tests.pipeline.intake_world import PENDING_S, World

KEYS = ("a", "b")
# The second takes the way over the bucket.
BODIES: tuple[dict[str, Any], ...] = ({"image": {"key": "cat.jpg"}}, {"image": {"bytes": "A" * 2_000}})
ENDS = ("done", "done", "done", "asked twice", "fails before", "fails after", "crash before", "crash after")


class Crash(BaseException):
    """The end of an environment, wherever it is."""


class Attempt:
    """One run of a function for one request."""

    def __init__(self, world: World, key: str, body: dict[str, Any], remaining_s: float) -> None:
        self.request_id, self.body = id_of("sqs", key), body
        self.dies_at = world.clock.now + remaining_s
        self.at: str | None = None
        self.outcome: Taken | IntakeError | Crash | None = None
        self.defect: BaseException | None = None
        self._end = "done"
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(world, key, remaining_s), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    @property
    def over(self) -> bool:
        """Whether it has ended, be it by a defect."""
        return self.outcome is not None or self.defect is not None

    def go_on(self, end: str) -> None:
        """Let it make the call that it is before, with that end, and stop before its next one."""
        self._end = end
        self._go.release()
        self._stopped.acquire()
        if self.over:
            self._thread.join()

    def _run(self, world: World, key: str, remaining_s: float) -> None:
        try:
            self.outcome = world.intake(self._call).take(
                self.body, buffer="sqs", remaining_ms=remaining_s * 1_000, idempotency_key=key
            )
        except (IntakeError, Crash) as error:
            self.outcome = error
        except BaseException as error:  # noqa: BLE001 (raised again where the machine is)
            self.defect = error
        self.at = None
        self._stopped.release()

    def _call(self, name: str, do: Callable[[], Any]) -> Any:
        self.at = name
        self._stopped.release()
        self._go.acquire()
        if self._end == "crash before":
            raise Crash
        if self._end == "fails before":
            raise failure(name)
        answer = do()
        if self._end == "asked twice":
            answer = do()
        if self._end == "crash after":
            raise Crash
        if self._end == "fails after":
            raise failure(name)
        return answer


def failure(name: str) -> Exception:
    if name == "publish":
        return PublishError(Refusal.FAILED, "ReadTimeoutError", "no answer")
    if name == "put":
        return ReadTimeoutError(endpoint_url="https://s3")
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "UpdateItem")


class Interleavings(RuleBasedStateMachine):
    """At most one publish for each key, unless something failed or crashed before; and nothing is pending for ever."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.attempts: list[Attempt] = []
        # What happened to each request so far, in order: what may excuse a second publish.
        self.faults: Counter[str] = Counter()
        self.published: Counter[str] = Counter()
        self.results: dict[str, Result] = {}
        self.owners: dict[str, str] = {}

    @property
    def live(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if not attempt.over]

    @precondition(lambda self: len(self.live) < 5)
    @rule(key=st.sampled_from(KEYS), body=st.sampled_from(BODIES), remaining_s=st.sampled_from([1, 10, 29]))
    def a_request_comes_in(self, key: str, body: dict[str, Any], remaining_s: float) -> None:
        self.attempts.append(Attempt(self.world, key, body, remaining_s))

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 4), end=st.sampled_from(ENDS))
    def one_goes_on(self, which: int, end: str) -> None:
        self.let_on(self.live[which % len(self.live)], end)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 4))
    def one_goes_on_to_its_end(self, which: int) -> None:
        self.let_end(self.live[which % len(self.live)])

    @rule(key=st.sampled_from(KEYS), body=st.sampled_from(BODIES))
    def a_request_comes_in_and_meets_nobody(self, key: str, body: dict[str, Any]) -> None:
        self.attempts.append(Attempt(self.world, key, body, 10))
        self.let_end(self.attempts[-1])

    @rule(seconds=st.sampled_from([0.5, 4.0, 12.0, 40.0, 250.0]))
    def time_passes(self, seconds: float) -> None:
        """And Lambda ends what is over its time before the time is there."""
        self.world.clock.now += seconds
        for attempt in self.live:
            if attempt.dies_at <= self.world.clock.now:
                self.let_on(attempt, "crash before")

    @precondition(lambda self: self.world.records)
    @rule(which=st.integers(0, 20), status=st.sampled_from(Status))
    def a_consumer_stores_a_result(self, which: int, status: Status) -> None:
        request_id = self.world.records[which % len(self.world.records)].request_id
        now = self.world.clock.now * 1_000
        labels = (Label("Cat", 93.5),) if status is Status.SUCCEEDED else ()
        passage = Passage(now - 9, now - 5, now, 1, 1, 0.0, "env")
        result = Result(request_id, "sqs", status, labels, None, None, passage, None)
        self.world.results().write(result)
        self.results.setdefault(request_id, result)

    def let_end(self, attempt: Attempt) -> None:
        while not attempt.over:
            self.let_on(attempt, "done")

    def let_on(self, attempt: Attempt, end: str) -> None:
        call, before = attempt.at, len(self.world.records)
        excused = self.faults[attempt.request_id]
        attempt.go_on(end)
        if attempt.defect is not None:
            raise attempt.defect
        copies = len(self.world.records) - before
        if copies:
            assert call == "publish"
            self.published[attempt.request_id] += copies
            # Each fault before excuses one more; and so does this one, if it is botocore that asks twice.
            allowed = 1 + excused + (copies - 1)
            assert self.published[attempt.request_id] <= allowed, "published once more, and nothing had gone wrong"
        # A table that is asked twice has to be no fault at all.
        if end != "done" and (end != "asked twice" or call == "publish"):
            self.faults[attempt.request_id] += 1
        if attempt.outcome is not None:
            self.judge(attempt)

    def judge(self, attempt: Attempt) -> None:
        outcome, request_id = attempt.outcome, attempt.request_id
        if isinstance(outcome, Taken):
            assert outcome.request_id == request_id
            assert outcome.duplicate or self.published[request_id]
        elif isinstance(outcome, IntakeError):
            assert outcome.request_id in (request_id, None)
            if outcome.status == 422:
                item = self.world.tables.item(request_id)
                assert item is not None
                assert item["body_hash"]["S"] != digest_of(attempt.body)
            else:
                assert self.faults[request_id], "refused, and nothing had gone wrong"

    @invariant()
    def nothing_is_pending_for_ever(self) -> None:
        for key in KEYS:
            item = self.world.tables.item(id_of("sqs", key))
            if item is not None and "status" not in item:
                assert int(item["pending_until"]["N"]) <= (self.world.clock.now + PENDING_S["sqs"]) * 1_000

    @invariant()
    def the_first_body_of_a_key_owns_it(self) -> None:
        for key in KEYS:
            item = self.world.tables.item(id_of("sqs", key))
            if item is not None and "body_hash" in item:
                assert self.owners.setdefault(key, item["body_hash"]["S"]) == item["body_hash"]["S"]

    @invariant()
    def the_first_result_stands_whole(self) -> None:
        for request_id, result in self.results.items():
            stored = self.world.results().read(request_id)
            assert stored is not None
            assert stored.result == result

    @invariant()
    def what_was_taken_without_a_fault_is_on_its_way_or_has_its_result(self) -> None:
        for attempt in self.attempts:
            request_id = attempt.request_id
            if isinstance(attempt.outcome, Taken) and not self.faults[request_id]:
                assert self.published[request_id] or any(other.request_id == request_id for other in self.live)
                on_its_way = self.world.standing(request_id) == "PENDING" or self.is_over(request_id)
                assert on_its_way or request_id in self.results

    def is_over(self, request_id: str) -> bool:
        item = self.world.tables.item(request_id)
        return item is not None and int(item["pending_until"]["N"]) <= self.world.clock.now * 1_000

    def teardown(self) -> None:
        """However it stands, a client that tries again, once all is over, gets its result started or its result."""
        for attempt in self.live:
            self.let_on(attempt, "crash before")
        self.world.clock.now += 60
        for key in KEYS:
            request_id = id_of("sqs", key)
            item = self.world.tables.item(request_id)
            if item is None or "body_hash" not in item:
                continue
            body = next(body for body in BODIES if digest_of(body) == item["body_hash"]["S"])
            last = Attempt(self.world, key, body, 10)
            self.let_end(last)
            assert isinstance(last.outcome, Taken)
            assert self.published[request_id]


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=50, stateful_step_count=40)
