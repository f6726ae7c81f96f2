"""The replay of a place: chosen requests are sent, noted, and their letters removed, in that order."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producers.redrive.choice import Choice
    from producers.redrive.letter import DeadRequest, Letter
    from producers.redrive.place import Place, PlaceName


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that was not sent, or a letter that was not removed, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class Replayed:
    """What became of the chosen requests of a place; in a dry run, what would.

    Each is `sent`, `done` (it needed nothing any more), `repeated` (sent before, for another letter of it or as the
    journal tells), `returned` (sent by this replay, and met again: given up once more, or there twice) or among
    `failed`. `removed` counts letters, `kept` those that stay for what else is in them.
    """

    place: "PlaceName"
    title: str
    done_because: str
    sent: int = 0
    done: int = 0
    repeated: int = 0
    returned: int = 0
    removed: int = 0
    kept: int = 0
    failed: list[Failed] = field(default_factory=list)
    not_removed: list[Failed] = field(default_factory=list)
    left_alone: int = 0
    unseen: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing that was chosen is left to do."""
        return not self.failed and not self.not_removed


class Replay:
    """Replays one place. `stopped` is asked between letters, `progress` told how many letters were gone through.

    A letter that cannot be read whole is left alone where nothing can be noted of it, and where something can it stays
    when its requests were sent.
    """

    def __init__(
        self,
        place: "Place",
        choice: "Choice",
        *,
        dry_run: bool,
        stopped: "Callable[[], bool]" = lambda: False,
        progress: "Callable[[int], None]" = lambda _: None,
    ) -> None:
        self._place = place
        self._choice = choice
        self._dry_run = dry_run
        self._stopped = stopped
        self._progress = progress
        self._sent: set[str] = set()
        self.replayed = Replayed(place.name, place.title, place.done_because)

    def run(self) -> None:
        """Go through the letters once; `replayed` says how it went, even if it was not to the end.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the place or the results cannot be read, or nothing can be
                noted. What was sent until then is removed or noted, but for the letters in hand.
        """
        letterbox = self._place.letterbox
        try:
            for letters in letterbox.letters():
                self._replay(letters)
                self._progress(len(letters))
                if self._stopped():
                    break
            else:
                self.replayed.unseen = letterbox.unseen()
        finally:
            letterbox.release()

    def _replay(self, letters: "Sequence[Letter]") -> None:
        replayed = self.replayed
        replayed.left_alone += sum(bool(letter.problems) for letter in letters)
        chosen = [(letter, requests) for letter in letters if (requests := self._chosen(letter))]
        done = self._place.settled([request for _, requests in chosen for request in requests])
        # Where a letter may be younger than the replay, a request that it has sent may have been given up once more:
        # to take that for a copy would lose it, and to send it again would have no end.
        returned = self._sent - done if self._place.letterbox.grows else set()
        settled = done if self._place.letterbox.grows else done | self._sent
        to_send: dict[str, DeadRequest] = {}
        for letter, requests in chosen:
            for request in requests:
                request_id = request.request_id
                if request_id in done:
                    replayed.done += 1
                elif request_id in returned:
                    replayed.returned += 1
                elif request_id in settled | letter.sent or request_id in to_send:
                    replayed.repeated += 1
                else:
                    to_send[request_id] = request
        settled = settled | self._send(list(to_send.values()))
        self._clear([letter for letter, _ in chosen], settled)

    def _chosen(self, letter: "Letter") -> "Sequence[DeadRequest]":
        requests = [request for request in letter.requests if self._choice.takes(letter, request)]
        if self._place.letterbox.keeps_notes or not requests:
            return requests
        # Nothing can be noted of a message: it goes as a whole or not at all.
        return () if letter.problems else letter.requests

    def _send(self, requests: "Sequence[DeadRequest]") -> set[str]:
        """Send requests; answers with the ids of those that were."""
        replayed = self.replayed
        if self._dry_run or not requests:
            accepted = [request.request_id for request in requests]
        else:
            self._place.prepare([request.request_id for request in requests])
            sent = self._place.sender.send_all(self._place.entry(request) for request in requests)
            accepted = sent.accepted
            replayed.failed += [Failed(given_up.request_id, given_up.reason) for given_up in sent.given_up]
        replayed.sent += len(accepted)
        self._sent.update(accepted)
        return set(accepted)

    def _clear(self, letters: "Sequence[Letter]", settled: set[str]) -> None:
        """Remove the letters of which nothing is left, and note of the others what is settled."""
        replayed = self.replayed
        empty: list[Letter] = []
        for letter in letters:
            ids = {request.request_id for request in letter.requests}
            known = ids & (settled | letter.sent)
            if known == ids and not letter.problems:
                empty.append(letter)
                continue
            replayed.kept += 1
            if self._place.letterbox.keeps_notes and not self._dry_run and known - letter.sent:
                self._place.letterbox.note(letter, frozenset(known))
        if self._dry_run:
            replayed.removed += len(empty)
            return
        failed = self._place.letterbox.remove(empty) if empty else {}
        replayed.removed += len(empty) - len(failed)
        replayed.not_removed += [Failed(name, reason) for name, reason in failed.items()]
