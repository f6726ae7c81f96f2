"""Sending in batches: what the buffers' batch calls have in common.

A batch call of AWS answers 200 and refuses single entries inside. Each entry is retried by itself, with exponential
back-off and full jitter, until it is accepted or given up with the reason.
"""

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.client_error import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a batch: a record, or an aggregate of many. `size` is in bytes, as its service counts it."""

    request_ids: tuple[str, ...]
    size: int
    content: "Mapping[str, Any]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an entry was not accepted."""

    reason: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may hold, and an entry of it: a number, and bytes."""

    entries: int
    call_bytes: int
    entry_bytes: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an entry is sent, and how long to wait after a refusal, in seconds."""

    attempts: int = 8
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0

    def pause(self, attempt: int, uniform: float) -> float:
        """Full jitter: `uniform` from [0, 1) of the exponential, after the attempt of that number (from 1)."""
        return uniform * min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 32))


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A request that no buffer has taken."""

    request_id: str
    reason: str


@dataclass(slots=True)
class Sent:
    """What became of the requests: each is accepted or given up. `retried` counts repeated sendings of requests."""

    accepted: list[str] = field(default_factory=list)
    retried: int = 0
    given_up: list[GivenUp] = field(default_factory=list)


class BatchSender:
    """Sends entries in batches through one call of a service.

    `post` sends one batch and answers with the faults by position; what is missing was accepted. It may raise
    botocore's errors: then the whole batch has failed. A call whose answer was lost may have been taken all the same:
    sending it again can then duplicate its entries, which the consumers expect. `sleep` is in seconds; `uniform`
    yields from [0, 1).
    """

    def __init__(
        self,
        post: "Callable[[Sequence[Entry]], Mapping[int, Fault]]",
        limits: Limits,
        *,
        patience: Patience | None = None,
        sleep: "Callable[[float], None]" = time.sleep,
        uniform: "Callable[[], float]" = random.random,
    ) -> None:
        if limits.entry_bytes > limits.call_bytes:
            raise ValueError(f"an entry of {limits.entry_bytes:,} bytes fits in no call of {limits.call_bytes:,}")
        self._post = post
        self._limits = limits
        self._patience = patience or Patience()
        self._sleep = sleep
        self._uniform = uniform

    def send_all(self, entries: "Iterable[Entry]") -> Sent:
        """Send every entry. Entries are drawn as they are needed; those to be retried go first."""
        sent = Sent()
        fresh = self._fitting(entries, sent)
        batch: list[tuple[Entry, int]] = []
        held: list[Entry] = []
        while batch := self._filled(batch, fresh, held):
            faults = self._faults(batch)
            retries: list[tuple[Entry, int]] = []
            for position, (entry, attempt) in enumerate(batch):
                fault = faults.get(position)
                if fault is None:
                    sent.accepted.extend(entry.request_ids)
                elif fault.retryable and attempt < self._patience.attempts:
                    sent.retried += len(entry.request_ids)
                    retries.append((entry, attempt + 1))
                else:
                    tries = f" (sent {attempt} times)" if fault.retryable else ""
                    _give_up(sent, entry, fault.reason + tries)
            if retries:
                most_tried = max(attempt for _, attempt in retries) - 1
                self._sleep(self._patience.pause(most_tried, self._uniform()))
            batch = retries
        return sent

    def _fitting(self, entries: "Iterable[Entry]", sent: Sent) -> "Iterator[Entry]":
        for entry in entries:
            if entry.size > self._limits.entry_bytes:
                _give_up(
                    sent, entry, f"too large: {entry.size:,} bytes, at most {self._limits.entry_bytes:,} are taken"
                )
            else:
                yield entry

    def _filled(
        self, retries: list[tuple[Entry, int]], fresh: "Iterator[Entry]", held: list[Entry]
    ) -> list[tuple[Entry, int]]:
        """A batch of the retries, which fitted into one before, and of what is fresh; `held` keeps what did not fit."""
        batch = list(retries)
        room = self._limits.call_bytes - sum(entry.size for entry, _ in batch)
        while len(batch) < self._limits.entries:
            entry = held.pop() if held else next(fresh, None)
            if entry is None:
                break
            if entry.size > room:
                held.append(entry)
                break
            batch.append((entry, 1))
            room -= entry.size
        return batch

    def _faults(self, batch: "Sequence[tuple[Entry, int]]") -> "Mapping[int, Fault]":
        try:
            return self._post([entry for entry, _ in batch])
        except (BotoCoreError, ClientError) as error:
            return dict.fromkeys(range(len(batch)), _call_fault(error))


def _call_fault(error: BotoCoreError | ClientError) -> Fault:
    if not isinstance(error, ClientError):
        return Fault(f"{type(error).__name__}: {error}", retryable=True)
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    throttled = "Throttl" in code or code in {"ProvisionedThroughputExceededException", "LimitExceededException"}
    return Fault(str(error), retryable=throttled or status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR)


def _give_up(sent: Sent, entry: Entry, reason: str) -> None:
    sent.given_up.extend(GivenUp(request_id, reason) for request_id in entry.request_ids)
