"""What comes of an attempt to call back: it is done, is tried again after a pause, or is given up."""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from consumers.callback_post import Answered, NoAnswer, NotCalled, Outcome
from pipeline.callback_settings import LONGEST_RETRY_S

# More digits than any wait that is heeded has; int() refuses thousands of them.
_DIGITS_READ: Final = 9
_HIGHEST_STATUS: Final = 599


@dataclass(frozen=True, slots=True)
class Done:
    """The receiver has acknowledged it."""


@dataclass(frozen=True, slots=True)
class Later:
    """It is tried again after `pause_s`."""

    reason: str
    pause_s: float


@dataclass(frozen=True, slots=True)
class Never:
    """It is given up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a callback is tried, how long an attempt may take and how long the second one waits, in s."""

    maximum_attempts: int
    first_retry_s: float
    timeout_s: float

    def verdict(self, outcome: Outcome, attempt: int, now: float) -> Done | Later | Never:
        """What comes of the `attempt`-th attempt, from 1. `now` is in s since the epoch."""
        if isinstance(outcome, NotCalled):
            return Never(outcome.reason)
        asked_s = None
        if isinstance(outcome, NoAnswer):
            reason = outcome.reason
        else:
            if HTTPStatus.OK <= outcome.status < HTTPStatus.MULTIPLE_CHOICES:
                return Done()
            reason = f"it answered {outcome.status}"
            if not _may_change(outcome.status):
                return Never(reason)
            asked_s = _asked_s(outcome, now)
        if attempt >= self.maximum_attempts:
            return Never(reason)
        return Later(reason, self.pause_s(attempt, asked_s))

    def pause_s(self, attempt: int, asked_s: float | None = None) -> float:
        """How long to wait after the `attempt`-th attempt: doubling, or longer if the receiver asked for it."""
        # The exponent is bounded before it makes a number that is none.
        pause = min(float(LONGEST_RETRY_S), self.first_retry_s * 2.0 ** min(attempt - 1, 30))
        return pause if asked_s is None else min(float(LONGEST_RETRY_S), max(pause, asked_s))


def _may_change(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or HTTPStatus.INTERNAL_SERVER_ERROR <= status <= _HIGHEST_STATUS


def _asked_s(answer: Answered, now: float) -> float | None:
    """What a receiver that is too busy asks for by Retry-After (RFC 9110, 10.2.3): seconds, or a date."""
    if answer.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) or not answer.retry_after:
        return None
    text = answer.retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_DIGITS_READ])
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
