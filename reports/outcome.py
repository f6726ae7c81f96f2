"""What became of a request, by its HTTP answer and by what else is known of it."""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.run import ROUTE

if TYPE_CHECKING:
    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]


class Outcome(StrEnum):
    """What became of a request; each has exactly one.

    The first six are those of an accepted request (HTTP 2xx). A request with both a result and a dead letter has the
    outcome of its result. Without either it is lost if its buffer drained, and unfinished if it was cut off.
    """

    COMPLETED = "completed"
    FAILED = "failed"
    DEAD_LETTERED = "dead_lettered"
    UNFINISHED = "unfinished"
    LOST = "lost"
    ANSWERED = "answered"
    """Answered by a server of which nothing more is known (pipeline.run.ROUTE)."""
    REJECTED = "rejected"
    """Answered with another status than 2xx."""
    REJECTED_PROCESSED = "rejected_processed"
    """Answered with another status than 2xx, and yet it has a result or a dead letter."""
    UNANSWERED = "unanswered"
    """No HTTP answer came, and nothing else did."""
    ACCEPTED_UNANSWERED = "accepted_unanswered"
    """No HTTP answer came, and yet it has a result or a dead letter."""
    DROPPED = "dropped"
    """Scheduled, and never sent."""
    UNREQUESTED = "unrequested"
    """A result or dead letter without a row of its request: rows of requests went missing."""


ALL: Final = tuple(Outcome)
CODES: Final = {outcome: code for code, outcome in enumerate(ALL)}


def accepted(status: "npt.NDArray[Any]") -> "Flags":
    """Which HTTP statuses are a 2xx."""
    those: Flags = (status >= 200) & (status <= 299)
    return those


def outcomes(
    status: "npt.NDArray[Any]",
    *,
    requested: "Flags",
    left: "Flags",
    succeeded: "Flags",
    has_result: "Flags",
    dead: "Flags",
    buffer: str,
    drained: bool,
) -> "npt.NDArray[np.int8]":
    """The outcome of each request of a buffer, as its place in ALL.

    `status` is 0 where no answer came, `requested` whether there is a row of the request, `left` whether it was sent.
    """
    endless = Outcome.ANSWERED if buffer == ROUTE else Outcome.LOST if drained else Outcome.UNFINISHED
    # From what is most often so to what overrides it.
    found = np.full(len(status), CODES[endless], np.int8)
    found[dead] = CODES[Outcome.DEAD_LETTERED]
    found[has_result] = CODES[Outcome.FAILED]
    found[succeeded] = CODES[Outcome.COMPLETED]
    others = np.flatnonzero(~accepted(status))
    if len(others):
        answered, processed = status[others] != 0, has_result[others] | dead[others]
        found[others] = np.select(
            [
                ~requested[others],
                processed & answered,
                processed,
                answered,
                left[others],
            ],
            [
                CODES[Outcome.UNREQUESTED],
                CODES[Outcome.REJECTED_PROCESSED],
                CODES[Outcome.ACCEPTED_UNANSWERED],
                CODES[Outcome.REJECTED],
                CODES[Outcome.UNANSWERED],
            ],
            CODES[Outcome.DROPPED],
        )
    return found
