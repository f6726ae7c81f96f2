"""The witness: looks at accepted requests as their clients would, again and again: does a result change?"""

import heapq
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from producers.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from producers.answer import Answer
    from producers.http import ApiClient

_FIRST_LOOK_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
# A result that was seen is looked at again: once a redelivery may have come, and at the end.
_AGAIN_S: Final = 4.0
_AT_ONCE: Final = 6


@dataclass(slots=True)
class Sight:
    """What was seen of one request. `seen_at` is when its result was first seen, ms since the epoch."""

    cell: str
    request_id: str
    number: int
    answer: "Answer | None" = None
    seen_at: float | None = None
    pause_s: float = _FIRST_LOOK_S
    changes: list[str] = field(default_factory=list)


class Witness:
    """Looks from threads of its own, from `start` to `finish`."""

    def __init__(self, client: "ApiClient", now: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._now = now
        self._sights: dict[str, Sight] = {}
        self._due: list[tuple[float, int, Sight]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._finished = False
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="witness")
        self._thread = threading.Thread(target=self._watch, name="witness")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def watch(self, cell: str, request_id: str, number: int) -> None:
        """Keep an eye on a request that was just accepted."""
        sight = Sight(cell, request_id, number)
        with self._changed:
            self._sights[request_id] = sight
            self._put(sight, _FIRST_LOOK_S)

    def finish(self, *, last_look: bool = True) -> None:
        """Look at everything once more, unless nobody is there to be asked, and stop."""
        with self._changed:
            self._finished = True
            self._changed.notify()
        self._thread.join()
        if last_look:
            wait([self._pool.submit(self.look, sight) for sight in self._sights.values()])
        self._pool.shutdown()

    def sights(self, cell: str) -> "Iterable[Sight]":
        """What was seen of a cell's requests."""
        return [sight for sight in self._sights.values() if sight.cell == cell]

    def look(self, sight: Sight) -> None:
        """Look once. A question that fails tells nothing."""
        try:
            answer = self._client.look(sight.request_id).answer
        except ApiError:
            return
        if sight.answer is None:
            if answer is not None:
                sight.answer = answer
                sight.seen_at = self._now() * 1_000
        elif answer is None:
            sight.changes.append("its result was there, and then it was not")
        elif answer != sight.answer:
            sight.changes.append(f"its result was {_told(sight.answer)}, and then {_told(answer)}")

    def _watch(self) -> None:
        while (sight := self._next()) is not None:
            self._pool.submit(self._look_and_put_back, sight)

    def _look_and_put_back(self, sight: Sight) -> None:
        first = sight.answer is None
        self.look(sight)
        if sight.answer is None:
            sight.pause_s = min(sight.pause_s * 1.5, _LONGEST_PAUSE_S)
            with self._changed:
                self._put(sight, sight.pause_s)
        elif first:
            with self._changed:
                self._put(sight, _AGAIN_S)

    def _put(self, sight: Sight, after_s: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + after_s, next(self._order), sight))
        self._changed.notify()

    def _next(self) -> Sight | None:
        with self._changed:
            while not self._finished:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
        return None


def changes_of(sights: "Iterable[Sight]") -> list[dict[str, Any]]:
    """The changes that a client could have seen."""
    return [
        {"request_id": sight.request_id, "sequence": sight.number, "what": change}
        for sight in sights
        for change in sight.changes
    ]


def _told(answer: "Answer") -> str:
    return f"{answer.status.value} ({answer.reason or ', '.join(label.name for label in answer.labels[:3])})"
