"""The witness sees what a client could see twice, and nothing else."""

import pytest

from loadtest._faults._witness import Sight, Witness, changes_of
from pipeline.result import Label, Standing, Status
from producers.answer import Answer, Look
from producers.api_error import ApiError

DONE = Answer("r", Status.SUCCEEDED, (Label("cat", 99.0),), None)
OTHER = Answer("r", Status.SUCCEEDED, (Label("dog", 98.0),), None)
FAILED = Answer("r", Status.FAILED, (), "InvalidImageFormatException: no image")


class Api:
    """What the API says of the request, one look after the other; the last word stays."""

    def __init__(self, *told: Answer | Exception | None) -> None:
        self._told = list(told)

    def look(self, request_id: str) -> Look:
        assert request_id == "r"
        told = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        if isinstance(told, Exception):
            raise told
        return Look(Standing.UNKNOWN_OR_WAITING if told is None else Standing(told.status), told)


@pytest.mark.parametrize(
    ("told", "changes", "why"),
    [
        ((None, None, DONE, DONE), [], "one result, seen as often as one likes"),
        ((None,), [], "a request that never has one"),
        ((DONE, ApiError(503, "busy"), DONE), [], "a question that fails tells nothing"),
        ((DONE, OTHER), ["its result was SUCCEEDED (cat), and then SUCCEEDED (dog)"], "another result"),
        (
            (DONE, FAILED, DONE),
            ["its result was SUCCEEDED (cat), and then FAILED (InvalidImageFormatException: no image)"],
            "it is compared with the first that was seen",
        ),
        ((DONE, None), ["its result was there, and then it was not"], "a result that goes away"),
    ],
)
def test_a_result_that_changes_after_it_was_read_is_seen(
    told: tuple[Answer | Exception | None, ...], changes: list[str], why: str
) -> None:
    witness = Witness(Api(*told), now=lambda: 5.0)  # type: ignore[arg-type]
    sight = Sight("cell", "r", 7)
    for _ in told:
        witness.look(sight)
    assert [change["what"] for change in changes_of([sight])] == changes, why
    assert {change["sequence"] for change in changes_of([sight])} <= {7}
    assert (sight.seen_at == 5_000.0) == any(isinstance(one, Answer) for one in told)


def test_every_request_is_looked_at_once_more_at_the_end() -> None:
    witness = Witness(Api(DONE))  # type: ignore[arg-type]
    witness.start()
    witness.watch("cell", "r", 1)
    witness.finish()
    (sight,) = witness.sights("cell")
    assert sight.answer == DONE
    assert not list(witness.sights("another"))
