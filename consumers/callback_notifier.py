"""The notifier: POSTs results to the URLs that their requests named, until they are acknowledged or given up.

A message of the callback queue names a request whose result is stored. Whoever has claimed it in the callbacks table
POSTs, alone, and writes down what came of it before the message is answered:

    2xx                                     acknowledged: nothing is POSTed again, whatever copies come
    429, 5xx, no answer                     the message is hidden for the pause, which doubles, and comes again
    the last of these, any other status,    given up: a dead letter with the reason is sent, and the message is done
    a URL that is not called, no result

A crash leaves a claim, which runs out, and a message, which comes again; the attempt counts. What was answered 2xx and
not written down is POSTed once more: receivers know it by its webhook-id.
"""

import contextlib
import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from consumers.batch import Unfinished, deadline_of, reason_of, work_through
from consumers.callback_policy import Later, Never
from pipeline.callback_signature import SecretError, signed
from pipeline.callbacks_table import Claim, GivenUp, NotYet, Settled
from pipeline.results_table import ItemError
from pipeline.unicode_text import is_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from consumers.callback_policy import Policy
    from consumers.callback_post import Outcome
    from pipeline.results_table import StoredResult

# Kept back for writing down what came of an attempt.
_RECORD_S: Final = 3.0
# An attempt with less time than this is not begun.
_LEAST_ATTEMPT_S: Final = 1.0
# A claim lasts longer than an attempt by the time that it takes to make it and to write down what came of it.
_LEASE_BEYOND_S: Final = 20.0
# What the clocks of two environments may differ by.
_SKEW_S: Final = 5.0
_LONGEST_UNREADABLE: Final = 2_000


class Results(Protocol):
    """What the notifier needs of pipeline.results_table.ResultsTable."""

    def read(self, request_id: str) -> "StoredResult | None":
        """The result of a request."""


class Callbacks(Protocol):
    """What the notifier needs of pipeline.callbacks_table.CallbacksTable."""

    def claim(self, request_id: str, lease_s: float) -> Claim | NotYet | Settled:
        """Claim a callback."""

    def acknowledge(self, claim: Claim) -> None:
        """Settle it as acknowledged."""

    def pause(self, claim: Claim, pause_s: float) -> None:
        """Let nobody claim it for so long."""

    def give_up(self, claim: Claim, given_up: GivenUp) -> bool:
        """Rule out another POST."""

    def bury(self, claim: Claim) -> None:
        """Settle it as dead-lettered."""


class Posts(Protocol):
    """What the notifier needs of consumers.callback_post.Poster."""

    def post(self, url: str, body: bytes, headers: "Mapping[str, str]", deadline: float) -> "Outcome":
        """POST once; it ends by the deadline."""


class Keys(Protocol):
    """What the notifier needs of pipeline.callback_signature.SigningKeys."""

    def get(self) -> "Sequence[bytes]":
        """The keys to sign with."""


class Queue(Protocol):
    """What the notifier needs of the callback queue and its dead-letter queue."""

    def hide(self, receipt: str, seconds: int) -> None:
        """Let a message be received again after so long."""

    def bury(self, letter: str) -> None:
        """Send a dead letter."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message of the callback queue. `token` names it to Lambda, `receipt` to SQS."""

    token: str
    receipt: str
    body: str


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that came to nothing, and when the next one is due."""

    request_id: str
    attempt: int
    pause_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A callback that was given up and is among the dead letters. What could not be read of it is None."""

    request_id: str | None
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that could not be worked off, through no fault of its receiver; it is delivered again."""

    request_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """A message of a callback that somebody else has claimed, or whose pause is not over; it is delivered again."""

    request_id: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A callback that was answered 2xx, now or, if `repeated`, before."""

    request_id: str
    repeated: bool = False


_End = Acknowledged | Retry | Loss | Failure | Again


@dataclass(slots=True)
class Report:
    """How a batch went. `failed_tokens` are to be named to Lambda: what is behind them is delivered again.

    `settled` counts messages whose callback had been acknowledged or given up before.
    """

    messages: int = 0
    acknowledged: int = 0
    settled: int = 0
    waiting: int = 0
    retries: list[Retry] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    failed_tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Message:
    request_id: str
    callback_url: str
    receipt: str


class _UnreadableError(Exception):
    pass


class Notifier:
    """Works through batches of the callback queue's messages, one batch at a time, its messages at once.

    `clock` is monotonic, `now` the time of day, both in seconds.
    """

    def __init__(
        self,
        results: Results,
        callbacks: Callbacks,
        posts: Posts,
        keys: Keys,
        queue: Queue,
        policy: "Policy",
        *,
        threads: "Executor",
        clock: "Callable[[], float]" = time.monotonic,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._results = results
        self._callbacks = callbacks
        self._posts = posts
        self._keys = keys
        self._queue = queue
        self._policy = policy
        self._lease_s = policy.timeout_s + _LEASE_BEYOND_S
        self._threads = threads
        self._clock = clock
        self._now = now

    def work(self, delivered: "Sequence[Delivered]", *, remaining_ms: float) -> Report:
        """Do what can be done in the time, of which Lambda leaves `remaining_ms`. Never raises for a message's sake."""
        deadline = deadline_of(remaining_ms, self._clock)
        ends = work_through(
            delivered,
            lambda message: self._deliver(message, deadline),
            threads=self._threads,
            deadline=deadline,
            clock=self._clock,
        )
        report = Report(messages=len(delivered))
        for message, end in zip(delivered, ends, strict=True):
            if isinstance(end, Unfinished):
                # Its POST has an end of its own, and its claim keeps the next delivery away.
                end = Failure(None, end.reason)
            _add(report, message, end)
        return report

    def _deliver(self, delivered: Delivered, deadline: float) -> _End:
        try:
            message = _read(delivered)
        except _UnreadableError as error:
            return self._bury_unreadable(delivered, str(error))
        try:
            return self._notify(message, deadline)
        except (BotoCoreError, ClientError, SecretError) as error:
            return Failure(message.request_id, reason_of(error))

    def _notify(self, message: _Message, deadline: float) -> _End:
        # Before the claim, so that what fails here costs no attempt.
        result, missing = self._result(message.request_id)
        keys = self._keys.get()
        if self._clock() + _LEAST_ATTEMPT_S > deadline - _RECORD_S:
            return Failure(message.request_id, "out of time: not begun")
        began = self._clock()
        claim = self._callbacks.claim(message.request_id, self._lease_s)
        if isinstance(claim, Settled):
            return Acknowledged(message.request_id, repeated=True)
        if isinstance(claim, NotYet):
            self._hide(message, claim.wait_s)
            return Again(message.request_id, claim.wait_s)
        if claim.given_up is not None:
            return self._bury(message, claim, claim.given_up)
        if claim.attempt > self._policy.maximum_attempts:
            return self._give_up(message, claim, "the last attempt was cut off", attempts=claim.attempt - 1)
        if result is None:
            return self._give_up(message, claim, missing, attempts=claim.attempt - 1)
        try:
            headers = signed(keys, message_id=message.request_id, timestamp_s=int(self._now()), body=result)
        except ValueError as error:
            return self._give_up(message, claim, str(error), attempts=claim.attempt - 1)
        # Not beyond the claim, whatever time it took to make.
        until = min(self._clock() + self._policy.timeout_s, began + self._lease_s - _SKEW_S, deadline - _RECORD_S)
        return self._settle(message, claim, self._posts.post(message.callback_url, result, headers, until))

    def _result(self, request_id: str) -> tuple[bytes | None, str]:
        """The result's document; None and the reason if there is none."""
        try:
            stored = self._results.read(request_id)
        except ItemError as error:
            return None, str(error)
        if stored is None:
            # Workers store before they send: it has expired, or somebody else sent this.
            return None, "there is no result of it"
        document = json.dumps(stored.result.to_document(), separators=(",", ":"), ensure_ascii=False)
        return document.encode(), ""

    def _settle(self, message: _Message, claim: Claim, outcome: "Outcome") -> _End:
        verdict = self._policy.verdict(outcome, claim.attempt, self._now())
        if isinstance(verdict, Never):
            return self._give_up(message, claim, verdict.reason, attempts=claim.attempt)
        if isinstance(verdict, Later):
            self._callbacks.pause(claim, verdict.pause_s)
            self._hide(message, verdict.pause_s)
            return Retry(message.request_id, claim.attempt, verdict.pause_s, verdict.reason)
        self._callbacks.acknowledge(claim)
        return Acknowledged(message.request_id)

    def _give_up(self, message: _Message, claim: Claim, reason: str, *, attempts: int) -> _End:
        given_up = GivenUp(reason, attempts)
        if not self._callbacks.give_up(claim, given_up):
            return Failure(message.request_id, "its claim had run out before it could be given up")
        return self._bury(message, claim, given_up)

    def _bury(self, message: _Message, claim: Claim, given_up: GivenUp) -> _End:
        self._queue.bury(_letter(message.request_id, message.callback_url, given_up))
        self._callbacks.bury(claim)
        return Loss(message.request_id, given_up.attempts, given_up.reason)

    def _bury_unreadable(self, delivered: Delivered, reason: str) -> _End:
        letter = _letter(None, None, GivenUp(reason, 0), message=delivered.body[:_LONGEST_UNREADABLE])
        try:
            self._queue.bury(letter)
        except (BotoCoreError, ClientError) as error:
            return Failure(None, f"{reason}; {reason_of(error)}")
        return Loss(None, 0, reason)

    def _hide(self, message: _Message, wait_s: float) -> None:
        # If it cannot be said, it comes again when the queue's own timeout is over; the table knows if that is early.
        with contextlib.suppress(BotoCoreError, ClientError):
            # Upwards, or it would come a moment too early and be sent back once more.
            self._queue.hide(message.receipt, max(1, math.ceil(wait_s)))


def _read(delivered: Delivered) -> _Message:
    try:
        message = json.loads(delivered.body)
    except (ValueError, RecursionError):
        raise _UnreadableError("the message is not JSON") from None
    if not isinstance(message, dict):
        raise _UnreadableError("the message is not a JSON object")
    for name in ("request_id", "callback_url"):
        if not isinstance(message.get(name), str) or not message[name] or not is_unicode(message[name]):
            raise _UnreadableError(f"{name} is missing or not a text")
    return _Message(message["request_id"], message["callback_url"], delivered.receipt)


def _letter(request_id: str | None, callback_url: str | None, given_up: GivenUp, **more: Any) -> str:
    letter = {
        "request_id": request_id,
        "callback_url": callback_url,
        "reason": given_up.reason,
        "attempts": given_up.attempts,
    }
    return json.dumps(letter | more)


def _add(report: Report, message: Delivered, end: "_End") -> None:
    if isinstance(end, Acknowledged):
        report.settled += end.repeated
        report.acknowledged += not end.repeated
        return
    if isinstance(end, Loss):
        report.losses.append(end)
        return
    report.failed_tokens.append(message.token)
    if isinstance(end, Retry):
        report.retries.append(end)
    elif isinstance(end, Again):
        report.waiting += 1
    else:
        report.failures.append(end)
