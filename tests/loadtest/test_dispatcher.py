import socket
import time

import gevent
import pytest
import requests

from benchmarks.fast_server import fast_server
from loadtest._counts import Counts
from loadtest._dispatcher import Dispatcher
from loadtest._image import LoadImage
from loadtest._schedule import draw
from loadtest._sender import TIMEOUT_S, RawSender
from loadtest._turn import Turn
from loadtest._validity import examine
from loadtest._way import Way
from pipeline.rate import Knot, Rate
from pipeline.run import REQUEST_COLUMNS, RowWriter, RunFolder, read_rows

IMAGES = (
    LoadImage("small", b"abc", None, b'{"image":{"bytes":"YWJj"},"run":{"id":'),
    LoadImage("large", b"x" * 1_000, "k.jpg", b'{"image":{"key":"k.jpg"},"run":{"id":'),
)


@pytest.fixture
def dispatch(tmp_path):
    """Runs a turn to its end; answers with its counts, its rows and what the dispatcher told."""

    def run(url, rate, *, images=IMAGES, run_id="r1", groups=None, kill_after=None, timeout_s=TIMEOUT_S, **limits):
        schedule = draw(rate, 3, [3, 1], groups)
        turn = Turn(Way("sqs", "sqs"), f"{url}/prod", run_id, schedule, images, time.time() + 0.1)
        told = {"answered": [], "accepted": []}
        with RowWriter(tmp_path / "requests-0.rows", REQUEST_COLUMNS) as rows:
            dispatcher = Dispatcher(
                turn,
                RawSender(turn, timeout_s=timeout_s),
                rows,
                lambda *answer: told["answered"].append(answer),
                lambda *ids: told["accepted"].append(ids),
                **limits,
            )
            sending = gevent.spawn(dispatcher.run)
            if kill_after is not None:
                sending.join(kill_after)
                sending.kill()
            sending.join()
            assert sending.exception is None
        return schedule, dispatcher.counts, list(read_rows(tmp_path / "requests-0.rows")), told

    return run


def flat(rate, seconds):
    return Rate([Knot(0, rate), Knot(seconds, rate)])


def test_every_arrival_is_sent_once_and_on_record_once(answering_server, dispatch):
    url = answering_server()

    schedule, counts, rows, told = dispatch(url, flat(200, 1))

    asked = requests.get(f"{url}/told", timeout=5).json()
    assert sorted(row["sequence"] for row in rows) == list(schedule.sequences) == sorted(asked["sequences"])
    assert counts == Counts(offered=len(schedule), accepted=len(schedule))
    assert {row["status"] for row in rows} == {202}
    assert {(row["sequence"], row["request_id"]) for row in rows} == set(told["accepted"])
    assert len({row["request_id"] for row in rows}) == len(rows)
    assert len(told["answered"]) == len(rows)
    assert all(failure is None for _, _, failure in told["answered"])


def test_a_request_carries_its_run_its_time_and_the_image_of_the_schedule(answering_server, dispatch):
    url = answering_server()

    schedule, _, rows, _ = dispatch(url, flat(50, 0.5), run_id='a "run"')

    asked = requests.get(f"{url}/told", timeout=5).json()["bodies"]
    assert len(rows) == len(schedule) > 0
    for row in rows:
        body = asked[str(row["sequence"])]
        image = IMAGES[schedule.images[row["sequence"]]]
        assert body["id"] == 'a "run"'
        assert body["path"] == "/prod/v1/sqs/images"
        assert body["intended_at"] == pytest.approx(row["intended_at"], abs=0.001)
        assert ("key" in body["image"]) == (image.key is not None)
        assert (row["image"], row["bytes"]) == (image.name, len(image.data))


def test_a_request_names_its_group_where_the_load_has_groups(answering_server, dispatch):
    url = answering_server()

    schedule, _, rows, _ = dispatch(url, flat(50, 0.5), groups=[1, 1, 1])

    asked = requests.get(f"{url}/told", timeout=5).json()["bodies"]
    assert len(rows) == len(schedule) > 0
    assert [asked[str(n)]["group"] for n in schedule.sequences] == [f"g{group}" for group in schedule.groups]
    assert len(set(schedule.groups)) == 3
    assert {row["sequence"]: row["group"] for row in rows} == {
        sequence: asked[str(sequence)]["group"] for sequence in schedule.sequences
    }


def test_a_stalled_server_holds_back_no_request_and_the_stall_is_in_the_latency(answering_server, dispatch):
    url = answering_server("--stall-after", "60", "--stall-s", "1.5")

    schedule, _, rows, told = dispatch(url, flat(150, 2))

    asked = requests.get(f"{url}/told", timeout=5).json()
    began, ends = asked["stall_began"] * 1_000, asked["stall_ends"] * 1_000
    stalled = [row for row in rows if began + 50 < row["intended_at"] < ends - 300]
    assert len(stalled) > 50
    # Each left before the stall was over, as the schedule wanted, and waited for the rest of it.
    assert all(row["sent_at"] < ends for row in stalled)
    assert all(row["responded_at"] >= ends for row in stalled)
    assert max(latency for latency, _, _ in told["answered"]) >= ends - min(row["intended_at"] for row in stalled)
    assert len(rows) == len(schedule)


def test_a_generator_that_is_held_up_says_so_and_counts_it_into_the_latency(answering_server, dispatch):
    url = answering_server()
    held = []

    def hold_up():
        gevent.sleep(0.4)
        held.append(time.time() * 1_000)
        time.sleep(0.5)  # the whole process, as a pause of the machine would
        held.append(time.time() * 1_000)

    gevent.spawn(hold_up)
    schedule, _, rows, told = dispatch(url, flat(100, 1))

    late = [row for row in rows if held[0] < row["intended_at"] < held[1]]
    assert len(late) > 10
    assert all(row["sent_at"] >= held[1] for row in late)
    assert len(rows) == len(schedule)
    assert [latency for latency, _, _ in told["answered"]] == pytest.approx(
        [row["responded_at"] - row["intended_at"] for row in rows]
    )


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (("--status", "429", "--body", '{"message": "slow down"}'), 429, "slow down"),
        (("--status", "503", "--body", ""), 503, "HTTP 503"),
        (("--status", "200"), 200, "rNUMBER"),  # 2xx, but not the one that says accepted
        (("--status", "500", "--body", "x" * 5_000), 500, "x" * 200),
    ],
)
def test_an_answer_other_than_202_is_rejected_with_its_reason(answering_server, dispatch, behaviour, status, error):
    schedule, counts, rows, told = dispatch(answering_server(*behaviour), flat(50, 0.3))

    assert counts == Counts(offered=len(schedule), rejected=len(schedule))
    assert {row["status"] for row in rows} == {status}
    assert all(error.partition("NUMBER")[0] in row["error"] and len(row["error"]) <= 200 for row in rows)
    assert all(row["request_id"] is None for row in rows)
    assert {str(failure) for _, _, failure in told["answered"]} == {f"HTTP {status}"}


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"request_id": 7}', "null", "no json"])
def test_a_202_without_an_id_is_accepted_and_says_so(answering_server, dispatch, body):
    schedule, counts, rows, told = dispatch(answering_server("--body", body), flat(50, 0.3))

    assert counts.accepted == len(schedule)
    assert {row["error"] for row in rows} == {"answered 202 without a request_id"}
    assert told["accepted"] == []


def test_a_closed_port_leaves_every_request_unanswered_on_record(dispatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    schedule, counts, rows, _ = dispatch(f"http://127.0.0.1:{port}", flat(50, 0.3))

    assert counts == Counts(offered=len(schedule), unanswered=len(schedule))
    assert all(row["status"] == 0 and "ConnectionRefused" in row["error"] for row in rows)


def test_broken_connections_are_on_record_and_nothing_is_sent_twice(answering_server, dispatch):
    url = answering_server("--close-every", "3")

    schedule, counts, rows, _ = dispatch(url, flat(100, 0.5))

    asked = requests.get(f"{url}/told", timeout=5).json()["sequences"]
    assert len(asked) == len(set(asked))
    assert len(rows) == len(schedule) == counts.accepted + counts.unanswered
    assert counts.unanswered > 0


def test_a_server_that_never_answers_times_out(answering_server, dispatch):
    url = answering_server("--stall-after", "1", "--stall-s", "30")

    schedule, counts, rows, _ = dispatch(url, flat(50, 0.3), timeout_s=0.5)

    assert counts == Counts(offered=len(schedule), unanswered=len(schedule))
    assert all("timed out" in row["error"] and row["responded_at"] is not None for row in rows)


def test_arrivals_beyond_the_most_in_flight_are_dropped_on_record(answering_server, dispatch):
    url = answering_server("--stall-after", "1", "--stall-s", "1")

    schedule, counts, rows, _ = dispatch(url, flat(100, 0.6), most_in_flight=5)

    dropped = [row for row in rows if row["sent_at"] is None]
    assert counts.dropped == len(dropped) == len(schedule) - counts.accepted > 0
    assert {row["error"] for row in dropped} == {"dropped: 5 requests were in flight"}
    assert len(rows) == len(schedule)


def test_far_beyond_its_limit_it_says_so_and_goes_on_sending(dispatch, tmp_path):
    # No generator in Python sends 40,000 a second, and no turn has so many in flight.
    with fast_server() as url:
        schedule, counts, rows, _ = dispatch(url, flat(40_000, 0.5), most_in_flight=50)
        posted = requests.get(url, timeout=5).json()["posted"]

    assert counts.offered == len(rows) == len(schedule)
    assert sorted(row["sequence"] for row in rows) == list(schedule.sequences)
    # What was not dropped went out and came back, and it was many times what fits in flight.
    assert counts == Counts(offered=len(schedule), accepted=posted, dropped=len(schedule) - posted)
    assert posted > 5 * 50
    generated = examine(RunFolder(tmp_path), {"sqs": len(schedule)})
    assert generated.dropped == counts.dropped
    assert [fault for fault in generated.faults() if "arrivals were never sent" in fault]


def test_a_stopped_turn_has_every_arrival_so_far_on_record(answering_server, dispatch):
    url = answering_server("--stall-after", "20", "--stall-s", "30")

    schedule, counts, rows, _ = dispatch(url, flat(100, 5), kill_after=1.0, grace_s=0.1)

    assert counts.offered == len(rows) < len(schedule)
    assert counts.in_flight == 0
    assert {row["error"] for row in rows if row["status"] == 0} <= {
        "stopped before it was answered",
        "stopped before it was sent",
    }
    assert counts.accepted == sum(row["status"] == 202 for row in rows)


def test_a_stopped_turn_waits_for_the_answers_on_their_way(answering_server, dispatch):
    url = answering_server("--stall-after", "20", "--stall-s", "1")

    _, counts, rows, _ = dispatch(url, flat(100, 5), kill_after=0.7, grace_s=20)

    assert counts.offered == counts.accepted == len(rows)
