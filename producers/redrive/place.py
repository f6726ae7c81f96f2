"""A place: a dead-letter queue or failure destination, where its letters lie and where their requests came from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from producers.batch import BatchSender, Entry
    from producers.redrive.letter import DeadRequest, Letter

PlaceName = Literal["sns", "sqs", "kinesis", "kinesis-efo", "callback", "push"]
PLACES: tuple[PlaceName, ...] = get_args(PlaceName)


class Letterbox(Protocol):
    """Where letters lie."""

    @property
    def keeps_notes(self) -> bool:
        """Whether it can note which requests of a letter were sent, so that they need not go together."""

    @property
    def grows(self) -> bool:
        """Whether letters that come while it is gone through are given out, too."""

    def count(self) -> int:
        """About how many letters lie there."""

    def letters(self) -> "Iterator[Sequence[Letter]]":
        """All of them, some at a time, each once."""

    def unseen(self) -> int:
        """Once all were given out: about how many there are beside."""

    def note(self, letter: "Letter", sent: frozenset[str]) -> None:
        """Note which requests of a letter were sent in all; it stays."""

    def remove(self, letters: "Sequence[Letter]") -> dict[str, str]:
        """Remove letters. Answers with those that could not be, by name, and why."""

    def release(self) -> None:
        """Let go of all that was not removed."""


@dataclass(frozen=True, slots=True)
class Place:
    """One destination.

    `entry` makes what `sender` sends of a request; the entry's only request id is the request's. `prepare` is told of
    those to be sent, before. `done` answers which of some requests need nothing any more, and `done_because` says why;
    `untold`, of which of those somebody has still to be told.
    """

    name: PlaceName
    title: str
    letterbox: Letterbox
    entry: "Callable[[DeadRequest], Entry]"
    sender: "BatchSender"
    done: "Callable[[Collection[str]], Collection[str]]"
    done_because: str
    prepare: "Callable[[Collection[str]], None]" = lambda _: None
    untold: "Callable[[Collection[DeadRequest]], Collection[str]]" = lambda _: ()

    def settled(self, requests: "Collection[DeadRequest]") -> set[str]:
        """The ids of the requests that need nothing any more."""
        done = set(self.done({request.request_id for request in requests})) if requests else set()
        return done - set(self.untold([request for request in requests if request.request_id in done]))
