import time

import gevent
import pytest
from gevent.event import Event

from loadtest._counts import Counts
from loadtest._dispatcher import Dispatcher
from loadtest._follower import Follower
from loadtest._image import LoadImage
from loadtest._schedule import draw
from loadtest._sender import ClientSender
from loadtest._turn import Turn
from loadtest._way import Way
from pipeline.rate import Knot, Rate
from pipeline.request import StoredImage
from pipeline.result import Status
from pipeline.run import KNOWN_COLUMNS, REQUEST_COLUMNS, RowWriter, read_rows
from producers.answer import Answer, Ticket
from producers.api_error import ApiError, NoResultError
from producers.client import Client

IMAGES = (LoadImage("small", b"abc", None, b""), LoadImage("large", b"x" * 1_000, "k.jpg", b""))


class FakeClient(Client):
    """Takes every request and knows its result after `after_s`; some of them otherwise, by their sequence."""

    def __init__(self, after_s=0.05, *, refuse=None, at_once=False, failing=None, hold=None):
        self.after_s, self.refuse, self.at_once = after_s, refuse or {}, at_once
        self.failing, self.hold = failing or {}, hold
        self.submitted = []

    def submit(self, image, measurement=None):
        self.submitted.append((image, measurement))
        if error := self.refuse.get(measurement.sequence):
            raise error
        answer = Answer(f"r{measurement.sequence}", Status.SUCCEEDED, (), None) if self.at_once else None
        return Ticket(f"r{measurement.sequence}", answer=answer)

    def wait(self, ticket, timeout_s=60.0):
        ticket.calls += 3
        gevent.sleep(self.after_s)
        if error := self.failing.get(ticket.request_id):
            raise error
        if ticket.request_id == self.hold:
            Event().wait(timeout_s)
            raise NoResultError(f"no result after {timeout_s:g} s")
        ticket.answer = Answer(ticket.request_id, Status.SUCCEEDED, (), None)
        return ticket.answer


@pytest.fixture
def follow(tmp_path):
    """Runs a turn by a client; answers with its counts, and the rows of both kinds."""

    def run(client, *, requests_per_s=100, seconds=0.5, timeout_s=10.0, kill_after=None):
        schedule = draw(Rate([Knot(0, requests_per_s), Knot(seconds, requests_per_s)]), 3, [3, 1])
        way = Way("polling-1s", "sqs", "polling", 1.0)
        turn = Turn(way, "http://nowhere", "r1.polling-1s", schedule, IMAGES, time.time() + 0.05)
        counts = Counts()
        told = {"answered": [], "accepted": []}
        with (
            RowWriter(tmp_path / "requests-0.rows", REQUEST_COLUMNS) as rows,
            RowWriter(tmp_path / "known-0.rows", KNOWN_COLUMNS) as known,
        ):
            dispatcher = Dispatcher(
                turn,
                ClientSender(turn, client),
                rows,
                lambda *answer: told["answered"].append(answer),
                lambda *ids: told["accepted"].append(ids),
                counts=counts,
                follower=Follower(turn, client, known, counts, timeout_s),
                grace_s=0.1,
            )
            sending = gevent.spawn(dispatcher.run)
            if kill_after is not None:
                sending.join(kill_after)
                sending.kill()
            sending.join()
            assert sending.exception is None
        sent, known_rows = (list(read_rows(tmp_path / name)) for name in ("requests-0.rows", "known-0.rows"))
        return schedule, counts, sent, known_rows, told

    return run


def test_every_accepted_request_has_a_row_of_when_its_client_knew_and_what_that_cost(follow):
    client = FakeClient()

    schedule, counts, sent, known, told = follow(client)

    assert counts == Counts(offered=len(schedule), accepted=len(schedule), known=len(schedule))
    assert sorted(row["sequence"] for row in known) == list(schedule.sequences)
    by_sequence = {row["sequence"]: row for row in sent}
    for row in known:
        request = by_sequence[row["sequence"]]
        assert (row["buffer"], request["buffer"]) == ("polling-1s", "polling-1s")
        assert row["request_id"] == request["request_id"] == f"r{row['sequence']}"
        assert (row["status"], row["calls"], row["error"]) == ("SUCCEEDED", 4, None)
        assert row["known_at"] >= request["responded_at"] + 40
    assert {row["status"] for row in sent} == {202}
    assert len(told["accepted"]) == len(schedule)


def test_a_request_carries_its_image_and_its_measurement(follow):
    client = FakeClient()

    schedule, _, sent, _, _ = follow(client)

    intended = {row["sequence"]: row["intended_at"] for row in sent}
    for image, measurement in client.submitted:
        large = schedule.images[measurement.sequence] == 1
        assert image == (StoredImage(bucket="", key="k.jpg") if large else b"abc")
        assert measurement.run_id == "r1.polling-1s"
        assert measurement.intended_at == intended[measurement.sequence]


def test_a_client_that_waits_long_holds_back_no_arrival(follow):
    """Each waits a second, and all of half a second's arrivals have left by then."""
    _, _, sent, known, _ = follow(FakeClient(after_s=1.0))

    assert max(row["sent_at"] for row in sent) < min(row["known_at"] for row in known)
    assert max(row["sent_at"] - row["intended_at"] for row in sent) < 500


def test_a_result_that_comes_with_the_answer_is_known_when_that_arrives(follow):
    schedule, counts, sent, known, _ = follow(FakeClient(at_once=True))

    assert counts.known == len(schedule)
    assert {row["status"] for row in sent} == {200}
    assert [row["known_at"] for row in known] == [row["responded_at"] for row in sent]
    assert {row["calls"] for row in known} == {1}


def test_what_is_refused_has_its_status_and_nobody_waits_for_it(follow):
    refuse = {0: ApiError(429, "slow down"), 1: ApiError(0, "no answer"), 2: ApiError(504, "too late")}

    schedule, counts, sent, known, told = follow(FakeClient(refuse=refuse))

    assert (counts.rejected, counts.unanswered, counts.accepted) == (2, 1, len(schedule) - 3)
    statuses = {row["sequence"]: (row["status"], row["error"]) for row in sent}
    assert [statuses[sequence] for sequence in range(3)] == [(429, "slow down"), (0, "no answer"), (504, "too late")]
    assert {row["sequence"] for row in known} == set(range(3, len(schedule)))
    assert [str(failure) for _, _, failure in told["answered"] if failure] == ["HTTP 429", "no answer", "HTTP 504"]


@pytest.mark.parametrize("error", [NoResultError("never"), ApiError(403, "forbidden")])
def test_a_client_that_gives_up_is_on_record_with_the_reason(follow, error):
    schedule, counts, _, known, _ = follow(FakeClient(failing={"r1": error}))

    row = next(row for row in known if row["sequence"] == 1)
    assert (row["known_at"], row["status"], row["error"]) == (None, None, str(error))
    assert counts.known == len(schedule) - 1


def test_no_client_waits_longer_than_its_turn_lets_it(follow):
    _, counts, _, known, _ = follow(FakeClient(hold="r0"), timeout_s=0.2)

    assert next(row for row in known if row["sequence"] == 0)["error"] == "no result after 0.2 s"
    assert counts.known == counts.accepted - 1


def test_a_stopped_turn_has_every_accepted_request_on_record_as_known_or_not(follow):
    _, counts, sent, known, _ = follow(FakeClient(after_s=0.3), seconds=5, kill_after=0.6)

    assert len(known) == counts.accepted == sum(row["status"] == 202 for row in sent)
    unknown = [row for row in known if row["known_at"] is None]
    assert {row["error"] for row in unknown} == {"not known when the turn ended"}
    assert 0 < counts.known == len(known) - len(unknown)
