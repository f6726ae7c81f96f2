import pytest

from consumers.callback_policy import Done, Later, Never, Policy
from consumers.callback_post import Answered, NoAnswer, NotCalled, Outcome

NOW = 1_764_160_000.0  # Wed, 26 Nov 2025 12:26:40 GMT
POLICY = Policy(maximum_attempts=8, first_retry_s=5, timeout_s=10)


def test_the_pauses_double_from_the_first_up_to_a_quarter_of_an_hour() -> None:
    pauses = [POLICY.pause_s(attempt) for attempt in range(1, 12)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]


def test_no_number_of_attempts_makes_a_pause_that_is_no_number() -> None:
    assert POLICY.pause_s(100_000) == 900


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_an_acknowledgement_even_of_the_last_attempt(status: int) -> None:
    assert POLICY.verdict(Answered(status), 8, NOW) == Done()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_a_status_that_may_change_is_tried_again_and_given_up_at_the_last_attempt(status: int) -> None:
    assert POLICY.verdict(Answered(status), 1, NOW) == Later(f"it answered {status}", 5)
    assert POLICY.verdict(Answered(status), 7, NOW) == Later(f"it answered {status}", 320)
    assert POLICY.verdict(Answered(status), 8, NOW) == Never(f"it answered {status}")


@pytest.mark.parametrize(
    "status", [100, 101, 103, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 408, 410, 451, 600, 999]
)
def test_any_other_status_is_given_up_at_once(status: int) -> None:
    assert POLICY.verdict(Answered(status, "1"), 1, NOW) == Never(f"it answered {status}")


def test_no_answer_is_tried_again_and_a_url_that_is_not_called_is_not() -> None:
    assert POLICY.verdict(NoAnswer("slow"), 2, NOW) == Later("slow", 10)
    assert POLICY.verdict(NoAnswer("slow"), 8, NOW) == Never("slow")
    assert POLICY.verdict(NotCalled("private"), 1, NOW) == Never("private")


@pytest.mark.parametrize(
    ("retry_after", "pause_s"),
    [
        ("60", 60),
        (" 60 ", 60),
        ("900", 900),
        ("901", 900),
        ("9" * 5_000, 900),
        ("2", 5),
        ("0", 5),
        ("Wed, 26 Nov 2025 12:27:40 GMT", 60),
        ("Wed, 26 Nov 2025 12:27:40", 60),
        ("Wed, 26 Nov 2025 13:27:40 +0100", 60),
        ("Wed, 26 Nov 2025 12:00:00 GMT", 5),
        ("Thu, 26 Nov 2099 12:00:00 GMT", 900),
        ("Wednesday, 26-Nov-25 12:27:40 GMT", 60),
        ("Wed Nov 26 12:27:40 2025", 60),
        ("-60", 5),
        ("1e9", 5),
        ("\u0666\u0660", 5),
        ("tomorrow", 5),
        ("Wed, 99 Nov 2025 99:99:99 GMT", 5),
        ("Wed, 26 Nov 99999999999 12:00:00 GMT", 5),
        ("", 5),
        (None, 5),
    ],
)
def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks_within_reason(
    retry_after: str | None, pause_s: float
) -> None:
    for status in (429, 503):
        outcome: Outcome = Answered(status, retry_after)
        assert POLICY.verdict(outcome, 1, NOW) == Later(f"it answered {status}", pause_s)


def test_only_a_busy_receiver_is_asked_when_it_likes() -> None:
    assert POLICY.verdict(Answered(500, "60"), 1, NOW) == Later("it answered 500", 5)
