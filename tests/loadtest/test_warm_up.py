import gevent
import pytest

from loadtest._image import LoadImage
from loadtest._target import TargetError
from loadtest._warm_up import warm_up
from pipeline.request import StoredImage
from producers.answer import Answer
from producers.api_error import ApiError, NoResultError


class FakeClient:
    def __init__(self, failures=()):
        self.failures, self.images = list(failures), []
        self.busy = self.most_at_once = 0

    def recognise(self, image, timeout_s):
        self.images.append(image)
        self.busy += 1
        self.most_at_once = max(self.busy, self.most_at_once)
        gevent.sleep(0)
        self.busy -= 1
        if self.failures:
            raise self.failures.pop()
        return Answer("r", "SUCCEEDED", (), None)


@pytest.mark.parametrize(
    ("image", "sent"),
    [(LoadImage("a", b"abc", None, b""), b"abc"), (LoadImage("a", b"abc", "k.jpg", b""), StoredImage("", "k.jpg"))],
)
def test_a_way_is_warmed_up_in_steps_of_two_to_as_many_requests_at_once_as_asked_for(image, sent):
    client = FakeClient()

    warm_up(client, image, 5, "callback")

    assert client.images == [sent] * (2 + 4 + 5)
    assert client.most_at_once == 5


@pytest.mark.parametrize(("requests", "steps"), [(1, [1]), (2, [2]), (6, [2, 4, 6]), (7, [2, 4, 6, 7])])
def test_the_last_step_is_the_number_itself(requests, steps):
    client = FakeClient()

    warm_up(client, LoadImage("a", b"abc", None, b""), requests, "callback")

    assert len(client.images) == sum(steps)


def test_what_fails_on_the_way_is_no_matter():
    warm_up(FakeClient([NoResultError("it was still starting")] * 6), LoadImage("a", b"abc", None, b""), 5, "callback")


@pytest.mark.parametrize("error", [ApiError(503, "down"), NoResultError("nothing came")])
def test_a_way_that_does_not_work_is_said_before_its_turn(error):
    with pytest.raises(TargetError, match=rf"2 of 5 requests to warm callback up failed: {error}"):
        warm_up(FakeClient([error] * 8), LoadImage("a", b"abc", None, b""), 5, "callback")
