"""CloudWatch as the monitoring of a stack: what it tells of a turn while it goes on, late, and of the whole after it.

A metric's minute is told some time after it has passed, and may still change. AWS does not publish for how long;
exporters that must not be wrong wait ten minutes (prometheus/cloudwatch_exporter, delay_seconds). So each look reads
the whole turn again, what it found is said together with its age, and the turn is read once more when it is over.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadtest._cloudwatch import Minute, read
from loadtest._cloudwatch_metrics import AGES, PERIOD_S, metrics_of
from loadtest._target import Monitored, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient

    from loadtest._cloudwatch_metrics import Metric
    from pipeline.request import Buffer
    from pipeline.stack import Stack

# So long the last minute of a turn is waited for. Assumed, as no figure is published (confidence L).
_SETTLES_S: Final = 180.0
# What has not been told for so long is no longer of this moment, and is not shown for it.
_STALE_S: Final = 300.0
_DENIED: Final = ("AccessDenied", "AccessDeniedException")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the last look told. `age_s` is how long ago the oldest of its minutes ended; None if nothing was told.

    `throttles` are since the turn began; `concurrency` and `oldest_age_s` are the highest of the last minute told.
    """

    throttles: int | None = None
    concurrency: int | None = None
    oldest_age_s: float | None = None
    age_s: float | None = None


@dataclass(slots=True)
class _Watched:
    """A turn, what is asked of it, and what was told last. Times are seconds since the epoch."""

    metrics: "Sequence[Metric]"
    began: float
    asked: float
    minutes: tuple[Minute, ...] = field(default=())

    def last(self, names: "Sequence[str]", now: float) -> Minute | None:
        """The last minute of one of these metrics, if it is not too old."""
        told = [each for each in self.minutes if each.metric.name in names and _age(each, now) <= _STALE_S]
        return told[-1] if told else None


class CloudWatchMonitoring:
    """Of one stack. `clock` yields seconds since the epoch, by which CloudWatch stamps its minutes."""

    source: Final = "CloudWatch"
    settles_s: Final = _SETTLES_S

    def __init__(self, client: "CloudWatchClient", stack: "Stack", clock: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._stack = stack
        self._clock = clock
        self._turns: dict[str, _Watched] = {}

    def check(self) -> None:
        """Ask once, so that what cannot be asked is said before a load is sent.

        Raises:
            TargetError: the credentials may not ask, or CloudWatch cannot be reached.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        now = self._clock()
        try:
            read(self._client, metrics_of(self._stack, None), now - PERIOD_S, now)
        except ClientError as error:
            _refuse_denial(error)
        except BotoCoreError as error:
            raise TargetError(f"CloudWatch cannot be reached: {error}") from None

    def look(self, buffer: "Buffer | None", request_run_id: str) -> Reading:
        """What is known of a turn at this moment; the first look begins it. CloudWatch is asked once a minute.

        While it does not answer, what it told last stands, and grows older.

        Raises:
            TargetError: the credentials may not ask.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        now = self._clock()
        turn = self._turns.setdefault(request_run_id, _Watched(metrics_of(self._stack, buffer), now, now))
        if now - turn.asked >= PERIOD_S:
            turn.asked = now
            try:
                turn.minutes = read(self._client, turn.metrics, turn.began, now).minutes
            except ClientError as error:
                _refuse_denial(error)
            except BotoCoreError:
                pass
        return _reading(turn, now)

    def told(self, way: str, request_run_id: str, ended_at: float) -> Monitored:
        """Rows of MONITORING_COLUMNS of a whole turn.

        Raises:
            TargetError: CloudWatch did not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        turn = self._turns[request_run_id]
        try:
            told = read(self._client, turn.metrics, turn.began, ended_at)
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"CloudWatch does not tell of {way}: {error}") from None
        read_at = self._clock() * 1_000
        return Monitored(
            tuple(
                (way, each.metric.name, each.metric.statistic, each.at * 1_000, PERIOD_S, each.value, read_at)
                for each in told.minutes
            ),
            tuple(f"{way}: {missing}" for missing in told.missing),
        )


def _reading(turn: _Watched, now: float) -> Reading:
    throttles = [minute for minute in turn.minutes if minute.metric.name == "Throttles"]
    concurrency = turn.last(("ConcurrentExecutions",), now)
    waited = turn.last(AGES, now)
    shown = [minute for minute in (*throttles[-1:], concurrency, waited) if minute is not None]
    return Reading(
        throttles=round(sum(minute.value for minute in throttles)) if throttles else None,
        concurrency=None if concurrency is None else round(concurrency.value),
        oldest_age_s=None if waited is None else waited.value / waited.metric.per_second,
        age_s=max((_age(minute, now) for minute in shown), default=None),
    )


def _refuse_denial(error: "Exception") -> None:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    if code in _DENIED:
        raise TargetError(
            "the credentials may not call cloudwatch:GetMetricData, which tells of throttles and ages; allow them to"
        ) from None


def _age(minute: Minute, now: float) -> float:
    """How long ago a minute ended; one that is not over yet is of this moment."""
    return max(0.0, now - (minute.at + PERIOD_S))
