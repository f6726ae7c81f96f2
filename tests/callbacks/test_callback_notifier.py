import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import standardwebhooks.webhooks as library
from callback_world import BUSY, GONE, KEY, OK, POLICY, REFUSED, SILENT, AtOnce, World, result
from standardwebhooks import Webhook

from consumers.callback_notifier import Delivered, Failure, Loss, Notifier, Report, Retry
from consumers.callback_post import Answered, Outcome
from pipeline.callback_signature import SecretError
from pipeline.callbacks_table import Claim, GivenUp, NotYet, Settled
from pipeline.result import Status
from pipeline.results_table import ItemError

AMPLE_S = 60.0


@pytest.fixture
def world() -> World:
    return World()


def deliver(world: World) -> Report:
    report = world.deliver(world.visible())
    assert report is not None
    return report


def test_a_result_is_posted_as_it_is_read_by_get_and_signed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask("r1")

    report = deliver(world)

    assert (report.messages, report.acknowledged, report.failed_tokens) == (1, 1, [])
    (post,) = world.posts
    assert json.loads(post.body) == result("r1").result.to_document()

    # What the standard's library says, at the time of the world.
    class Clock(library.datetime):  # type: ignore[misc, name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(world.now, tz)

    monkeypatch.setattr(library, "datetime", Clock)
    assert Webhook(KEY).verify(post.body, dict(post.headers)) == json.loads(post.body)
    assert post.headers["webhook-id"] == "r1"
    assert world.messages == world.letters == []


def test_a_failed_result_is_told_too(world: World) -> None:
    world.ask("r1")
    stored = world.results["r1"]
    failed = replace(stored.result, status=Status.FAILED, labels=(), reason="InvalidImageFormatException: no image")
    world.results["r1"] = replace(stored, result=failed)
    assert deliver(world).acknowledged == 1
    assert json.loads(world.posts[0].body)["reason"] == "InvalidImageFormatException: no image"


def test_a_receiver_that_fails_three_times_gets_one_acknowledged_delivery_at_the_pauses_distance(world: World) -> None:
    world.takes_s = 0.0
    began = world.now
    world.ask("r1", BUSY, SILENT, Answered(500), OK)

    first = deliver(world)
    assert first.retries == [Retry("r1", 1, 5, "it answered 503")]
    assert first.failed_tokens == ["m1"]
    world.settle()

    assert [post.at - began for post in world.posts] == [0, 5, 15, 35]
    assert [post.outcome for post in world.posts] == [BUSY, SILENT, Answered(500), OK]
    assert world.letters == []


def test_a_receiver_that_never_answers_ends_among_the_dead_letters_and_its_result_stays(world: World) -> None:
    world.ask("r1", SILENT)
    world.settle()

    assert len(world.posts) == POLICY.maximum_attempts
    assert world.letters == [
        {
            "request_id": "r1",
            "callback_url": "https://example.com/r1?token=secret",
            "reason": "it did not answer in time",
            "attempts": 4,
        }
    ]
    assert world.messages == []
    assert "r1" in world.results


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(GONE, "it answered 410"), (Answered(302), "it answered 302"), (REFUSED, "10.0.0.1 is a private address")],
)
def test_what_no_retry_mends_is_given_up_at_once(outcome: Outcome, reason: str, world: World) -> None:
    world.ask("r1", outcome)
    report = deliver(world)
    assert report.losses == [Loss("r1", 1, reason)]
    assert (len(world.posts), len(world.letters), world.messages) == (1, 1, [])


def test_a_permanent_failure_after_some_that_were_not_ends_it(world: World) -> None:
    world.ask("r1", BUSY, GONE, OK)
    world.settle()
    assert len(world.posts) == 2
    assert [(letter["reason"], letter["attempts"]) for letter in world.letters] == [("it answered 410", 2)]


def test_a_retry_after_is_heeded_by_table_and_queue(world: World) -> None:
    world.takes_s = 0.0
    world.ask("r1", Answered(429, "100"), OK)
    began = world.now
    deliver(world)
    world.settle()
    assert [post.at - began for post in world.posts] == [0, 100]


def test_a_copy_of_an_acknowledged_message_is_done_without_a_post(world: World) -> None:
    message = world.ask("r1")
    deliver(world)
    world.copy(message)
    report = deliver(world)
    assert (report.settled, report.acknowledged, len(world.posts), world.messages) == (1, 0, 1, [])


def test_a_copy_of_a_dead_lettered_message_makes_no_second_letter(world: World) -> None:
    message = world.ask("r1", GONE)
    deliver(world)
    world.copy(message)
    report = deliver(world)
    assert (report.settled, report.losses) == (1, [])
    assert (len(world.posts), len(world.letters), world.messages) == (1, 1, [])


def test_a_copy_that_comes_during_the_post_waits_for_the_claims_end(world: World) -> None:
    seen = []
    message = world.ask("r1")

    def meanwhile(request_id: str) -> None:
        world.copy(message)
        seen.append(deliver(world))

    world.meanwhile = meanwhile
    assert deliver(world).acknowledged == 1
    (report,) = seen
    assert (report.waiting, report.failed_tokens) == (1, ["m2"])
    assert len(world.posts) == 1
    # A claim lasts 20 s longer than an attempt.
    assert world.messages[0].visible_at - world.posts[0].at == pytest.approx(30, abs=1)
    world.settle()
    assert len(world.posts) == 1


def test_a_copy_that_comes_during_the_pause_waits_for_its_end_and_is_not_a_moment_early(world: World) -> None:
    message = world.ask("r1", BUSY, OK)
    deliver(world)
    world.now += 2.3
    copy = world.copy(message)
    assert world.deliver([copy]) == Report(messages=1, waiting=1, failed_tokens=[copy.name])
    world.messages.remove(message)
    world.settle()
    assert (len(world.posts), copy.receives) == (2, 2)


def test_an_environment_that_dies_while_it_posts_costs_an_attempt_and_no_more(world: World) -> None:
    world.ask("r1")
    # Result, keys and claim are had; the POST is its last deed.
    world.troubles.extend(["none", "none", "none", "crash before"])
    assert world.deliver(world.visible()) is None
    assert world.messages
    world.settle()
    assert len(world.posts) == 1
    assert int(world.item("r1")["attempts"]["N"]) == 2


def test_dying_at_every_attempt_ends_among_the_dead_letters(world: World) -> None:
    world.ask("r1")
    for _ in range(POLICY.maximum_attempts):
        world.now = world.messages[0].visible_at
        world.troubles.extend(["none", "none", "none", "crash before"])
        assert world.deliver(world.messages) is None
    world.settle()
    assert world.posts == []
    assert [(letter["reason"], letter["attempts"]) for letter in world.letters] == [("the last attempt was cut off", 4)]


def test_an_acknowledgement_that_was_not_written_down_is_posted_once_more_by_the_same_id(world: World) -> None:
    world.ask("r1")
    world.troubles.extend(["none", "none", "none", "none", "refused"])
    report = deliver(world)
    assert isinstance(report.failures[0], Failure)
    world.settle()
    assert [post.headers["webhook-id"] for post in world.posts] == ["r1", "r1"]


def test_dying_before_the_dead_letter_is_sent_sends_it_later_without_another_post(world: World) -> None:
    world.ask("r1", GONE)
    # Result, keys, claim, POST, "given up"; then the letter.
    world.troubles.extend(["none"] * 5 + ["crash before"])
    assert world.deliver(world.visible()) is None
    assert world.letters == []
    world.settle()
    assert (len(world.posts), [letter["attempts"] for letter in world.letters]) == (1, [1])


def test_a_pause_that_the_queue_was_not_told_is_kept_all_the_same(world: World) -> None:
    world.takes_s = 0.0
    world.ask("r1", BUSY, OK)
    # Result, keys, claim, POST, pause; then the queue.
    world.troubles.extend(["none"] * 5 + ["refused"])
    assert deliver(world).retries == [Retry("r1", 1, 5, "it answered 503")]
    world.settle()
    assert len(world.posts) == 2


# --- messages that ought not to be


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no json", "the message is not JSON"),
        ("[" * 100_000, "the message is not JSON"),
        ("[]", "the message is not a JSON object"),
        ({}, "request_id is missing or not a text"),
        ({"request_id": "", "callback_url": "https://example.com/"}, "request_id is missing or not a text"),
        ({"request_id": 1, "callback_url": "https://example.com/"}, "request_id is missing or not a text"),
        ({"request_id": "\ud800", "callback_url": "https://example.com/"}, "request_id is missing or not a text"),
        ({"request_id": "r1"}, "callback_url is missing or not a text"),
        ({"request_id": "r1", "callback_url": None}, "callback_url is missing or not a text"),
    ],
)
def test_what_is_no_message_is_a_dead_letter_with_its_beginning(body: Any, reason: str, world: World) -> None:
    message = world.send(body)
    assert deliver(world).losses == [Loss(None, 0, reason)]
    assert world.letters == [
        {
            "request_id": None,
            "callback_url": None,
            "reason": reason,
            "attempts": 0,
            "message": message.body[:2_000],
        }
    ]
    assert world.messages == []


def test_what_is_no_message_stays_until_its_dead_letter_is_sent(world: World) -> None:
    world.send("no json")
    world.troubles.append("refused")
    assert deliver(world).failed_tokens == ["m1"]
    world.settle()
    assert len(world.letters) == 1


def test_without_a_result_nothing_is_posted_and_the_letter_says_so(world: World) -> None:
    world.ask("r1", stored=False)
    assert deliver(world).losses == [Loss("r1", 0, "there is no result of it")]
    assert (world.posts, len(world.letters), world.messages) == ([], 1, [])


def test_an_item_that_is_no_result_is_given_up_with_what_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ask("r1")

    def read(request_id: str) -> None:
        raise ItemError("the item is no result")

    monkeypatch.setattr(world, "read", read)
    assert deliver(world).losses == [Loss("r1", 0, "the item is no result")]


def test_an_id_that_no_header_can_carry_is_given_up(world: World) -> None:
    world.ask("r\r\nx: y")
    (loss,) = deliver(world).losses
    assert "visible ASCII" in loss.reason
    assert world.posts == []


# --- what is nobody's receiver's fault


def test_a_table_that_fails_costs_no_attempt(world: World) -> None:
    world.ask("r1")
    world.troubles.append("refused")
    report = deliver(world)
    assert report.failed_tokens == ["m1"]
    assert "InternalServerError" in report.failures[0].reason
    assert world.item("r1") == {}


def test_without_a_key_nothing_is_posted_and_no_attempt_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask("r1")

    def get() -> None:
        raise SecretError("the secret is not a key")

    monkeypatch.setattr(world, "get", get)
    report = deliver(world)
    assert report.failures == [Failure("r1", "SecretError: the secret is not a key")]
    assert (report.failed_tokens, world.posts, world.item("r1")) == (["m1"], [], {})


def test_an_error_that_nobody_thought_of_fails_its_message_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask("r1")
    world.ask("r2")
    post = world.post

    def fail(url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
        if headers["webhook-id"] == "r1":
            raise RuntimeError("a mistake of ours")
        return post(url, body, headers, deadline)

    monkeypatch.setattr(world, "post", fail)
    report = deliver(world)
    assert (report.acknowledged, report.failed_tokens) == (1, ["m1"])
    assert report.failures == [Failure(None, "RuntimeError: a mistake of ours")]


def test_an_attempt_that_has_no_time_left_is_not_begun(world: World) -> None:
    world.ask("r1")
    report = world.deliver(world.visible(), function_s=4.9)
    assert report is not None
    assert report.failures == [Failure("r1", "out of time: not begun")]
    assert world.item("r1") == {}


def test_an_attempt_ends_so_early_that_its_outcome_can_be_written_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    world.ask("r1")

    def post(url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
        limits.append(deadline - world.now)
        return OK

    monkeypatch.setattr(world, "post", post)
    world.deliver(world.visible(), function_s=9)
    assert limits == [5.0]


def test_a_claim_that_took_its_time_leaves_the_post_less(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    claimed = world._update_item
    world.ask("r1")

    def slowly(values: Any) -> Any:
        answer = claimed(values)
        world.now += 21
        return answer

    def post(url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
        limits.append(deadline - world.now)
        return OK

    monkeypatch.setattr(world, "_update_item", slowly)
    monkeypatch.setattr(world, "post", post)
    world.deliver(world.visible(), function_s=100)
    # Of the claim's 30 s, 21 are gone and 5 are for clocks that differ.
    assert limits == [4.0]


# --- a batch


class Table:
    """Everything is claimed, and nothing is kept."""

    def claim(self, request_id: str, lease_s: float) -> Claim | NotYet | Settled:
        return Claim(request_id, "h", 1)

    def acknowledge(self, claim: Claim) -> None:
        pass

    def pause(self, claim: Claim, pause_s: float) -> None:
        pass

    def give_up(self, claim: Claim, given_up: GivenUp) -> bool:
        return True

    def bury(self, claim: Claim) -> None:
        pass


def notifier(world: World, posts: Any, threads: Any, **clocks: Any) -> Notifier:
    return Notifier(world, Table(), posts, world, world, POLICY, threads=threads, **clocks)


def batch(world: World, size: int) -> list[Delivered]:
    made = [world.ask(f"r{number}") for number in range(size)]
    return [Delivered(message.name, message.receipt, message.body) for message in made]


def test_the_posts_of_a_batch_are_out_at_once(world: World) -> None:
    everybody = threading.Barrier(10, timeout=AMPLE_S)

    class Posts:
        def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
            everybody.wait()
            return OK

    with ThreadPoolExecutor(10) as threads:
        report = notifier(world, Posts(), threads).work(batch(world, 10), remaining_ms=AMPLE_S * 1_000)
    assert report.acknowledged == 10


class Threads(ThreadPoolExecutor):
    """Also a clock, on which the function's time is over for whoever waits as soon as `finished` tasks have."""

    def __init__(self, threads: int, *, finished: int) -> None:
        super().__init__(threads)
        self._done = threading.Semaphore(0)
        self._finished = finished
        self._looks = 0
        self._waits = threading.current_thread()

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        task = super().submit(*args, **kwargs)
        task.add_done_callback(lambda _: self._done.release())
        return task

    def clock(self) -> float:
        if threading.current_thread() is not self._waits:
            return 0.0
        self._looks += 1
        if self._looks == 1:
            return 0.0
        for _ in range(self._finished):
            assert self._done.acquire(timeout=AMPLE_S)
        return 1_000.0


def test_one_that_ignores_its_time_limit_holds_up_neither_the_others_nor_the_function(world: World) -> None:
    let_go = threading.Event()

    class Posts:
        def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
            if headers["webhook-id"] == "r0":
                let_go.wait(AMPLE_S)
            return OK

    with Threads(3, finished=2) as threads:
        try:
            report = notifier(world, Posts(), threads, clock=threads.clock).work(batch(world, 3), remaining_ms=30_000)
        finally:
            let_go.set()
    assert (report.acknowledged, report.failed_tokens) == (2, ["m1"])
    assert report.failures == [Failure(None, "out of time: still at work")]


def test_what_found_no_thread_is_delivered_again(world: World) -> None:
    let_go = threading.Event()
    at_work = threading.Event()

    class Posts:
        def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
            at_work.set()
            let_go.wait(AMPLE_S)
            return OK

    class Busy(Threads):
        def clock(self) -> float:
            now = super().clock()
            assert now == 0.0 or at_work.wait(AMPLE_S)
            return now

    with Busy(1, finished=0) as threads:
        try:
            report = notifier(world, Posts(), threads, clock=threads.clock).work(batch(world, 2), remaining_ms=30_000)
        finally:
            let_go.set()
    assert report.failed_tokens == ["m1", "m2"]
    assert report.failures[1] == Failure(None, "out of time: not begun")


def test_an_empty_batch_is_nothing(world: World) -> None:
    assert notifier(world, world, AtOnce()).work([], remaining_ms=1_000) == Report()
