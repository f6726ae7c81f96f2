"""The worker: what every consumer does with a batch, whichever buffer it came from.

Each record is decoded, recognised and written, and whoever asked for its result is sent for, by one task, as many at
once as the function's settings say. They are taken in their order, so that what the time did not suffice for lies at
the batch's end: on a stream, where everything from the lowest failed record on is delivered again, little is then done
twice.

Not powertools' BatchProcessor: it takes one record after the other, knows no deadline, and raises when all fail.
"""

import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from consumers.batch import Unfinished, deadline_of, reason_of, work_through
from consumers.conclusion import concluded
from pipeline.notifications import Notification
from pipeline.recognition import Effort, OutOfTime, Recognised, Refused
from pipeline.request import InvalidRequestError, Request
from pipeline.result import Passage, Result, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.environment import Environment
    from pipeline.request import InlineImage, StoredImage

# About 1 MB of ids; more than a batch of aggregates holds.
_REMEMBERED = 10_000
_NO_EFFORT = Effort()


class Recognition(Protocol):
    """What the worker needs of pipeline.recognition.Recogniser."""

    def recognise(self, image: "InlineImage | StoredImage", deadline: float) -> Recognised | Refused | OutOfTime:
        """Recognise one image."""


class Results(Protocol):
    """What the worker needs of pipeline.results_table.ResultsTable."""

    def write(self, result: Result) -> None:
        """Store a result, or count it."""

    def count(self, request_id: str) -> None:
        """Count one more processing."""


class Notifier(Protocol):
    """What the worker needs of pipeline.notifications.SqsNotifier."""

    def notify(self, notification: Notification) -> None:
        """Have those told that a request asks for; nobody, if it asks for none."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record as its buffer delivered it. `token` names it to the buffer; those of one aggregate share theirs."""

    token: str
    body: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A record to be delivered again, or given up, and why. `request_id` is None where none could be read."""

    token: str
    request_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was answered with a FAILED result."""

    request_id: str
    reason: str


@dataclass(slots=True)
class Report:
    """How a batch went. `retried` counts the calls to Rekognition beyond each image's first."""

    records: int = 0
    recognised: int = 0
    repeated: int = 0
    throttled: int = 0
    retried: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def failed_tokens(self) -> list[str]:
        """What to name to the buffer, each once, in the batch's order."""
        return list(dict.fromkeys(failure.token for failure in self.failures))


@dataclass(frozen=True, slots=True)
class _Batch:
    size: int
    received_at: float
    init_ms: float
    deadline: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    failure: Failure | None = None
    refusal: Refusal | None = None
    repeated: bool = False
    effort: Effort = _NO_EFFORT


class Worker:
    """Works through batches, one at a time; its threads and connections stay from one to the next.

    `clock` is monotonic, `now` the time of day, both in seconds.
    """

    def __init__(
        self,
        recognition: Recognition,
        results: Results,
        notifier: Notifier,
        environment: "Environment",
        *,
        concurrency: int,
        clock: "Callable[[], float]" = time.monotonic,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._recognition = recognition
        self._results = results
        self._notifier = notifier
        self._environment = environment
        self._clock = clock
        self._now = now
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="recognise")
        # Of each request with a result, whether those who asked for it have been told.
        self._stored: OrderedDict[str, bool] = OrderedDict()

    def work(self, delivered: "Sequence[Delivered]", *, received_at: float, remaining_ms: float) -> Report:
        """Do what can be done in the time; what could not is among the failures. Never raises for a record's sake.

        `received_at` is when the handler was entered, ms since the epoch; `remaining_ms` what Lambda leaves from now.
        """
        batch = _Batch(
            size=len(delivered),
            received_at=received_at,
            init_ms=self._environment.take_init_ms(),
            deadline=deadline_of(remaining_ms, self._clock),
        )
        outcomes = work_through(
            delivered,
            lambda record: self._process(record, batch),
            threads=self._threads,
            deadline=batch.deadline,
            clock=self._clock,
        )
        report = Report(records=len(delivered))
        for record, outcome in zip(delivered, outcomes, strict=True):
            if isinstance(outcome, Unfinished):
                # If it still ends, its result stands and the next delivery is only counted.
                outcome = _Outcome(failure=Failure(record.token, None, outcome.reason))
            _add(report, outcome)
        return report

    def _process(self, delivered: Delivered, batch: _Batch) -> _Outcome:
        try:
            request = Request.from_json(delivered.body)
        except InvalidRequestError as error:
            return self._answer_invalid(delivered, batch, error)
        try:
            return self._answer(request, delivered, batch)
        except (BotoCoreError, ClientError) as error:
            return _Outcome(failure=Failure(delivered.token, request.request_id, reason_of(error)))

    def _answer(self, request: Request, delivered: Delivered, batch: _Batch) -> _Outcome:
        notification = Notification(request.request_id, request.callback_url, request.connection_id, request.attach)
        told = self._stored.get(request.request_id)
        if told is not None:
            self._results.count(request.request_id)
            if not told:
                self._tell(notification)
            return _Outcome(repeated=True)
        recognition = self._recognition.recognise(request.image, batch.deadline)
        if isinstance(recognition, OutOfTime):
            failure = Failure(delivered.token, request.request_id, f"out of time: {recognition.reason}")
            return _Outcome(failure=failure, effort=recognition.effort)
        self._conclude(
            concluded(
                recognition,
                request_id=request.request_id,
                buffer=request.buffer,
                passage=self._passage(batch, request.accepted_at, recognition.effort.attempts),
                measurement=request.measurement,
                attach=request.attach,
                owner=request.owner,
            ),
            notification,
        )
        refusal = Refusal(request.request_id, recognition.reason) if isinstance(recognition, Refused) else None
        return _Outcome(refusal=refusal, effort=recognition.effort)

    def _answer_invalid(self, delivered: Delivered, batch: _Batch, error: InvalidRequestError) -> _Outcome:
        if error.request_id is None:
            return _Outcome(failure=Failure(delivered.token, None, error.reason))
        reason = f"InvalidRequest: {error.reason}"
        self._conclude(
            Result(
                request_id=error.request_id,
                buffer=error.buffer,
                status=Status.FAILED,
                labels=(),
                reason=reason,
                model_version=None,
                passage=self._passage(batch, error.accepted_at, attempts=0),
                measurement=error.measurement,
                attach=error.attach,
                owner=error.owner,
            ),
            Notification(error.request_id, error.callback_url, error.connection_id, error.attach),
        )
        return _Outcome(refusal=Refusal(error.request_id, reason))

    def _passage(self, batch: _Batch, accepted_at: float | None, attempts: int) -> Passage:
        return Passage(
            accepted_at=batch.received_at if accepted_at is None else accepted_at,
            received_at=batch.received_at,
            recognised_at=round(self._now() * 1_000, 3),
            batch_size=batch.size,
            attempts=attempts,
            init_ms=batch.init_ms,
            environment=self._environment.name,
        )

    def _conclude(self, result: Result, notification: Notification) -> None:
        self._results.write(result)
        # An aggregate is delivered again whole if one record of it failed. Without this memory one that holds more
        # than a function's time suffices for would never end, and Rekognition would be paid for it each time.
        self._stored[result.request_id] = False
        while len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)
        self._tell(notification)

    def _tell(self, notification: Notification) -> None:
        # After the write: whoever is told reads the result. If it fails, the record does, and its next delivery tells.
        self._notifier.notify(notification)
        self._stored[notification.request_id] = True


def _add(report: Report, outcome: _Outcome) -> None:
    report.throttled += outcome.effort.throttled
    report.retried += max(0, outcome.effort.attempts - 1)
    if outcome.failure is not None:
        report.failures.append(outcome.failure)
    elif outcome.refusal is not None:
        report.refusals.append(outcome.refusal)
    elif outcome.repeated:
        report.repeated += 1
    else:
        report.recognised += 1
