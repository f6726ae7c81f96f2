"""What an expectation says of a figure."""

import pytest

from pipeline.expectation import Expectation, ExpectationError, Whole

WHOLE = Whole(accepted=200, bad=3, doomed=1)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("0", [0], [1]),
        ("12", [12], [11, 13]),
        ("<= 10", [0, 10], [10.5]),
        (">=1", [1, 1e9], [0]),
        ("2 to 5", [2, 5], [1, 6]),
        ("<= 10 %", [0, 20], [21]),
        (">= 40 %", [80, 200], [79]),
        ("1 to 2.5 %", [2, 5], [1, 6]),
        ("bad", [3], [2, 4]),
        ("<= bad", [0, 3], [4]),
        (">= bad", [3, 90], [2]),
        ("doomed", [1], [0, 2]),
        ("accepted", [200], [199]),
    ],
)
def test_a_figure_is_as_expected_or_not(text: str, good: list[float], bad: list[float]) -> None:
    expectation = Expectation.parse(f" {text} ")
    assert [expectation.holds(value, WHOLE) for value in good] == [True] * len(good)
    assert [expectation.holds(value, WHOLE) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize("text", ["", "few", "< 3", "5 to 2", "-1", "1 to bad", "10 % %", "nan"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ExpectationError, match="is no expectation"):
        Expectation.parse(text)


def test_a_figure_or_a_whole_that_nobody_knows_is_never_as_expected() -> None:
    assert not Expectation.parse("<= 10").holds(None, WHOLE)
    assert not Expectation.parse("doomed").holds(0, Whole(accepted=200, bad=3, doomed=None))


def test_at_least_a_share_of_nothing_is_nothing() -> None:
    nothing = Whole(accepted=0, bad=0, doomed=0)
    assert Expectation.parse(">= 40 %").holds(0, nothing)
    assert Expectation.parse(">= bad").holds(7, nothing)
    assert not Expectation.parse("<= 10 %").holds(1, nothing)
