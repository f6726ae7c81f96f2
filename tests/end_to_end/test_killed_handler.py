"""A handler's process is killed in the middle of its work: nothing that was accepted is lost."""

import contextlib
from collections.abc import Iterator

import psutil
import pytest

from tests.end_to_end.conftest import Running, photo, running, until

pytestmark = pytest.mark.end_to_end

REQUESTS = 12


@pytest.fixture(scope="module")
def slow() -> Iterator[Running]:
    """Slow enough to be killed at work, and with AWS's waits of minutes cut to seconds.

    A queue should hide what it gives for six times as long as the function may take. Here it is as short as the
    template allows, and the function's time as long as that allows: on a busy machine a start alone takes seconds.
    """
    with running(
        *("--rekognition-median-ms", "1000", "--account-concurrency", "5"),
        *("--parameter", "FunctionTimeout=18", "--parameter", "SqsVisibilityTimeout=18"),
        *("--quota", "async_first_retry_s=1", "--quota", "async_second_retry_s=1"),
    ) as up:
        yield up


@pytest.mark.parametrize("buffer", ["sns", "sqs", "kinesis", "kinesis-efo"])
def test_every_accepted_request_ends_in_one_result_though_handlers_are_killed_at_work(
    slow: Running, buffer: str
) -> None:
    answers = [slow.post(buffer, photo("camera.jpg")) for _ in range(REQUESTS)]
    assert {answer.status_code for answer in answers} == {202}
    at_work = until(
        lambda: slow.state(buffer)["in_flight"] and slow.handlers(buffer.partition("-")[0]), "a handler at work"
    )
    for handler in at_work:
        with contextlib.suppress(psutil.NoSuchProcess):
            handler.kill()
    results = [slow.result(answer.json()["request_id"]) for answer in answers]
    assert [result["status"] for result in results] == ["SUCCEEDED"] * REQUESTS
    until(lambda: slow.state(buffer)["completed"] == REQUESTS, "an end to every delivery")
    state = slow.state(buffer)
    assert (state["accepted"], state["backlog"], state["dead_lettered"]) == (REQUESTS, 0, 0)
