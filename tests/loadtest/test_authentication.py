"""What requests of a load show of themselves, and what of it is told to workers."""

import json
import time
from dataclasses import asdict, replace

import pytest

from loadtest._authentication import AT_HAND, NOTHING, Showing
from loadtest._connections import Reply
from loadtest._image import LoadImage
from loadtest._schedule import draw
from loadtest._sender import RawSender
from loadtest._target import TargetError
from loadtest._turn import Turn
from loadtest._way import Way
from local.authentication.identities import Identity, by_access_key
from local.authentication.signature import Signatures
from local.wire import WireRequest
from pipeline.rate import Knot, Rate

URL = "https://abc123.execute-api.eu-west-1.amazonaws.com/live"
READY = {"AWS_ACCESS_KEY_ID": "forebay-local", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("IAM", {"Host", "x-amz-date", "Authorization"}),
        ("API_KEY", {"Host", "x-api-key"}),
        ("IAM_AND_API_KEY", {"Host", "x-amz-date", "Authorization", "x-api-key"}),
        ("NONE", {"Host"}),
    ],
)
def test_the_embedded_aws_is_shown_what_its_ready_line_says(alone, mode, shown):
    showing = Showing.of_embedded({"Authentication": mode}, {**READY, "FOREBAY_API_KEY": "key"})

    assert set(showing.to("http://127.0.0.1:1/live").headers("GET", "http://127.0.0.1:1/live", {})) == shown


def test_one_that_does_not_say_what_it_asks_is_shown_nothing(alone):
    showing = Showing.of_embedded({}, READY)

    assert set(showing.to("http://127.0.0.1:1").headers("GET", "http://127.0.0.1:1", {})) == {"Host"}


def test_a_worker_reads_what_it_was_told(alone):
    for showing in (NOTHING, Showing.of_embedded({"Authentication": "IAM"}, READY), Showing("IAM", api_key_id="k")):
        assert Showing.from_message(json.loads(json.dumps(asdict(showing)))) == showing


def test_a_worker_of_a_stack_shows_what_its_own_machine_has(alone):
    showing = Showing("IAM_AND_API_KEY")
    assert showing.access_key is None, "no secret goes over the wire"

    with pytest.raises(TargetError, match="set FOREBAY_API_KEY"):
        showing.to(URL)
    alone.setenv("FOREBAY_API_KEY", "key of this machine")
    with pytest.raises(TargetError, match="no AWS credentials: set AWS_PROFILE"):
        showing.to(URL)
    alone.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    shown = showing.to(URL).headers("GET", URL, {})

    assert shown["x-api-key"] == "key of this machine"
    assert "Credential=AKIAMINE/" in shown["Authorization"]


def test_a_url_is_shown_what_is_at_hand(alone):
    at = replace(NOTHING, mode=AT_HAND)
    assert set(at.to(URL + "/1").headers("GET", URL, {})) == {"Host"}

    alone.setenv("FOREBAY_API_KEY", "key")
    assert set(at.to(URL + "/2").headers("GET", URL, {})) == {"Host", "x-api-key"}


class Taking:
    """Connections that take whatever they are sent."""

    def __init__(self):
        self.sent = []

    def post(self, body, further=b""):
        self.sent.append((body, dict(line.split(": ", 1) for line in further.decode().splitlines())))
        return Reply(202, b'{"request_id": "id1"}', 21)

    def close(self):
        pass


def sent_by(showing):
    """What the raw sender sends of a turn with two images and groups."""
    images = (
        LoadImage("small", b"abc", None, b'{"image":{"bytes":"YWJj"},"run":{"id":'),
        LoadImage("large", b"x" * 1_000, "k.jpg", b'{"image":{"key":"k.jpg"},"run":{"id":'),
    )
    schedule = draw(Rate([Knot(0, 20), Knot(1, 20)]), 3, [3, 1], None)
    turn = Turn(Way("sqs", "sqs"), "http://127.0.0.1:1/live", "r1", schedule, images, time.time(), showing=showing)
    sender = RawSender(turn)
    sender._connections = connections = Taking()
    for index in range(len(schedule.times)):
        assert sender.send(index).accepted
    return connections.sent


def test_each_request_of_a_load_is_signed_over_its_own_body(alone):
    sent = sent_by(Showing.of_embedded({"Authentication": "IAM"}, READY))
    identity = replace(Identity.user("forebay-local", "000000000000"), secret_access_key="s")
    signatures = Signatures(by_access_key([identity]), "us-east-1")

    assert len({body for body, _ in sent}) == len(sent) > 10
    for body, shown in sent:
        given = {"Host": "127.0.0.1:1", "Content-Type": "application/json", **shown}
        headers = {name.lower(): value for name, value in given.items()}
        request = WireRequest("POST", "/live/v1/sqs/images", "", headers, body)
        assert signatures.check(request, time.time()) == identity


def test_where_nothing_is_asked_no_line_is_added(alone):
    assert all(shown == {} for _, shown in sent_by(NOTHING))
