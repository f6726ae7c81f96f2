import pytest

from loadtest._observation import Observation
from loadtest._time_left import TimeLeft

SENDS_S, CUT_OFF_S = 20.0, 60.0


def observation(completed, backlog, dead_lettered=0):
    return Observation("sqs", 0.0, 0, 0, completed, dead_lettered, backlog, 0, 1, 0, 0, None)


def left_after(*seen):
    """What is said at the last of some seconds, each told as second, completed, backlog (and dead letters)."""
    time_left = TimeLeft(SENDS_S, CUT_OFF_S)
    left = None
    for second, *told in seen:
        left = time_left.observed(second, observation(*told))
    return left


@pytest.mark.parametrize(
    ("why", "seen", "left"),
    [
        ("nothing waits: until all is sent", [(5, 50, 0)], 15),
        ("sent and empty", [(25, 400, 0)], 0),
        ("sending: what waits is worked off afterwards, at 10/s", [(5, 50, 0), (10, 100, 300)], 10 + 30),
        ("draining, at the 20/s of the last ten seconds", [(20, 100, 300), (30, 300, 100)], 5),
        ("a dead letter is an end, too", [(20, 100, 300, 0), (30, 200, 100, 100)], 5),
        ("slower than before: what was fast is over", [(20, 400, 100), (30, 450, 50), (40, 460, 40)], 40),
        ("nothing ends: nothing can be said", [(20, 100, 50), (30, 100, 50), (40, 100, 50)], None),
        ("two seconds say little", [(2, 20, 30)], None),
        ("not beyond the cut-off", [(20, 100, 900), (30, 110, 890)], 50),
        ("past the cut-off there is none", [(85, 100, 900)], 0),
        ("a target that does not tell what ended", [(5, None, 20)], None),
        ("a target that does not tell what waits", [(5, 20, None)], None),
    ],
)
def test_it_is_told_from_how_it_went_so_far(why, seen, left):
    assert left_after(*seen) == (left if left is None else pytest.approx(left)), why
