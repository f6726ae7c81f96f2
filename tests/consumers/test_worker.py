import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from consumers.environment import Environment
from consumers.worker import Delivered, Failure, Refusal, Report, Worker
from pipeline.notifications import Notification
from pipeline.recognition import Effort, OutOfTime, Recognised, Refused
from pipeline.request import InlineImage, Measurement, Request, StoredImage
from pipeline.result import Label, Passage, Result, Status

SEEN = Recognised((Label("Cat", 93.25),), "local", Effort(3, 2))
THROTTLED = OutOfTime("ThrottlingException: Slow down", Effort(4, 4))
REFUSED = Refused("InvalidImageFormatException: no image", Effort(1, 0))
PLENTY_MS = 30_000

Answer = Recognised | Refused | OutOfTime | Exception


class Recognition:
    """Answers by the image's bytes; `SEEN` where nothing else is said."""

    def __init__(self, answers: dict[bytes, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.calls: list[bytes] = []
        self.deadlines: set[float] = set()

    def recognise(self, image: InlineImage | StoredImage, deadline: float) -> Recognised | Refused | OutOfTime:
        assert isinstance(image, InlineImage)
        self.calls.append(image.data)
        self.deadlines.add(deadline)
        answer = self.answers.get(image.data, SEEN)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Results:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[Result] = []
        self.counted: list[str] = []
        self.refuse: set[str] = set()

    def write(self, result: Result) -> None:
        if result.request_id in self.refuse:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "table"}}, "UpdateItem")
        self.written.append(result)

    def count(self, request_id: str) -> None:
        self.counted.append(request_id)


class Notifier:
    """Keeps whom it is to tell, and what had been written by then."""

    def __init__(self, results: Results | None = None) -> None:
        self.told: list[Notification] = []
        self.written_before: list[list[str]] = []
        self.refuse = 0
        self._results = results

    def notify(self, notification: Notification) -> None:
        if self._results is not None:
            self.written_before.append([result.request_id for result in self._results.written])
        if self.refuse:
            self.refuse -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "queue"}}, "SendMessage")
        self.told.append(notification)


def delivered(
    token: str, image: bytes, request_id: str | None = None, *, measured: bool = False, **asked: str
) -> Delivered:
    measurement = Measurement("r1", 7, 1732400000100.5) if measured else None
    request = Request(request_id or f"id-{token}", 1732400000123, "sqs", InlineImage(image), measurement, **asked)
    return Delivered(token, request.to_json())


def worker(
    recognition: Recognition, results: Results, concurrency: int = 4, notifier: Notifier | None = None
) -> Worker:
    return Worker(
        recognition,
        results,
        notifier or Notifier(),
        Environment("env", 350.5),
        concurrency=concurrency,
        clock=lambda: 1_000.0,
        now=lambda: 1732400002.5,
    )


def work(worker: Worker, *batch: Delivered) -> Report:
    return worker.work(batch, received_at=1732400001000.0, remaining_ms=PLENTY_MS)


def test_a_recognised_image_is_stored_with_its_whole_passage() -> None:
    results = Results()

    report = work(worker(Recognition(), results), delivered("m1", b"cat", measured=True), delivered("m2", b"dog"))

    assert report == Report(records=2, recognised=2, throttled=4, retried=4)
    by_id = {result.request_id: result for result in results.written}
    assert by_id["id-m1"] == Result(
        request_id="id-m1",
        buffer="sqs",
        status=Status.SUCCEEDED,
        labels=(Label("Cat", 93.25),),
        reason=None,
        model_version="local",
        passage=Passage(1732400000123, 1732400001000.0, 1732400002500.0, 2, 3, 350.5, "env"),
        measurement=Measurement("r1", 7, 1732400000100.5),
    )
    assert by_id["id-m2"].measurement is None


def test_only_the_first_batch_is_cold_but_all_of_it() -> None:
    results = Results()
    one = worker(Recognition(), results)
    work(one, delivered("m1", b"cat"), delivered("m2", b"cat"))
    work(one, delivered("m3", b"cat"))

    assert [result.passage.init_ms for result in results.written] == [350.5, 350.5, 0.0]


def test_a_refused_image_is_a_failed_result_and_no_failure() -> None:
    results = Results()

    report = work(worker(Recognition({b"text": REFUSED}), results), delivered("m1", b"text"))

    assert report == Report(records=1, refusals=[Refusal("id-m1", REFUSED.reason)])
    (result,) = results.written
    assert (result.status, result.labels, result.reason) == (Status.FAILED, (), REFUSED.reason)
    assert (result.model_version, result.passage.attempts) == (None, 1)


def test_one_bad_record_fails_alone() -> None:
    results = Results()
    batch = [delivered("m1", b"a"), Delivered("m2", "no record"), delivered("m3", b"c")]

    report = work(worker(Recognition(), results), *batch)

    assert report.failed_tokens == ["m2"]
    assert report.failures[0].request_id is None
    assert sorted(result.request_id for result in results.written) == ["id-m1", "id-m3"]


def test_a_bad_record_that_names_its_request_is_answered_and_keeps_its_measurement() -> None:
    results = Results()
    body = json.loads(delivered("m1", b"a", measured=True).body)
    body["request"]["image"] = {"bytes": "not base64"}

    report = work(worker(Recognition(), results), Delivered("m1", json.dumps(body)))

    assert report.failures == []
    (result,) = results.written
    assert (result.request_id, result.status, result.buffer) == ("id-m1", Status.FAILED, "sqs")
    assert result.reason is not None
    assert result.reason.startswith("InvalidRequest: image bytes are not base64")
    assert result.measurement == Measurement("r1", 7, 1732400000100.5)
    assert result.passage.accepted_at == 1732400000123


def test_a_request_without_a_readable_time_of_acceptance_counts_from_its_arrival() -> None:
    results = Results()

    work(worker(Recognition(), results), Delivered("m1", '{"request_id": "id1"}'))

    assert results.written[0].passage.accepted_at == 1732400001000.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(THROTTLED, "out of time: ThrottlingException: Slow down", id="throttled to the deadline"),
        pytest.param(
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DetectLabels"),
            "ClientError: An error occurred (AccessDeniedException)",
            id="a permission is missing",
        ),
        pytest.param(RuntimeError("a defect"), "RuntimeError: a defect", id="a defect of ours"),
    ],
)
def test_what_could_not_be_recognised_is_handed_back_and_leaves_no_result(answer: Answer, reason: str) -> None:
    results = Results()

    report = work(worker(Recognition({b"b": answer}), results), delivered("m1", b"a"), delivered("m2", b"b"))

    assert report.failed_tokens == ["m2"]
    assert report.failures[0].reason.startswith(reason)
    assert [result.request_id for result in results.written] == ["id-m1"]


def test_handed_back_and_delivered_again_it_is_done() -> None:
    recognition, results = Recognition({b"b": THROTTLED}), Results()
    one = worker(recognition, results)
    failed = work(one, delivered("m1", b"a"), delivered("m2", b"b"))
    recognition.answers = {}
    again = work(one, delivered("m2", b"b"))

    assert failed.failures == [Failure("m2", "id-m2", f"out of time: {THROTTLED.reason}")]
    assert again == Report(records=1, recognised=1, throttled=2, retried=2)
    assert sorted(result.request_id for result in results.written) == ["id-m1", "id-m2"]


def test_a_result_the_table_does_not_take_is_handed_back() -> None:
    results = Results()
    results.refuse = {"id-m1"}

    report = work(worker(Recognition(), results), delivered("m1", b"a"))

    assert report.failures[0].request_id == "id-m1"
    assert "ThrottlingException" in report.failures[0].reason


ASKED = {"callback_url": "https://example.com/", "attach": "0f" * 32, "connection_id": "L0SM9cOFvHcCIhw="}


@pytest.mark.parametrize("image", [b"cat", b"text"], ids=["succeeded", "failed"])
def test_whoever_asked_is_told_once_the_result_is_written(image: bytes) -> None:
    results = Results()
    notifier = Notifier(results)

    report = work(worker(Recognition({b"text": REFUSED}), results, notifier=notifier), delivered("m1", image, **ASKED))

    assert report.failures == []
    assert notifier.told == [Notification("id-m1", **ASKED)]
    assert notifier.written_before == [["id-m1"]]
    assert results.written[0].attach == "0f" * 32


def test_a_request_that_cannot_be_read_is_told_to_whom_of_its_own_can_be() -> None:
    results, notifier = Results(), Notifier()
    body = json.loads(delivered("m1", b"a", **ASKED).body)
    body["request"]["image"] = {"bytes": "not base64"}
    body["request"]["attach"] = "no hash"

    work(worker(Recognition(), results, notifier=notifier), Delivered("m1", json.dumps(body)))

    assert notifier.told == [Notification("id-m1", ASKED["callback_url"], ASKED["connection_id"], None)]
    assert (results.written[0].status, results.written[0].attach) == (Status.FAILED, None)


def test_who_could_not_be_told_is_told_at_the_next_delivery_and_the_image_is_recognised_once() -> None:
    recognition, results, notifier = Recognition(), Results(), Notifier()
    notifier.refuse = 2
    one = worker(recognition, results, notifier=notifier)

    reports = [work(one, delivered("m1", b"a", **ASKED)) for _ in range(4)]

    assert [report.failed_tokens for report in reports] == [["m1"], ["m1"], [], []]
    assert "ThrottlingException" in reports[0].failures[0].reason
    assert reports[0].failures[0].request_id == "id-m1"
    assert recognition.calls == [b"a"]
    # Told once, and delivered once more than that: it had been told.
    assert notifier.told == [Notification("id-m1", **ASKED)]
    assert results.counted == ["id-m1"] * 3


def test_what_is_not_written_is_not_told() -> None:
    results, notifier = Results(), Notifier()
    results.refuse = {"id-m1"}

    work(worker(Recognition(), results, notifier=notifier), delivered("m1", b"a", **ASKED))

    assert notifier.told == []


def test_an_aggregate_delivered_again_pays_only_for_what_is_missing() -> None:
    recognition, results = Recognition({b"c": THROTTLED}), Results()
    one = worker(recognition, results)
    aggregate = [delivered("seq", image, f"id-{n}") for n, image in enumerate([b"a", b"b", b"c"])]
    first = work(one, *aggregate)
    recognition.answers = {}
    second = work(one, *aggregate)

    assert first.failed_tokens == ["seq"]
    assert (second.failed_tokens, second.repeated, second.recognised) == ([], 2, 1)
    assert sorted(recognition.calls) == [b"a", b"b", b"c", b"c"]
    assert sorted(results.counted) == ["id-0", "id-1"]


def test_what_was_not_stored_is_not_remembered() -> None:
    recognition, results = Recognition(), Results()
    one = worker(recognition, results)
    results.refuse = {"id-m1"}
    work(one, delivered("m1", b"a"))
    results.refuse = set()
    work(one, delivered("m1", b"a"))

    assert recognition.calls == [b"a", b"a"]
    assert results.counted == []


def test_tokens_are_named_once_and_in_the_order_of_the_batch() -> None:
    recognition = Recognition({b"x": THROTTLED})
    batch = [delivered(token, b"x", f"id-{n}") for n, token in enumerate(["3", "1", "3", "2", "1"])]

    assert work(worker(recognition, Results()), *batch).failed_tokens == ["3", "1", "2"]


def test_an_empty_batch_is_no_work() -> None:
    assert work(worker(Recognition(), Results())) == Report()


def test_the_deadline_leaves_a_second_for_the_last_writes_and_the_answer() -> None:
    recognition = Recognition()
    worker(recognition, Results()).work([delivered("m1", b"a")], received_at=0, remaining_ms=30_000)

    assert recognition.deadlines == {1_000.0 + 30 - 1}


class Blocked(Recognition):
    """Holds every call until it is released; counts how many are inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.full = threading.Semaphore(0)

    def recognise(self, image: InlineImage | StoredImage, deadline: float) -> Recognised | Refused | OutOfTime:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.full.release()
        assert self.released.wait(60)
        with self.lock:
            self.inside -= 1
        return super().recognise(image, deadline)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.released.set()


def test_a_batch_is_at_work_at_once_as_far_as_the_settings_allow(blocked: Blocked) -> None:
    one = worker(blocked, Results(), concurrency=3)
    reports: list[Report] = []
    batch = [delivered(str(n), b"a", f"id{n}") for n in range(10)]
    thread = threading.Thread(target=lambda: reports.append(work(one, *batch)))
    thread.start()
    for _ in range(3):
        assert blocked.full.acquire(timeout=60)
    blocked.released.set()
    thread.join()

    assert blocked.most == 3
    assert reports[0].recognised == 10


def test_what_hangs_past_the_deadline_and_what_was_not_begun_are_handed_back(blocked: Blocked) -> None:
    results = Results()
    one = worker(blocked, results, concurrency=1)

    # The margin and no time beside it: the worker looks once and hands back what is not done.
    report = one.work([delivered("m1", b"a"), delivered("m2", b"b")], received_at=0, remaining_ms=1_000)

    assert report.failed_tokens == ["m1", "m2"]
    assert all(failure.reason.startswith("out of time: ") for failure in report.failures)
    assert results.written == []


def test_what_was_handed_back_before_it_was_begun_is_not_begun_later(blocked: Blocked) -> None:
    one = worker(blocked, Results(), concurrency=1)
    one.work([delivered("m1", b"a"), delivered("m2", b"b")], received_at=0, remaining_ms=1_000)
    blocked.released.set()
    work(one, delivered("m3", b"c"))

    assert b"b" not in blocked.calls


def test_a_worker_goes_on_after_a_batch_that_hung(blocked: Blocked) -> None:
    results = Results()
    one = worker(blocked, results, concurrency=1)
    one.work([delivered("m1", b"a")], received_at=0, remaining_ms=1_000)
    blocked.released.set()

    report = work(one, delivered("m2", b"b"))

    assert report.failed_tokens == []
    assert "id-m2" in [result.request_id for result in results.written]


kinds = st.sampled_from(["seen", "refused", "throttled", "raises", "invalid", "garbage", "table"])


@given(st.lists(st.tuples(kinds, st.integers(0, 3)), max_size=12))
def test_every_record_is_stored_or_handed_back_whatever_its_neighbours_are(kinds: list[tuple[str, int]]) -> None:
    answers: dict[bytes, Answer] = {b"refused": REFUSED, b"throttled": THROTTLED, b"raises": RuntimeError("x")}
    recognition, results = Recognition(answers), Results()
    batch = []
    for number, (kind, token) in enumerate(kinds):
        record = delivered(str(token), kind.encode(), f"id{number}")
        if kind == "garbage":
            record = replace(record, body=b"\xff")
        elif kind == "invalid":
            record = replace(record, body=json.dumps({"request_id": f"id{number}"}))
        elif kind == "table":
            results.refuse.add(f"id{number}")
        batch.append(record)

    report = work(worker(recognition, results), *batch)

    failed = {"throttled", "raises", "garbage", "table"}
    assert report.failed_tokens == list(dict.fromkeys(str(token) for kind, token in kinds if kind in failed))
    stored = sorted(result.request_id for result in results.written)
    assert stored == sorted(f"id{number}" for number, (kind, _) in enumerate(kinds) if kind not in failed)
    assert report.recognised == sum(kind == "seen" for kind, _ in kinds)
    assert len(report.refusals) == sum(kind in {"refused", "invalid"} for kind, _ in kinds)
