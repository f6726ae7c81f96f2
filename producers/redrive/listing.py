"""The listing: what lies in a place, without the records themselves, however many there are."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from producers.redrive.words import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.redrive.choice import Choice
    from producers.redrive.letter import DeadRequest, Letter
    from producers.redrive.place import Place, PlaceName


@dataclass(frozen=True, slots=True)
class Listed:
    """A request that was given up. Times are in seconds since the epoch; `letter` is where it lies.

    `done` says that it needs nothing any more, `sent` that a replay has sent it already.
    """

    request_id: str
    letter: str
    reason: str
    accepted_at: float | None
    given_up_at: float | None
    tries: int | None
    receives: int | None
    done: bool
    sent: bool


@dataclass(frozen=True, slots=True)
class Foreign:
    """What in a letter cannot be sent, and why."""

    letter: str
    problem: str


@dataclass(slots=True)
class Listing:
    """What lies in a place: of `letters` the chosen `requests`, and all that is left alone. `unseen` lie beside."""

    place: "PlaceName"
    title: str
    done_because: str
    letters: int = 0
    requests: list[Listed] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)
    unseen: int = 0


def list_place(
    place: "Place",
    choice: "Choice",
    *,
    stopped: "Callable[[], bool]" = lambda: False,
    progress: "Callable[[int], None]" = lambda _: None,
) -> Listing:
    """Look through a place; everything stays as it is. `progress` is told how many letters were gone through.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the place or the results cannot be read.
    """
    listing = Listing(place.name, place.title, place.done_because)
    try:
        for letters in place.letterbox.letters():
            chosen = [
                (letter, request) for letter in letters for request in letter.requests if choice.takes(letter, request)
            ]
            done = place.settled([request for _, request in chosen])
            listing.letters += len(letters)
            listing.requests += [_listed(letter, request, request.request_id in done) for letter, request in chosen]
            listing.foreign += [Foreign(letter.name, problem) for letter in letters for problem in letter.problems]
            progress(len(letters))
            if stopped():
                break
        else:
            listing.unseen = place.letterbox.unseen()
    finally:
        place.letterbox.release()
    return listing


def _listed(letter: "Letter", request: "DeadRequest", done: bool) -> Listed:
    return Listed(
        request_id=request.request_id,
        letter=letter.name,
        reason=reason_of(letter),
        accepted_at=request.accepted_at,
        given_up_at=letter.given_up_at,
        tries=letter.tries,
        receives=letter.receives,
        done=done,
        sent=request.request_id in letter.sent,
    )
