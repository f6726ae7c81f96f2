"""The dispatcher: sends requests at the times of a schedule, whatever the answers do (the open model).

One greenlet keeps the time and starts another for each request that is due. A request that finds the client or the
server busy does not hold back the next, and its latency counts from when it was meant to leave.
"""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import gevent
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest._image import LoadImage
    from loadtest._schedule import Schedule
    from pipeline.request import Buffer
    from pipeline.run import RowWriter

# API Gateway answers within 29 s, its longest integration timeout, unless it is asked for more.
TIMEOUT_S: Final = 30.0
# A request in flight is a connection and a greenlet. Locust raises the limit of open files to 10,000.
MOST_IN_FLIGHT: Final = 4_096
# How long a turn that is stopped waits for answers.
GRACE_S: Final = 5.0
_ACCEPTED: Final = 202
_LONGEST_ERROR: Final = 200


class RejectedError(Exception):
    """An answer other than 202, for Locust's own list of failures."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's part of one buffer's turn.

    `request_run_id` stands on each request. `starts_at` is second 0 of the schedule, in seconds since the epoch.
    """

    buffer: "Buffer"
    api_url: str
    request_run_id: str
    schedule: "Schedule"
    images: "tuple[LoadImage, ...]"
    starts_at: float

    @property
    def path(self) -> str:
        """The route that takes this buffer's images."""
        return f"/v1/{self.buffer}/images"


@dataclass(slots=True)
class Counts:
    """What became of the arrivals so far. Each is offered once it is due; the others are how it was answered.

    `unanswered` are timeouts and broken connections, `dropped` were never sent.
    """

    offered: int = 0
    accepted: int = 0
    rejected: int = 0
    unanswered: int = 0
    dropped: int = 0
    in_flight: int = 0


class Dispatcher:
    """Runs one turn.

    `answered` is told of each answer: milliseconds since the intended start, bytes, failure. `accepted` is told the
    sequence and the id of each request that was accepted.
    """

    def __init__(
        self,
        turn: Turn,
        rows: "RowWriter",
        answered: "Callable[[float, int, Exception | None], None]",
        accepted: "Callable[[int, str], None]",
        *,
        timeout_s: float = TIMEOUT_S,
        most_in_flight: int = MOST_IN_FLIGHT,
        grace_s: float = GRACE_S,
    ) -> None:
        self.counts = Counts()
        self._turn = turn
        self._rows = rows
        self._answered = answered
        self._accepted = accepted
        self._most_in_flight = most_in_flight
        self._grace_s = grace_s
        self._client = HTTPClient.from_url(
            turn.api_url,
            concurrency=most_in_flight,
            connection_timeout=timeout_s,
            network_timeout=timeout_s,
            headers={"Content-Type": "application/json"},
        )
        # The stage in an API's URL is the first part of the path.
        self._path = urlsplit(turn.api_url).path.rstrip("/") + turn.path
        run_id = json.dumps(turn.request_run_id).encode()
        self._heads = [image.head + run_id + b',"sequence":' for image in turn.images]
        self._rejections: dict[int, RejectedError] = {}
        self._sending: dict[int, gevent.Greenlet] = {}
        # Second 0 on the clock that never jumps.
        self._start = time.perf_counter() + (turn.starts_at - time.time())

    def run(self) -> None:
        """Send every request at its time, and return when each has its answer or has timed out.

        Killed, it sends nothing more, and waits a little for what is in flight: a request without its answer is one of
        which nobody knows whether it was accepted.
        """
        try:
            self._pace()
            gevent.joinall(list(self._sending.values()))
        except gevent.GreenletExit:
            gevent.joinall(list(self._sending.values()), timeout=self._grace_s)
        finally:
            self._stop()
            self._client.close()
            self._rows.flush()

    def _pace(self) -> None:
        times = self._turn.schedule.times
        sending = self._sending
        counts = self.counts
        clock = time.perf_counter
        index, end = 0, len(times)
        while index < end:
            due = clock() - self._start
            while index < end and times[index] <= due:
                counts.offered += 1
                if len(sending) < self._most_in_flight:
                    counts.in_flight += 1
                    sending[index] = gevent.spawn(self._send, index)
                else:
                    counts.dropped += 1
                    self._record(index, error=f"dropped: {self._most_in_flight} requests were in flight")
                index += 1
            if index < end:
                gevent.sleep(max(0.0, times[index] - (clock() - self._start)))

    def _send(self, index: int) -> None:
        turn = self._turn
        schedule = turn.schedule
        intended_ms = (turn.starts_at + schedule.times[index]) * 1_000
        body = self._heads[schedule.images[index]] + b'%d,"intended_at":%.3f}}' % (
            schedule.sequences[index],
            intended_ms,
        )
        status, request_id, error, length = 0, None, None, 0
        responded: float | None = None
        failure: Exception | None = None
        sent = time.perf_counter()
        try:
            response = self._client.request("POST", self._path, body)
            answer = response.read()
            responded = time.perf_counter()
            status, length = response.status_code, len(answer)
            request_id, error = _read(status, answer)
            if status != _ACCEPTED:
                failure = self._rejection(status)
        except (OSError, HTTPParseError, RuntimeError) as caught:
            responded = time.perf_counter()
            failure = caught
            error = f"{type(caught).__name__}: {caught}"[:_LONGEST_ERROR]
        except gevent.GreenletExit:
            error = "stopped before it was answered"
        finally:
            del self._sending[index]
            self._count(status)
            self._record(index, sent=sent, responded=responded, status=status, request_id=request_id, error=error)
        if request_id is not None:
            self._accepted(schedule.sequences[index], request_id)
        if responded is not None:
            self._answered(self._ms(responded) - intended_ms, length, failure)

    def _count(self, status: int) -> None:
        self.counts.in_flight -= 1
        if status == _ACCEPTED:
            self.counts.accepted += 1
        elif status:
            self.counts.rejected += 1
        else:
            self.counts.unanswered += 1

    def _record(
        self,
        index: int,
        *,
        sent: float | None = None,
        responded: float | None = None,
        status: int = 0,
        request_id: str | None = None,
        error: str | None = None,
    ) -> None:
        turn = self._turn
        image = turn.images[turn.schedule.images[index]]
        self._rows.write(
            turn.buffer,
            turn.schedule.sequences[index],
            (turn.starts_at + turn.schedule.times[index]) * 1_000,
            None if sent is None else self._ms(sent),
            None if responded is None else self._ms(responded),
            status,
            request_id,
            error,
            image.name,
            len(image.data),
        )

    def _ms(self, clock: float) -> float:
        return (self._turn.starts_at + clock - self._start) * 1_000

    def _rejection(self, status: int) -> RejectedError:
        # One for each status, so that Locust counts them as one failure and not as many.
        if status not in self._rejections:
            self._rejections[status] = RejectedError(f"HTTP {status}")
        return self._rejections[status]

    def _stop(self) -> None:
        gevent.killall(list(self._sending.values()))
        # A greenlet killed before its first step has recorded nothing.
        for index in sorted(self._sending):
            self._count(0)
            self._record(index, error="stopped before it was sent")
        self._sending.clear()


def _read(status: int, answer: bytes) -> tuple[str | None, str | None]:
    if status != _ACCEPTED:
        return None, answer[:_LONGEST_ERROR].decode("utf-8", "replace") or f"HTTP {status}"
    try:
        request_id = json.loads(answer)["request_id"]
    except (ValueError, TypeError, KeyError):
        request_id = None
    if not isinstance(request_id, str):
        return None, "answered 202 without a request_id"
    return request_id, None
