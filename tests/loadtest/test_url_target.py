import time
from datetime import UTC, datetime

import gevent
import pytest

from loadtest._dispatcher import Dispatcher
from loadtest._embedded_target import EmbeddedTarget
from loadtest._image import prepare
from loadtest._schedule import draw
from loadtest._sender import RawSender
from loadtest._target import TargetError
from loadtest._turn import Turn
from loadtest._url_target import UrlTarget
from loadtest._way import Way
from loadtest._workload import read
from pipeline.run import REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter
from pipeline.workload_file import find


@pytest.fixture
def api(stand_in):
    embedded = EmbeddedTarget(stand_in)
    embedded.open(read(find("smoke")))
    yield embedded.api_url
    embedded.close()


def test_what_became_of_each_accepted_request_is_asked_by_its_id(api, tmp_path):
    workload = read(find("smoke"))
    target = UrlTarget(api)
    target.open(workload)
    images = tuple(prepare(choice) for choice in workload.images[:1])
    schedule = draw(workload.rate, 1, [1])
    turn = Turn(Way("sqs", "sqs"), api, "r1.sqs", schedule, images, time.time())
    with RowWriter(tmp_path / "requests-0.rows", REQUEST_COLUMNS) as rows:
        dispatcher = Dispatcher(
            turn,
            RawSender(turn),
            rows,
            lambda *_: None,
            lambda sequence, request_id: target.accepted("r1.sqs", sequence, request_id),
        )
        dispatcher.run()

    until = time.monotonic() + 100
    while target.state("sqs", "r1.sqs").ended < len(schedule):
        assert time.monotonic() < until
        gevent.sleep(0.05)

    results = [dict(zip(RESULT_COLUMNS, row, strict=True)) for row in target.results("sqs", "r1.sqs")]
    assert sorted(row["sequence"] for row in results) == list(schedule.sequences)
    assert {(row["buffer"], row["status"]) for row in results} == {("sqs", "SUCCEEDED")}
    assert list(target.dead_letters("sqs", "r1.sqs", datetime.now(UTC))) == []
    assert target.state("sns", "r1.sns").ended == 0
    target.close()


def test_a_request_without_an_end_yet_stays_waiting(api):
    target = UrlTarget(api)
    target.open(read(find("smoke")))
    target.accepted("r1.sqs", 0, "never/heard of?")

    assert target.state("sqs", "r1.sqs").completed == 0
    assert target.state("sqs", "r1.sqs").completed == 0
    assert list(target.results("sqs", "r1.sqs")) == []


def test_an_api_that_answers_no_question_is_an_error_that_says_so():
    nowhere = UrlTarget("http://127.0.0.1:1/prod")
    nowhere.open(read(find("smoke")))
    nowhere.accepted("r1.sqs", 0, "r1")

    with pytest.raises(TargetError, match=r"GET /v1/requests/\{id\} fails"):
        nowhere.state("sqs", "r1.sqs")


def test_a_question_that_fails_once_is_asked_again(api, monkeypatch):
    target = UrlTarget(api)
    target.open(read(find("smoke")))
    for sequence in range(3):
        target.accepted("r1.sqs", sequence, f"nobody-{sequence}")
    ask = target._ask
    monkeypatch.setattr(target, "_ask", lambda name: TargetError("reset") if name == "nobody-1" else ask(name))
    assert target.state("sqs", "r1.sqs").completed == 0

    monkeypatch.setattr(target, "_ask", lambda name: {"status": "SUCCEEDED"})

    assert target.state("sqs", "r1.sqs").completed == 3


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://host", "http://", "//host/stage"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(TargetError, match="is no URL"):
        UrlTarget(url)


@pytest.mark.parametrize("url", ["http://host/stage?key=1", "http://host/#top"])
def test_a_url_that_a_path_cannot_follow_is_refused(url):
    with pytest.raises(TargetError, match="a query belongs to a workload's route"):
        UrlTarget(url)
