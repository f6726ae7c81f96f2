"""The choice: which requests are meant. Whatever is given has to hold."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.redrive.words import reason_of

if TYPE_CHECKING:
    from producers.redrive.letter import DeadRequest, Letter


@dataclass(frozen=True, slots=True)
class Choice:
    """Requests by id, by a part of the reason that is shown of them, and by their age in seconds.

    The age counts from when the request was accepted, or if that is not known, from when it was given up; one whose
    age nobody knows is not chosen by it. `now` is in seconds since the epoch.
    """

    now: float
    request_ids: frozenset[str] = frozenset()
    reason: str | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for in particular."""
        return (
            not self.request_ids and self.reason is None and self.older_than_s is None and self.younger_than_s is None
        )

    def takes(self, letter: "Letter", request: "DeadRequest") -> bool:
        """Whether a request in a letter is meant."""
        if self.request_ids and request.request_id not in self.request_ids:
            return False
        if self.reason is not None and self.reason.casefold() not in reason_of(letter).casefold():
            return False
        return self._old_enough(letter, request)

    def _old_enough(self, letter: "Letter", request: "DeadRequest") -> bool:
        if self.older_than_s is None and self.younger_than_s is None:
            return True
        since = letter.given_up_at if request.accepted_at is None else request.accepted_at
        if since is None:
            return False
        age = self.now - since
        return (self.older_than_s is None or age >= self.older_than_s) and (
            self.younger_than_s is None or age <= self.younger_than_s
        )
