"""The target's clock against ours, from the Date of its answers: between which bounds it is ahead."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import gevent
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError

_ASKED: Final = 12
_TIMEOUT_S: Final = 2.0


def bounds(date_s: float, asked_at: float, told_at: float) -> tuple[float, float]:
    """How far a clock is ahead, at least and at most, that showed a whole second between two moments of ours.

    >>> bounds(100.0, asked_at=99.5, told_at=99.75)
    (0.25, 1.5)
    """
    return date_s - told_at, date_s + 1 - asked_at


def beside_worker(target_ms: dict[str, float], worker: dict[str, float]) -> dict[str, float]:
    """Between which bounds the target's clock is ahead of a worker's, both being known against the run's.

    >>> beside_worker({"at_least": -10.0, "at_most": 60.0}, {"offset_ms": 100.0, "within_ms": 0.5})
    {'at_least': -110.5, 'at_most': -39.5}
    """
    ahead, within = worker["offset_ms"], worker["within_ms"]
    return {
        "at_least": round(target_ms["at_least"] - ahead - within, 3),
        "at_most": round(target_ms["at_most"] - ahead + within, 3),
    }


def target_clock(url: str) -> tuple[float, float] | None:
    """Seconds by which the clock of the server at `url` is ahead of ours, at least and at most; None if it tells none.

    A Date is of whole seconds. Asked for at different parts of a second, the bounds that all answers allow are narrow.
    """
    client = HTTPClient.from_url(url, connection_timeout=_TIMEOUT_S, network_timeout=_TIMEOUT_S)
    low, high = float("-inf"), float("inf")
    try:
        for _ in range(_ASKED):
            asked_at = time.time()
            response = client.request("HEAD", urlsplit(url).path or "/")
            told_at = time.time()
            date = parsedate_to_datetime(str(response.get("date"))).replace(tzinfo=UTC).timestamp()
            response.release()
            one_low, one_high = bounds(date, asked_at, told_at)
            low, high = max(low, one_low), min(high, one_high)
            gevent.sleep(1.09 / _ASKED)
    except (OSError, HTTPParseError, ValueError, TypeError):
        return None
    finally:
        client.close()
    # A clock that was set meanwhile allows no offset at all.
    return (low, high) if low <= high else None
